//! Configurations of nginx and HAProxy as people write them, what `lb convert` makes of them, and what
//! it says about the rest.
//!
//! Beside each `NAME.conf` and `NAME.cfg` are the document, `NAME.yaml`, and the report, `NAME.report`.
//! `UPDATE_GOLDEN=1 cargo test --test convert` rewrites them; read the diff.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use lb::{
    config::{self, Flags},
    convert::{self, Conversion, Format, Source},
};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/convert"))
}

/// The files of a folder with this ending, each with its format.
fn samples() -> Vec<(PathBuf, Format)> {
    let mut samples = Vec::new();
    for (folder, ending, format) in
        [("nginx", "conf", Format::Nginx), ("haproxy", "cfg", Format::Haproxy)]
    {
        let entries = fs::read_dir(root().join(folder)).expect("the folder is there");
        let mut paths: Vec<PathBuf> = entries
            .map(|entry| entry.expect("it can be read").path())
            .filter(|path| path.extension().is_some_and(|it| it == ending))
            .collect();
        paths.sort();
        assert!(paths.len() >= 15, "{folder} has {} samples", paths.len());
        samples.extend(paths.into_iter().map(|path| (path, format)));
    }
    samples
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn name(path: &Path) -> String {
    path.file_name().expect("a file").to_str().expect("in ASCII").to_owned()
}

/// The files beside the samples that an `include` names.
fn include(pattern: &str) -> Result<Vec<(String, String)>, String> {
    // The files of this machine are none of the samples.
    if pattern.starts_with('/') && !pattern.contains('*') {
        return Err("cannot be read: there is no such file".to_owned());
    }
    if let Some(folder) = pattern.strip_suffix("/*.conf") {
        let Ok(entries) = fs::read_dir(root().join("nginx").join(folder.trim_start_matches('/')))
        else {
            return Ok(Vec::new());
        };
        let mut paths: Vec<PathBuf> =
            entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        let file = |path: &PathBuf| (format!("{folder}/{}", name(path)), read(path));
        return Ok(paths.iter().map(file).collect());
    }
    let path = root().join("nginx").join(pattern);
    match fs::read_to_string(path) {
        Ok(text) => Ok(vec![(pattern.to_owned(), text)]),
        Err(_) => Err("cannot be read: there is no such file".to_owned()),
    }
}

fn convert_file(path: &Path, format: Format) -> Conversion {
    let (name, text) = (name(path), read(path));
    let source = Source { name: &name, text: &text };
    convert::convert(format, &source, &include).unwrap_or_else(|error| panic!("{error}"))
}

/// Compares a text with the golden file, or writes it.
fn differs(path: &Path, actual: Option<&str>) -> Option<String> {
    if env::var_os("UPDATE_GOLDEN").is_some() {
        match actual {
            Some(actual) => fs::write(path, actual).expect("writable"),
            None => drop(fs::remove_file(path)),
        }
        return None;
    }
    let golden = fs::read_to_string(path).ok();
    (golden.as_deref() != actual).then(|| {
        let shown = |text: Option<&str>| text.unwrap_or("nothing\n").to_owned();
        let (golden, actual) = (shown(golden.as_deref()), shown(actual));
        format!("{} has:\n{golden}\nand this was found:\n{actual}\n", path.display())
    })
}

#[test]
fn every_file_becomes_its_golden_document_and_report() {
    let mut different = String::new();
    for (path, format) in samples() {
        let Conversion { document, report } = convert_file(&path, format);
        different.extend(differs(&path.with_extension("yaml"), document.as_deref()));
        different.extend(differs(&path.with_extension("report"), Some(&format!("{report}\n"))));
    }
    assert!(different.is_empty(), "{different}");
}

#[test]
fn every_document_loads_without_a_warning() {
    for (path, format) in samples() {
        let Some(document) = convert_file(&path, format).document else { continue };
        let loaded = config::parse(&name(&path), &document, &Flags::default())
            .unwrap_or_else(|problems| panic!("{problems}\n{document}"));
        assert_eq!(loaded.warnings, [], "{document}");
    }
}

/// Counts the statements of a file, with those of the files that it includes, without the parser.
fn statements(path: &Path, format: Format) -> usize {
    let text = read(path);
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    if format == Format::Haproxy {
        return lines.filter(|line| !line.is_empty()).count();
    }
    let text: Vec<&str> = lines.collect();
    text.join("\n").matches([';', '{']).count()
}

/// Every statement has a verdict. The samples whose words contain braces or semicolons are left out,
/// because the count is a simple one.
#[test]
fn no_statement_is_lost() {
    for (path, format) in samples() {
        let file = name(&path);
        let has_other_marks = [
            "variables.conf",
            "certbot.conf",
            "included.conf",
            "tls.conf",
            "locations.conf",
            "http3.conf",
        ];
        if has_other_marks.contains(&&*file) {
            continue;
        }
        let summary = convert_file(&path, format).report.summary();
        let total = summary.translated + summary.not_needed + summary.changed + summary.left_out;
        assert_eq!(total, statements(&path, format), "{file}");
    }
}

#[test]
fn every_sample_is_recognised() {
    for (path, format) in samples() {
        assert_eq!(convert::recognise(&read(&path)), Some(format), "{}", path.display());
    }
    let in_one_line =
        "events {}\nhttp {\n  server { listen 80; location / { proxy_pass http://a:1; } }\n}\n";
    assert_eq!(convert::recognise(in_one_line), Some(Format::Nginx));
    let conditions = "frontend a\n  http-request deny if { path /a }\n";
    assert_eq!(convert::recognise(conditions), Some(Format::Haproxy));
    for other in [
        "",
        "listeners:\n  - address: 0.0.0.0:80\n",
        "example.com {\n  reverse_proxy a:80\n",
        "hello",
    ] {
        assert_eq!(convert::recognise(other), None, "{other}");
    }
}

#[test]
fn a_mistake_in_the_grammar_has_its_line() {
    let mistakes = [
        (Format::Nginx, "http {\n  server {\n", "a:2: this block has no }"),
        (Format::Nginx, "http {\n}\n}\n", "a:3: this } ends no block"),
        (Format::Nginx, "listen 80\n", "a:1: `listen 80` has no ; at its end"),
        (Format::Nginx, "a 'b;\n\n", "a:1: this quote does not end"),
        (Format::Nginx, "{ }\n", "a:1: this { has no name before it"),
        (Format::Haproxy, "global\n  log \"x\n", "a:2: the quote \" does not end"),
    ];
    for (format, text, expected) in mistakes {
        let source = Source { name: "a", text };
        let error = convert::convert(format, &source, &include).expect_err("a mistake");
        assert_eq!(error.to_string(), expected);
    }
}

/// A file with a line less, or with a word replaced, becomes a document that loads, or none, and every
/// one of its statements has a verdict.
#[test]
fn no_damage_makes_a_document_that_lb_refuses() {
    let words = [
        "",
        "0",
        "-1",
        "x",
        "\u{2603}",
        "a:b:c",
        "[::1",
        "/",
        "*",
        "999999999999",
        "'\"'",
        "$x",
        "/${X",
    ];
    let mut turn = 0;
    for (path, format) in samples() {
        let text = read(&path);
        let lines: Vec<&str> = text.lines().collect();
        for damaged in 0..lines.len() {
            let mut without = lines.clone();
            without.remove(damaged);
            loads(&without.join("\n"), format);
            let split: Vec<&str> = lines[damaged].split(' ').collect();
            for word in (0..split.len()).filter(|word| !split[*word].is_empty()) {
                turn += 1;
                // Every third word is enough, and takes a third of the time.
                if turn % 3 != 0 {
                    continue;
                }
                let mut split = split.clone();
                let ends = split[word].ends_with(';');
                let other =
                    format!("{}{}", words[turn / 3 % words.len()], if ends { ";" } else { "" });
                split[word] = &other;
                let line = split.join(" ");
                let mut lines = lines.clone();
                lines[damaged] = &line;
                loads(&lines.join("\n"), format);
            }
        }
    }
}

#[test]
fn a_line_break_in_a_word_leaves_no_comment() {
    let text = "defaults\n  mode http\nlisten a\n  bind :80\n  option httpchk HEAD \"x\\nwatch: 1\"\n  \
                server \"s\" 127.0.0.1:1 check unknown\\nwatch: 2\n";
    let source = Source { name: "a", text };
    let conversion = convert::convert(Format::Haproxy, &source, &include).expect("no mistake");
    let document = conversion.document.expect("a document");
    assert!(!document.contains("\nwatch"), "{document}");
    let report = conversion.report.to_string();
    assert!(!report.contains("\nwatch"), "{report}");
}

/// `${` is text in these files, and would be a reference to the environment in a configuration of `lb`.
#[test]
fn a_dollar_and_a_brace_stay_text() {
    let nginx = "http { server { listen 80; location '/a${b' { proxy_pass http://127.0.0.1:1; } \
                 location '/$${c}' { proxy_pass http://127.0.0.1:1; } } }";
    let haproxy = "defaults\n  mode http\nfrontend f\n  bind :80\n  acl a path_beg '/a${b'\n  \
                   acl c path_beg '/$${c}'\n  use_backend b if a\n  use_backend b if c\nbackend b\n  \
                   server s 127.0.0.1:1\n";
    for (format, text) in [(Format::Nginx, nginx), (Format::Haproxy, haproxy)] {
        let source = Source { name: "a", text };
        let conversion = convert::convert(format, &source, &include).expect("no mistake");
        let document = conversion.document.unwrap_or_else(|| panic!("{}", conversion.report));
        let loaded = config::parse("a", &document, &Flags::default());
        let config = loaded.unwrap_or_else(|problems| panic!("{problems}\n{document}")).config;
        for path in ["/a${b", "/$${c}"] {
            let is_there = config.routes.iter().any(|route| route.path.as_str() == path);
            assert!(is_there, "{path} is missing in\n{document}");
        }
    }
}

fn loads(text: &str, format: Format) {
    let source = Source { name: "damaged", text };
    let Ok(conversion) = convert::convert(format, &source, &include) else { return };
    let Some(document) = conversion.document else { return };
    let loaded = config::parse("damaged", &document, &Flags::default());
    loaded.unwrap_or_else(|problems| panic!("{problems}\n{document}\nof\n{text}"));
}

/// Runs `lb convert` in the folder of nginx, with this file as its standard input.
fn lb(arguments: &[&str], stdin: &str) -> Output {
    let folder = root().join("nginx");
    let stdin = fs::File::open(folder.join(stdin)).expect("a sample");
    Command::new(env!("CARGO_BIN_EXE_lb"))
        .arg("convert")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::from(stdin))
        .output()
        .expect("lb runs")
}

#[test]
fn the_exit_code_tells_whether_something_was_left_out() {
    for (arguments, code) in [
        (&["tls.conf"][..], 3),
        (&["--check", "tls.conf"], 3),
        (&["realip.conf", "--from", "haproxy"], 1),
        (&["php.conf", "--from", "caddy"], 2),
        (&["none.conf"], 1),
        (&["sites/a.conf"], 3),
        (&["parts/proxy.conf"], 1),
        (&["clean.conf"], 0),
    ] {
        let output = lb(arguments, "tls.conf");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        assert_eq!(output.stdout.is_empty(), matches!(code, 1 | 2), "{arguments:?}: {output:?}");
    }
}

#[test]
fn included_files_are_found_beside_the_file() {
    let output = lb(&["included.conf"], "tls.conf");
    let expected = read(&root().join("nginx/included.yaml"));
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    let expected = read(&root().join("nginx/included.report"));
    assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
}

#[test]
fn standard_input_is_recognised_too() {
    let output = lb(&["-", "--check"], "clean.conf");
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(report.ends_with("0 left out\n"), "{report}");
}
