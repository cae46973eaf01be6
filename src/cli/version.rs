//! The version that the program names.
//!
//! The commit and the date come from the environment of the build (`scripts/dist.sh` sets them). A build
//! script that asked git would build the program anew after every commit.

use std::sync::LazyLock;

/// The version of Pingora that Cargo.toml names.
const PINGORA: &str = "0.9.1";

static LONG_VERSION: LazyLock<String> = LazyLock::new(|| {
    let unknown = "unknown (not built by scripts/dist.sh)";
    format!(
        "{}\ncommit   {}\ndate     {}\nPingora  {PINGORA}\nfeatures HTTP/1.1, HTTP/2, HTTP/3, TLS 1.2 and 1.3 \
         (aws-lc), ACME, PROXY protocol",
        env!("CARGO_PKG_VERSION"),
        option_env!("LB_COMMIT").unwrap_or(unknown),
        option_env!("LB_DATE").unwrap_or(unknown),
    )
});

/// The text of `lb --version`; `lb -V` has its first line.
pub(super) fn long() -> &'static str {
    &LONG_VERSION
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_pingora_is_that_of_the_manifest() {
        let manifest = include_str!("../../Cargo.toml");
        for name in ["pingora-core", "pingora-proxy", "pingora-load-balancing"] {
            assert!(manifest.contains(&format!("\n{name} = \"={PINGORA}\"\n")), "{name}");
        }
        assert!(long().contains(&format!("\nPingora  {PINGORA}\n")));
    }
}
