//! The configuration as its users meet it: files in, messages out.
//!
//! Golden files hold the exact text, because the text is the product: an operator who is paged at
//! night reads it. `UPDATE_GOLDEN=1 cargo test --test config` rewrites them; read the diff.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]

mod schema;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use lb::config::{self, Config, Flags, Loaded, Origin, Problems};
use proptest::{collection::vec, prelude::*};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let folder = root().join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no files in {}", folder.display());
    files
}

/// Parses a file under its base name, so that messages are the same on every machine.
fn parse_file(path: &Path) -> Result<Loaded, Problems> {
    let name = path.file_name().expect("a file").to_str().expect("in ASCII");
    config::parse(name, &fs::read_to_string(path).expect("readable"), &Flags::default())
}

/// Compares a text with the golden file, or writes it.
fn differs(path: &Path, actual: &str) -> Option<String> {
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, actual).expect("writable");
        return None;
    }
    let golden = fs::read_to_string(path).unwrap_or_default();
    (golden != actual)
        .then(|| format!("{} has:\n{golden}\nand this was found:\n{actual}\n", path.display()))
}

#[test]
fn every_mistake_reads_as_its_golden_file_says() {
    let different: String = yaml_files("tests/golden/invalid")
        .iter()
        .filter_map(|path| {
            let actual = match parse_file(path) {
                Ok(_) => "loads without a problem\n".to_owned(),
                Err(problems) => format!("{problems}\n"),
            };
            differs(&path.with_extension("errors"), &actual)
        })
        .collect();
    assert!(different.is_empty(), "{different}");
}

#[test]
fn every_valid_file_becomes_the_model_of_its_golden_file() {
    let different: String = yaml_files("tests/golden/valid")
        .iter()
        .filter_map(|path| {
            let actual = match parse_file(path) {
                Ok(Loaded { config, warnings }) => {
                    let warnings: String =
                        warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
                    format!("{warnings}{config:#?}\n")
                }
                Err(problems) => format!("{problems}\n"),
            };
            differs(&path.with_extension("model"), &actual)
        })
        .collect();
    assert!(different.is_empty(), "{different}");
}

/// A configuration in several files: its folder has the effective configuration, or the messages.
#[test]
fn every_configuration_of_several_files_reads_as_its_golden_file_says() {
    let cases = fs::read_dir(root().join("tests/golden/parts")).expect("the folder is there");
    let different: String = cases
        .filter_map(|case| {
            let folder = case.expect("it can be read").path();
            let actual = match config::load(&folder.join("lb.yaml"), &Flags::default()) {
                Ok(Loaded { config, warnings }) => {
                    let warnings: String =
                        warnings.iter().map(|warning| format!("warning: {warning}\n")).collect();
                    format!("{warnings}{:#}\n", config::effective(&config))
                }
                Err(problems) => format!("{problems}\n"),
            };
            let actual = actual.replace(&format!("{}/", folder.display()), "");
            differs(&folder.join("result"), &actual)
        })
        .collect();
    assert!(different.is_empty(), "{different}");
}

#[test]
fn documents_of_the_keys_come_from_their_table() {
    let schema = format!("{:#}\n", config::reference::schema());
    let different: String = [
        ("conf/reference.yaml", config::reference::yaml()),
        ("docs/src/reference/configuration.md", config::reference::page()),
        ("docs/schema.json", schema),
    ]
    .into_iter()
    .filter_map(|(path, text)| differs(&root().join(path), &text))
    .collect();
    assert!(different.is_empty(), "{different}");
}

#[test]
fn no_message_shows_internals() {
    for path in yaml_files("tests/golden/invalid") {
        let message = parse_file(&path).expect_err("a mistake").to_string();
        for inside in ["Some(", "None", "Err(", "Ok(", " { line", "\u{1b}"] {
            assert!(!message.contains(inside), "{}: {inside:?} in {message}", path.display());
        }
        let lines = message.lines().count();
        let last = message.lines().last().expect("a last line");
        let problems =
            if lines == 2 { "1 problem".to_owned() } else { format!("{} problems", lines - 1) };
        assert!(last.ends_with(&problems), "{last} after {lines} lines");
    }
}

#[test]
fn shipped_files_load_without_a_warning() {
    for path in yaml_files("conf") {
        let loaded =
            config::load(&path, &Flags::default()).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(loaded.warnings, [], "{}", path.display());
    }
}

/// Removes the places of backends, which are not part of a configuration's meaning.
fn without_origins(mut config: Config) -> Config {
    for backend in config.pools.iter_mut().flat_map(|pool| &mut pool.backends) {
        backend.origin = Origin::flag("");
    }
    config
}

#[test]
fn the_reference_equals_the_defaults() {
    let minimal = "
        listeners: [{ address: 0.0.0.0:8080 }]
        routes: [{ pool: web }]
        pools: { web: { backends: [{ address: 127.0.0.1:9001 }] } }
    ";
    let minimal = config::parse("minimal.yaml", minimal, &Flags::default()).expect("valid");
    let reference = parse_file(&root().join("conf/reference.yaml")).expect("valid");
    assert_eq!(without_origins(reference.config), without_origins(minimal.config));
}

