//! Raw bytes and their verdicts, in `tests/corpus/http1`: each line has an input, escaped as in
//! Rust, and the line below it the verdict. `UPDATE_GOLDEN=1` rewrites the verdicts; read the diff.

use std::{env, fs, path::Path};

use super::checks;
use crate::fuzzed;

/// Replaces the verdicts of the text by those of `verdict`.
fn with_verdicts(text: &str, verdict: impl Fn(&[u8]) -> String) -> String {
    let inputs = text.lines().filter(|line| !line.starts_with("    "));
    let judged = inputs.map(|line| match line {
        "" => "\n".to_owned(),
        comment if comment.starts_with("# ") => format!("{comment}\n"),
        input => format!("{input}\n    {}\n", verdict(&unescape(input))),
    });
    judged.collect()
}

fn unescape(line: &str) -> Vec<u8> {
    let mut bytes = vec![];
    let mut rest = line.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'\\' => match rest.next().expect("an escape") {
                b'r' => b'\r',
                b'n' => b'\n',
                b't' => b'\t',
                b'0' => 0,
                b'x' => {
                    let mut digit = || char::from(rest.next().expect("a digit")).to_digit(16);
                    let (high, low) = (digit().expect("hex"), digit().expect("hex"));
                    u8::try_from(high * 16 + low).expect("a byte")
                }
                itself @ (b'\\' | b'"') => itself,
                other => panic!("\\{} in {line}", char::from(other)),
            },
            byte => byte,
        };
        bytes.push(byte);
    }
    bytes
}

#[track_caller]
fn is_as_written(file: &str, verdict: impl Fn(&[u8]) -> String) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/http1").join(file);
    let text = fs::read_to_string(&path).expect("the corpus is there");
    let judged = with_verdicts(&text, verdict);
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &judged).expect("writable");
        return judged;
    }
    let different = text.lines().zip(judged.lines()).find(|(written, is)| written != is);
    if let Some((written, is)) = different {
        panic!("{file}: {written}\nbut it is {is}");
    }
    assert_eq!(text, judged, "{file} has a verdict for each input");
    judged
}

#[test]
fn requests_are_taken_or_refused_as_written() {
    is_as_written("requests.txt", checks::request);
}

#[test]
fn chunks_are_read_as_written() {
    is_as_written("chunks.txt", checks::chunks);
}

#[test]
fn answers_are_judged_as_written() {
    is_as_written("answers.txt", checks::answer);
}

/// Behind "takes" or "refuses", a name and a bar.
fn of_another_parser(row: &[u8]) -> String {
    let bar = row.windows(3).position(|three| three == b" | ").expect("a bar");
    checks::stream(&row[bar + 3..])
}

/// Deviations from the strict mode of another parser, each with a reason in ARCHITECTURE.md.
const LAXER: [&str; 3] = ["(bare LF)", "(unknown method)", "(bytes from 0x80)"];

#[test]
fn nothing_is_laxer_than_another_strict_parser_but_what_is_named() {
    let text = is_as_written("llhttp.txt", of_another_parser);
    let rows: Vec<_> = text.lines().filter(|line| !line.starts_with("# ")).collect();
    assert!(rows.len() / 2 >= 180, "{}", rows.len());
    for row in rows.chunks(2) {
        let [input, verdict] = row else { panic!("{row:?}") };
        let is_refused = verdict.contains("refused: ") || verdict.contains("ignored");
        let is_named = LAXER.iter().any(|deviation| input.contains(deviation));
        assert!(input.starts_with("takes ") || is_refused != is_named, "{input}\n{verdict}");
    }
}

/// Inputs that fuzzing found and that are worth keeping. Only the assertions of `checks` are
/// tested.
#[test]
fn nothing_that_fuzzing_has_found_breaks_a_rule() {
    fuzzed::each_input("request", |bytes| {
        checks::request(bytes);
        checks::stream(bytes);
    });
    fuzzed::each_input("chunks", |bytes| drop(checks::chunks(bytes)));
    fuzzed::each_input("answer", |bytes| {
        checks::answer(bytes);
        checks::answer_head(bytes);
    });
}
