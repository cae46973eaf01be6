//! The rules of ARCHITECTURE.md that a reader would otherwise have to trust: a module imports only
//! from layers below its own, files of one module do not import each other in a circle, pure code
//! stays pure, and every file can be read in one sitting.
//!
//! The rules search text and parse nothing: the house style (one `use crate::module::…` line for
//! each module, tests last in the file) makes that enough, and is checked, too.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may stop at the first surprise")]

mod circles;
mod imports;
mod source;

use std::{collections::BTreeMap, fs, path::Path};

use source::{Source, every_file, is_in_a_word, mentions, root, sources};

/// The layers, lowest first. Modules that share a line do not import one another.
const LAYERS: &[&[&str]] = &[
    &["copies", "eight_bytes", "sync"],
    &[
        "clock",
        "count",
        "digits",
        "files",
        "fuzzed",
        "host",
        "http1",
        "in_flight",
        "machine",
        "properties",
    ],
    &["field_lists"],
    &["http3"],
    &["config"],
    &[
        "backend",
        "convert",
        "doctor",
        "headers",
        "http_client",
        "retry",
        "route",
        "telemetry",
        "process",
        "tls",
    ],
    &["acme", "state_log", "tracing"],
    &["balance", "discovery", "health"],
    &["pool"],
    &["target"],
    &["generation"],
    &["demo", "proxy", "readiness"],
    &["admin"],
    &["server"],
    &["cli"],
];

/// Decisions: functions of plain values. Folders, or files without `.rs`.
const PURE: &[&str] = &[
    "config",
    "http1",
    "field_lists",
    "http3",
    "backend",
    "convert",
    "doctor/checks",
    "retry",
    "route",
    "balance/candidates",
    "balance/ewma",
    "balance/round_robin",
    "balance/least_conn",
    "balance/slow_start",
    "acme/renewal/schedule",
    "acme/request",
    "tracing/decision",
    "tracing/record",
    "tracing/spans",
    "tracing/report",
];

/// Words that pure code does not contain: Pingora, sockets, tasks, the clock, the log, the system.
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

/// The exceptions: words that a pure file may contain.
const EXCEPTIONS: &[(&str, &str)] = &[
    // It reads the file that it parses, so that every caller gets the same message about an
    // unreadable file.
    ("config/outside.rs", "fs::"),
    ("config/outside.rs", "env::"),
];

/// The most lines of one file, without its tests.
const MAX_LINES: usize = 400;

/// The most files of one folder, `mod.rs` included.
const MAX_FILES: usize = 12;

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

/// A file may use what its `mod.rs` defines, or `mod.rs` may use the file, but not both. A name
/// that `mod.rs` re-exports with `pub use` belongs to the file.
#[test]
fn files_of_a_module_do_not_import_each_other_in_a_circle() {
    let found = circles::in_sources();
    let lines: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert!(
        found.is_empty(),
        "let these files import one another one way only:\n{}",
        lines.join("\n")
    );
}

#[test]
fn pure_code_touches_nothing_outside() {
    none_of("pure code that is not", sources().filter(is_pure), |file| {
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
fn the_list_of_pure_code_names_existing_files() {
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
fn folders_can_be_taken_in_at_a_glance() {
    let mut files: BTreeMap<String, usize> = BTreeMap::new();
    for file in sources() {
        let folder = file.path.parent().unwrap_or(Path::new("")).display().to_string();
        *files.entry(folder).or_default() += 1;
    }
    files.retain(|folder, files| !folder.is_empty() && *files > MAX_FILES);
    assert!(files.is_empty(), "give these folders folders of their own: {files:?}");
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

fn is_pure(file: &Source) -> bool {
    PURE.iter().any(|pure| file.is_within(pure))
}

/// The top module of a path: `proxy` of `proxy/context.rs`.
fn top_module(path: &Path) -> &str {
    let first = path.iter().next().and_then(|name| name.to_str()).expect("paths are text");
    first.trim_end_matches(".rs")
}

/// The number of `super` from this file to the root of the crate.
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
