//! Everything that the parser refuses, in any division into reads: it is answered in the one form,
//! with the reason, logged and counted, and no byte of it reaches a backend.

use std::{collections::HashMap, fs, path::Path};

use serde_json::Value;

use crate::support::{
    backend::ScriptedBackend,
    client::{Connection, Response},
    lb::Lb,
};

/// What only bytes can say that the connection never hands to the parser.
const UNREACHABLE: &[&str] = &["a field is cut off"];

/// Bytes that are refused, and with what.
struct Refused {
    bytes: Vec<u8>,
    status: u16,
    why: String,
}

impl Refused {
    fn new(bytes: impl Into<Vec<u8>>, status: u16, why: &str) -> Self {
        Self { bytes: bytes.into(), status, why: why.to_owned() }
    }
}

fn source(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The inputs of a corpus that are refused, with what is before them in a stream.
fn corpus(file: &str, before: &str) -> Vec<Refused> {
    let text = source(&format!("tests/corpus/http1/{file}"));
    let lines: Vec<_> = text.lines().collect();
    let refused = lines.windows(2).filter_map(|pair| {
        let (status, why) = pair[1].strip_prefix("    ")?.split_once(' ')?;
        let status = status.parse().ok().filter(|status| (400..600).contains(status))?;
        let why = why.split(" behind \"").next()?;
        let bytes = [before.as_bytes(), &super::unescaped(pair[0])].concat();
        Some(Refused { bytes, status, why: why.to_owned() })
    });
    refused.collect()
}

const CHUNKED: &str = "POST /chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// What takes too many bytes for a corpus.
fn large() -> Vec<Refused> {
    let head = |fields: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let chunks = |chunks: &str| format!("{CHUNKED}{chunks}");
    let kib = |count: usize| "x".repeat(count * 1024);
    vec![
        Refused::new(
            format!("GET /{} HTTP/1.1\r\n", kib(64)),
            414,
            "the request target is longer than 64 KiB",
        ),
        Refused::new(
            head(&format!("X: {}\r\n", kib(64))),
            431,
            "the head of the request is larger than 64 KiB",
        ),
        Refused::new(head(&"X: y\r\n".repeat(100)), 431, "the request has more than 100 fields"),
        Refused::new(
            head(&format!("Connection: {}\r\n", "x,".repeat(101))),
            400,
            "Connection names more than 100 fields",
        ),
        Refused::new(
            chunks(&format!("1;{}\r\n", kib(4))),
            400,
            "the chunks have more than 4 KiB of extensions",
        ),
        Refused::new(
            chunks(&format!("0\r\nX: {}\r\n\r\n", kib(16))),
            400,
            "the trailers are larger than 16 KiB",
        ),
        Refused::new(
            chunks(&format!("0\r\n{}\r\n", "X: y\r\n".repeat(101))),
            400,
            "the body has more than 100 trailers",
        ),
    ]
}

/// Every sentence of the parser's sources: what is written there is a reason.
fn reasons_in_the_sources() -> Vec<String> {
    let files = [
        "request/facts",
        "request/head",
        "request/line",
        "request/refused",
        "request/target",
        "rules/fields",
        "chunked/body",
        "chunked/line",
        "chunked/trailers",
    ];
    let mut reasons = vec![];
    for file in files {
        let text = source(&format!("src/http1/{file}.rs"));
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let code = code.collect::<String>().replace("b'\"'", "").replace("\\\"", "\u{1}");
        let literals = code.split('"').skip(1).step_by(2);
        let sentences = literals.filter(|literal| literal.split(' ').count() > 2);
        reasons.extend(sentences.map(|sentence| sentence.replace('\u{1}', "\"")));
    }
    reasons
}

/// What is answered to these bytes, cut at these places.
fn answer(lb: &Lb, bytes: &[u8], pieces: impl Iterator<Item = usize>) -> Response {
    let mut connection = Connection::open(lb.address()).expect("a connection");
    let mut sent = 0;
    for end in pieces.chain([bytes.len()]) {
        // It may be refused and closed before all of it is sent.
        if connection.send(&bytes[sent..end]).is_err() {
            break;
        }
        sent = end;
    }
    let response = connection.read_response("GET").unwrap_or_else(|error| {
        panic!("no answer to {}: {error}", bytes[..bytes.len().min(200)].escape_ascii())
    });
    assert!(connection.read_to_close().is_empty(), "one answer");
    response
}

/// The id of the refusal with which these bytes are answered.
#[track_caller]
fn refusal(response: &Response, refused: &Refused) -> String {
    let Refused { status, why, bytes } = refused;
    let context = format!("{} → {response:?}", bytes[..bytes.len().min(200)].escape_ascii());
    assert_eq!(response.status, *status, "{context}");
    let id = response.header("x-request-id").expect("an id").to_owned();
    let text = response.text();
    assert!(text.ends_with(&format!(": {why} (request {id})\n")), "{text} for {why}: {context}");
    for (name, value) in [
        ("content-type", "text/plain; charset=utf-8"),
        ("cache-control", "no-store"),
        ("connection", "close"),
    ] {
        assert_eq!(response.header(name), Some(value), "{name}: {context}");
    }
    assert!(response.header("date").is_some() && response.is_complete, "{context}");
    id
}

#[test]
fn every_refusal_has_its_answer_its_line_and_its_count() {
    let backend = ScriptedBackend::named("a");
    let lb = Lb::in_http1_over(&backend);
    let heads = corpus("requests.txt", "");
    let bodies = corpus("chunks.txt", CHUNKED);
    assert!(heads.len() > 100 && bodies.len() > 50);
    let all: Vec<_> = heads.into_iter().chain(bodies).chain(large()).collect();
    let mut expected = HashMap::new();
    for refused in &all {
        let length = refused.bytes.len();
        expected.insert(refusal(&answer(&lb, &refused.bytes, [].into_iter()), refused), refused);
        expected.insert(
            refusal(&answer(&lb, &refused.bytes, [length / 2].into_iter()), refused),
            refused,
        );
        if length < 300 {
            expected.insert(refusal(&answer(&lb, &refused.bytes, 1..length), refused), refused);
        }
    }
    let lines = lb.log_lines(expected.len());
    assert_eq!(lines.len(), expected.len());
    for line in lines {
        let refused = expected[line["request_id"].as_str().expect("an id")];
        assert_eq!(line["status"], refused.status, "{line}");
        assert_eq!(line["error"], *refused.why, "{line}");
        assert!(line["method"].is_string() && line["path"].is_string(), "{line}");
        if refused.bytes.starts_with(CHUNKED.as_bytes()) {
            assert_eq!((&line["method"], &line["path"]), (&"POST".into(), &"/chunks".into()));
        } else {
            assert_eq!((&line["attempts"], &line["pool"]), (&0.into(), &Value::Null), "{line}");
        }
    }
    let counted: u64 = lb.listener().responses().iter().sum();
    assert_eq!(counted, expected.len() as u64);
    assert_eq!(backend.count(|request| request.is_complete || request.path != "/chunks"), 0);
    assert!(lb.eligibility(&backend).is_eligible() && !lb.backend(&backend).is_suspect());
    let named = |reason: &String| all.iter().any(|refused| refused.why == *reason);
    let unnamed: Vec<_> = reasons_in_the_sources().into_iter().filter(|it| !named(it)).collect();
    assert_eq!(unnamed, UNREACHABLE, "reasons without an input in the corpus");
}
