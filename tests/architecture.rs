//! The rules of ARCHITECTURE.md that a reader would otherwise have to trust: a module imports only
//! from layers below its own, pure code stays pure, and every file can be read in one sitting.
//!
//! Plain text search, not a parser: the house style (one `use crate::module::…` line for each
//! module, tests last in the file) is what makes that enough, and is checked too.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may stop at the first surprise")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Lowest first. Modules that share a line do not import one another.
const LAYERS: &[&[&str]] = &[
    &["clock", "config", "count", "http1", "in_flight"],
    &["backend", "headers", "retry", "route", "telemetry", "process"],
    &["state_log"],
    &["balance", "discovery", "health"],
    &["pool"],
    &["generation"],
    &["demo", "proxy"],
    &["admin"],
    &["server"],
    &["cli"],
];

/// Decisions: functions of plain values. Folders, or files without `.rs`.
const PURE: &[&str] = &[
    "config",
    "http1",
    "backend",
    "retry",
    "route",
    "balance/candidates",
    "balance/ewma",
    "balance/round_robin",
    "balance/least_conn",
    "balance/slow_start",
];

/// What pure code does not mention: Pingora, sockets, tasks, the clock, the log, the system.
const IMPURE: &[&str] = &[
    "pingora",
    "tokio",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "thread::",
    "Instant::now",
    "SystemTime::now",
    "crate::clock",
    "log::",
    "fs::",
    "env::",
    "stdin",
    "stdout()",
    "stderr()",
];

/// The one thing each that a pure file may do all the same.
const EXCEPTIONS: &[(&str, &str)] = &[
    // Reads the file that it parses, so that every caller gets the same message when it cannot.
    ("config/mod.rs", "fs::"),
];

/// Of one file, without its tests.
const MAX_LINES: usize = 400;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc"];

/// Work that belongs into an issue.
const UNFINISHED: &[&str] = &["TODO", "FIXME", "XXX"];

#[test]
fn modules_import_only_layers_below() {
    none_of("imports that point up or sideways", sources(), |file| {
        let own = top_module(&file.path);
        let own_layer = layer(own);
        let is_upward = move |import: &&str| *import != own && layer(import) >= own_layer;
        let upward = crate_paths(&file.code).filter(is_upward);
        upward.map(|import| format!("imports crate::{import}")).collect()
    });
}

#[test]
fn imports_are_written_so_that_this_test_can_read_them() {
    none_of("one `use crate::module::…` line for each module", sources(), |file| {
        let to_root = format!("{}::", vec!["super"; depth(&file.path)].join("::"));
        ["crate::{", "crate::*", to_root.as_str()]
            .into_iter()
            .filter(|path| mentions(&file.code, path))
            .map(|path| format!("has {path}"))
            .collect()
    });
}

#[test]
fn pure_code_touches_nothing_outside() {
    none_of("pure code that is not", sources().filter(Source::is_pure), |file| {
        let excepted: Vec<_> = EXCEPTIONS
            .iter()
            .filter(|(path, _)| file.path == Path::new(path))
            .map(|(_, word)| word)
            .collect();
        IMPURE
            .iter()
            .filter(|word| !excepted.contains(word) && mentions(&file.code, word))
            .map(|word| format!("mentions {word}"))
            .collect()
    });
}

#[test]
fn the_list_of_pure_code_names_what_exists() {
    let is_gone = |pure: &&&str| !sources().any(|file| file.is_within(pure));
    let gone: Vec<_> = PURE.iter().filter(is_gone).collect();
    assert!(gone.is_empty(), "PURE names what is not in src: {gone:?}");
}

#[test]
fn files_can_be_read_in_one_sitting() {
    none_of("split these files", sources(), |file| {
        let lines = file.text.lines().count();
        (lines > MAX_LINES).then(|| format!("has {lines} lines")).into_iter().collect()
    });
}

#[test]
fn every_file_begins_with_what_it_is() {
    none_of("begin with `//!`", every_file(), |file| {
        (!file.text.starts_with("//! "))
            .then(|| "begins otherwise".to_owned())
            .into_iter()
            .collect()
    });
}

#[test]
fn names_say_what_is_inside() {
    none_of("name these for what they do", every_file(), |file| {
        let names = file.path.iter().filter_map(|name| name.to_str());
        names
            .map(|name| name.trim_end_matches(".rs"))
            .filter(|name| EMPTY_NAMES.contains(name))
            .map(|name| format!("is called {name}"))
            .collect()
    });
}