fn load_error(path: &Path) -> String {
    config::load(path, &Flags::default()).expect_err("it cannot be read").to_string()
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem_like_any_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("lb.yaml");
    let name = missing.display();
    let expected = format!("{name}: cannot be read: there is no such file\n{name}: 1 problem");
    assert_eq!(load_error(&missing), expected);

    let name = folder.path().display();
    let expected =
        format!("{name}: cannot be read: it is a directory, not a file\n{name}: 1 problem");
    assert_eq!(load_error(folder.path()), expected);
}

#[test]
fn a_file_that_is_not_text_is_reported_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lb.yaml");
    fs::write(&path, b"threads: 4\n# caf\xe9\n").expect("writable");
    let name = path.display();
    let expected = format!(
        "{name}:2: this line is not UTF-8 text (save the file as UTF-8)\n{name}: 1 problem"
    );
    assert_eq!(load_error(&path), expected);
}

#[test]
fn depth_and_aliases_are_bounded() {
    let error = |text: &str| {
        config::parse("deep.yaml", text, &Flags::default()).expect_err("too much").to_string()
    };
    assert!(error(&"- ".repeat(100_000)).contains("nested more than 64 levels deep"));
    assert!(error(&"[".repeat(100_000)).contains("nested too deep"));
    let nested = error(&"{a: ".repeat(100_000));
    assert!(nested.contains("nested"), "{nested}");

    let mut wide = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    let mut deep = "a0: &a0 [x]\n".to_owned();
    for n in 1..100 {
        let alias = format!("*a{}", n - 1);
        wide += &format!("a{n}: &a{n} [{}]\n", [alias.as_str(); 10].join(", "));
        deep += &format!("a{n}: &a{n} [{alias}]\n");
    }
    assert!(error(&wide).contains("more than 200000 values"), "{}", error(&wide));
    assert!(error(&deep).contains("nested more than 64 levels deep"), "{}", error(&deep));
}

/// Asserts that any text is a configuration or a list of problems.
fn survives(text: &str) {
    match config::parse("any.yaml", text, &Flags::default()) {
        Ok(loaded) => assert!(!loaded.config.pools.is_empty()),
        Err(problems) => {
            assert!(problems.iter().count() > 0);
            let lines = text.split(['\n', '\r']).count();
            assert!(problems.iter().all(|problem| problem.origin.line <= lines), "{problems}");
        }
    }
}

/// Every text that fuzzing has kept has a result.
#[test]
fn every_text_that_fuzzing_has_kept_has_an_answer() {
    let inputs =
        fs::read_dir(root().join("fuzz/corpus/configuration")).expect("the folder is there");
    for input in inputs {
        let text = fs::read(input.expect("it can be read").path()).expect("readable");
        survives(&String::from_utf8_lossy(&text));
    }
}

fn documents() -> impl Strategy<Value = Vec<String>> {
    let texts: Vec<Vec<String>> = ["conf", "tests/golden/valid", "tests/golden/invalid"]
        .iter()
        .flat_map(|folder| yaml_files(folder))
        .map(|path| fs::read_to_string(path).expect("readable"))
        .map(|text| text.lines().map(str::to_owned).collect())
        .filter(|lines: &Vec<String>| !lines.is_empty())
        .collect();
    prop::sample::select(texts)
}

/// A change of one line of a document.
#[derive(Debug, Clone)]
enum Edit {
    Delete,
    Double,
    Indent,
    Outdent,
    Cut(usize),
    Replace(String),
}

fn edits() -> impl Strategy<Value = Vec<(prop::sample::Index, Edit)>> {
    let edit = prop_oneof![
        Just(Edit::Delete),
        Just(Edit::Double),
        Just(Edit::Indent),
        Just(Edit::Outdent),
        (0..40_usize).prop_map(Edit::Cut),
        "[ -]{0,4}[a-z]{0,6}[:{}\\[\\]&*!|>'\"%@#,<~-]{0,3} ?[a-z0-9:./*&]{0,8}"
            .prop_map(Edit::Replace),
    ];
    vec((any::<prop::sample::Index>(), edit), 1..6)
}

fn apply(mut lines: Vec<String>, edits: &[(prop::sample::Index, Edit)]) -> String {
    for (index, edit) in edits {
        if lines.is_empty() {
            break;
        }
        let at = index.index(lines.len());
        match edit {
            Edit::Delete => drop(lines.remove(at)),
            Edit::Double => lines.insert(at, lines[at].clone()),
            Edit::Indent => lines[at].insert(0, ' '),
            Edit::Outdent => lines[at] = lines[at].trim_start().to_owned(),
            Edit::Cut(length) => lines[at] = lines[at].chars().take(*length).collect(),
            Edit::Replace(text) => lines[at].clone_from(text),
        }
    }
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1000,
        failure_persistence: None,
        rng_seed: prop::test_runner::RngSeed::Fixed(7),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_text_has_an_answer(text in any::<String>()) {
        survives(&text);
    }

    #[test]
    fn any_text_of_yaml_signs_has_an_answer(text in "[a-c0-9:{}\\[\\]&*!|>'\"%@#,<~\\- \n\t\r]{0,80}") {
        survives(&text);
    }

    #[test]
    fn any_mutilated_document_has_an_answer(lines in documents(), edits in edits()) {
        survives(&apply(lines, &edits));
    }
}
