//! The file that commands are for if none is named: that of the service on this machine.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The environment variable that names the file.
const VARIABLE: &str = "LB_CONF";
/// The file of the package.
const FILE: &str = "/etc/lb/lb.yaml";

/// The default file, if the environment names one or the package has installed one.
pub(in crate::cli) fn find() -> Option<PathBuf> {
    choose(env::var_os(VARIABLE).map(PathBuf::from), Path::new(FILE).exists())
}

/// The named file, else that of the package if it is there.
fn choose(named: Option<PathBuf>, is_installed: bool) -> Option<PathBuf> {
    let named = named.filter(|file| !file.as_os_str().is_empty());
    named.or_else(|| is_installed.then(|| PathBuf::from(FILE)))
}

/// The file that a command names, or the default file.
///
/// # Errors
///
/// What to write if there is neither.
pub(in crate::cli) fn or(named: Option<&Path>) -> Result<PathBuf, String> {
    named.map(Path::to_owned).or_else(find).ok_or_else(|| {
        format!(
            "which process? name the file that it runs from: -c FILE, or {VARIABLE}; there is no {FILE} (a \
             process that runs from flags alone takes signals, and no commands)"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_comes_before_the_package() {
        let named = |name: &str| Some(PathBuf::from(name));
        assert_eq!(choose(named("/a.yaml"), true), named("/a.yaml"));
        assert_eq!(choose(named("/a.yaml"), false), named("/a.yaml"));
        assert_eq!(choose(named(""), true), named(FILE));
        assert_eq!(choose(None, true), named(FILE));
        assert_eq!(choose(None, false), None);
    }
}