#[test]
fn nothing_is_left_unfinished() {
    none_of("open an issue instead", every_file(), |file| {
        let whole = fs::read_to_string(root().join(&file.path)).expect("source is readable");
        let is_here = |word: &&&str| !file.path.ends_with(file!()) && mentions(&whole, word);
        UNFINISHED.iter().filter(is_here).map(|word| format!("has {word}")).collect()
    });
}

#[test]
fn the_map_names_every_module() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there");
    let is_named = |module: &str| {
        [format!("`{module}`"), format!("{module}/"), format!("{module}.rs")]
            .iter()
            .any(|spelling| mentions(&map, spelling))
    };
    none_of("add these to ARCHITECTURE.md, as `name`, name/ or name.rs", sources(), |file| {
        let module = top_module(&file.path);
        (!is_named(module)).then(|| format!("is in `{module}`")).into_iter().collect()
    });
}

/// A file of ours.
struct Source {
    /// Relative to `src`, or to the root of the repository.
    path: PathBuf,
    /// Without the test module at its end.
    text: String,
    /// The text without comments.
    code: String,
}

impl Source {
    fn read(root: &Path, path: &Path) -> Self {
        let whole = fs::read_to_string(path).expect("source is readable");
        let is_test = path.ends_with("tests.rs");
        let text = if is_test { "//! Tests." } else { without_tests(&whole) };
        let path = path.strip_prefix(root).expect("found under the root").to_owned();
        // Tests of a module, in a folder beside it; what they import is their business.
        let is_code = !path.components().skip(1).any(|part| part.as_os_str() == "tests");
        let code = text.lines().map(without_comment).filter(|_| is_code);
        Self { text: text.to_owned(), code: code.collect::<Vec<_>>().join("\n"), path }
    }

    fn is_pure(&self) -> bool {
        PURE.iter().any(|pure| self.is_within(pure))
    }

    /// Whether it is this file or in this folder.
    fn is_within(&self, module: &str) -> bool {
        self.path.with_extension("").starts_with(module)
    }
}

/// Fails with every problem of every file, each on a line of its own.
#[track_caller]
fn none_of(
    what: &str,
    files: impl Iterator<Item = Source>,
    problems: impl Fn(&Source) -> Vec<String>,
) {
    let found: Vec<_> = files
        .flat_map(|file| {
            let path = file.path.display().to_string();
            problems(&file).into_iter().map(move |problem| format!("  {path} {problem}"))
        })
        .collect();
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The modules of the library.
fn sources() -> impl Iterator<Item = Source> {
    let src = root().join("src");
    let files = rust_files(&src).into_iter().map(move |path| Source::read(&src, &path));
    files.filter(|file| !["lib.rs", "main.rs"].iter().any(|name| file.path == Path::new(name)))
}

/// Everything that is compiled.
fn every_file() -> impl Iterator<Item = Source> {
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
    text.split("#[cfg(test)]\nmod ").next().unwrap_or_default()
}

fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with("//") {
        return "";
    }
    // With the space, which `http://` in a string has not.
    line.split(" // ").next().unwrap_or_default()
}

/// Whether the text has the word, not as the end of a longer one.
fn mentions(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| !text[..at].ends_with(is_in_a_word))
}

fn is_in_a_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// `proxy` of `proxy/context.rs`.
fn top_module(path: &Path) -> &str {
    let first = path.iter().next().and_then(|name| name.to_str()).expect("paths are text");
    first.trim_end_matches(".rs")
}

/// How many `super` it takes from this file to the root of the crate.
fn depth(path: &Path) -> usize {
    path.iter().filter(|name| *name != "mod.rs").count()
}

fn layer(module: &str) -> usize {
    LAYERS.iter().position(|modules| modules.contains(&module)).unwrap_or_else(|| {
        panic!("`{module}` is in no layer: add it to LAYERS and to ARCHITECTURE.md")
    })
}

/// The top-level modules named by `crate::…` paths.
fn crate_paths(code: &str) -> impl Iterator<Item = &str> {
    code.split("crate::")
        .skip(1)
        .map(|rest| &rest[..rest.find(|c| !is_in_a_word(c)).unwrap_or(rest.len())])
        .filter(|module| !module.is_empty())
}
