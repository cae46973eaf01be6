//! The files of the status page, which are part of the program.
//!
//! The page may load nothing from other sites and run no inline script, so that no text that it
//! shows can become a script.

/// The `Content-Security-Policy` of every file.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src \
                      'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A file of the page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct File {
    path: &'static str,
    pub(super) content_type: &'static str,
    pub(super) content: &'static str,
}

macro_rules! file {
    ($path:literal, $type:ident, $name:literal) => {
        File { path: $path, content_type: $type, content: include_str!($name) }
    };
}

static FILES: [File; 8] = [
    file!("/", HTML, "index.html"),
    file!("/status.css", CSS, "status.css"),
    file!("/status.js", SCRIPT, "status.js"),
    file!("/pools.js", SCRIPT, "pools.js"),
    file!("/problems.js", SCRIPT, "problems.js"),
    file!("/traffic.js", SCRIPT, "traffic.js"),
    file!("/change.js", SCRIPT, "change.js"),
    file!("/words.js", SCRIPT, "words.js"),
];

/// The file with this path.
pub(super) fn find(path: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.path == path)
}

/// Every file's path.
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|file| file.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_and_style_that_the_page_names_is_there() {
        let named = |attribute: &str| -> Vec<String> {
            FILES[0]
                .content
                .split(attribute)
                .skip(1)
                .filter_map(|rest| rest.split('"').next())
                .filter(|path| path.ends_with(".js") || path.ends_with(".css"))
                .map(|path| format!("/{}", path.trim_start_matches("./").trim_start_matches('/')))
                .collect()
        };
        let mut paths = named("src=\"");
        assert!(!paths.is_empty());
        paths.extend(named("href=\""));
        for file in FILES.iter().filter(|file| file.content_type == SCRIPT) {
            let imports = file.content.split("from \"./").skip(1);
            paths.extend(imports.filter_map(|it| Some(format!("/{}", it.split('"').next()?))));
        }
        for path in paths {
            assert!(find(&path).is_some(), "{path}");
        }
    }
}
