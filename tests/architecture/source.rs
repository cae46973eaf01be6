//! The files that the rules are about, and how they are read.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file of this repository.
pub(crate) struct Source {
    /// Relative to `src`, or to the root of the repository.
    pub(crate) path: PathBuf,
    /// The file without the test module at its end.
    pub(crate) text: String,
    /// The text without comments.
    pub(crate) code: String,
}

impl Source {
    fn read(root: &Path, path: &Path) -> Self {
        let whole = fs::read_to_string(path).expect("source is readable");
        let is_test = path.ends_with("tests.rs");
        let text = if is_test { "//! Tests." } else { without_tests(&whole) };
        let path = path.strip_prefix(root).expect("found under the root").to_owned();
        // Tests of a module, in a folder beside it, may import anything.
        let is_code = !path.components().skip(1).any(|part| part.as_os_str() == "tests");
        let code = text.lines().map(without_comment).filter(|_| is_code);
        Self { text: text.to_owned(), code: code.collect::<Vec<_>>().join("\n"), path }
    }

    /// Whether it is this file or in this folder.
    pub(crate) fn is_within(&self, module: &str) -> bool {
        self.path.with_extension("").starts_with(module)
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The modules of the library.
pub(crate) fn sources() -> impl Iterator<Item = Source> {
    let src = root().join("src");
    let files = rust_files(&src).into_iter().map(move |path| Source::read(&src, &path));
    files.filter(|file| !["lib.rs", "main.rs"].iter().any(|name| file.path == Path::new(name)))
}

/// Everything that is compiled.
pub(crate) fn every_file() -> impl Iterator<Item = Source> {
    let folders = ["src", "tests", "benches"].map(|folder| root().join(folder));
    folders
        .into_iter()
        .flat_map(|folder| rust_files(&folder))
        .map(|path| Source::read(root(), &path))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    let entries = fs::read_dir(folder).map(|entries| entries.flatten().collect());
    for path in entries.unwrap_or_else(|_| Vec::new()).iter().map(fs::DirEntry::path) {
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn without_tests(text: &str) -> &str {
    let is_module = |rest: &str| ["mod ", "pub(super) mod "].iter().any(|it| rest.starts_with(it));
    let mut marks = text.match_indices("#[cfg(test)]\n");
    let tests = marks.find(|(at, mark)| is_module(&text[at + mark.len()..]));
    tests.map_or(text, |(at, _)| &text[..at])
}

fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with("//") {
        return "";
    }
    // The separator has a space, which `http://` in a string does not have.
    line.split(" // ").next().unwrap_or_default()
}

/// Whether the text has the word, not as the end of a longer one.
pub(crate) fn mentions(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| !text[..at].ends_with(is_in_a_word))
}

pub(crate) fn is_in_a_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
