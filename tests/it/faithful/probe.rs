//! A public probe of servers, case by case: `tests/corpus/http11probe.txt`.
//!
//! What `lb` does is written there in its own words, and compared with what the probe counts, so that a
//! change of either shows, with the figures.

use std::{env, fs, path::Path, time::Duration};

use crate::support::{
    backend::ScriptedBackend,
    client::{Connection, Response},
    lb::Lb,
    reply::Reply,
    request::Request,
};

/// The cases that count as failed: bytes from 0x80 in a target are taken, because clients send them and
/// other servers take them.
const FAILED: &[&str] = &["MAL-NON-ASCII-URL"];
const HOST: &str = "localhost:8080";
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\\r\\nHost: HOST\\r\\n\\r\\n";
/// Is answered on a connection that goes on, behind all that a case is answered.
const MARKER: &[u8] = b"GET /marker HTTP/1.1\r\nHost: a\r\n\r\n";
/// As long as nothing has to come for a case to count as waited for.
const WAIT: Duration = Duration::from_millis(50);
const VERDICT: &str = "    ";

/// A case of the file.
struct Case<'a> {
    id: &'a str,
    is_scored: bool,
    /// Answers that count, separated by `|`.
    counts: String,
    steps: Vec<&'a str>,
}

impl Case<'_> {
    fn may_wait(&self) -> bool {
        self.counts.split('|').any(|token| token == "wait")
    }
}

/// The cases and the comments between them, each with an empty line behind it.
fn blocks(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n\n").map(str::trim_end)
}

fn case(block: &str) -> Option<Case<'_>> {
    let mut lines = block.lines();
    let (id, counts) = lines.next()?.split_once(' ').filter(|(id, _)| *id != "#")?;
    let steps = lines.filter(|line| !line.starts_with(VERDICT)).collect();
    Some(Case {
        id: id.trim_start_matches('~'),
        is_scored: !id.starts_with('~'),
        counts: counts.replace(" / ", "|"),
        steps,
    })
}

/// The bytes of a step: `{x*3}` repeated, names filled in, escapes undone.
fn bytes(step: &str) -> Vec<u8> {
    let step = step.replace("{SMUGGLED}", SMUGGLED).replace("HOST", HOST);
    let mut bytes = vec![];
    let mut rest = &*step;
    while let Some((before, repeated)) = rest.split_once('{').filter(|(_, it)| it.contains('*')) {
        let (repeated, after) = repeated.split_once('}').expect("a closing brace");
        let (text, times) = repeated.rsplit_once('*').expect("a number of times");
        bytes.extend(super::unescaped(before));
        bytes.extend(super::unescaped(text).repeat(times.parse().expect("a number")));
        rest = after;
    }
    bytes.extend(super::unescaped(rest));
    let text = String::from_utf8_lossy(&bytes);
    if let Some((_, body)) = text.split_once("\r\n\r\n").filter(|_| text.contains("{LENGTH}")) {
        return text.replace("{LENGTH}", &body.len().to_string()).into_bytes();
    }
    bytes
}

/// Answers as the probe's own servers do, and with 101 to every request for an upgrade.
fn answer(request: &Request) -> Reply {
    match (&*request.method, &*request.path) {
        ("DELETE", _) => Reply::status(405).header("Allow", "GET"),
        ("OPTIONS", "/") => {
            Reply::raw("HTTP/1.1 204 No Content\r\nAllow: GET\r\nContent-Length: 0\r\n\r\n")
        }
        (_, "/no-upgrade") => Reply::status(426).header("Sec-WebSocket-Version", "13"),
        _ if request.header("upgrade").is_some() => Reply::upgrade(),
        _ => Reply::ok("OK").header("Content-Type", "text/plain"),
    }
}

/// What a step is answered with, and whether the connection goes on.
fn answered(connection: &mut Connection, step: &[u8]) -> (String, bool) {
    let method = if step.starts_with(b"HEAD ") { "HEAD" } else { "GET" };
    match connection.read_response(method) {
        Ok(response) => {
            let closes = has_ended(connection, &response);
            (response.status.to_string(), !closes)
        }
        Err(_) => ("close".to_owned(), false),
    }
}

fn has_ended(connection: &mut Connection, response: &Response) -> bool {
    let status = response.status;
    assert!(status == 101 || response.header("date").is_some(), "{response:?}");
    assert!(status != 204 || response.header("content-length").is_none(), "{response:?}");
    let closes = response.header("connection") == Some("close");
    if closes {
        let rest = connection.read_to_close();
        assert!(rest.is_empty(), "behind the last answer: {}", rest.escape_ascii());
    }
    closes
}

/// What `lb` does with a case, a line for each step.
fn verdicts(lb: &Lb, backend: &ScriptedBackend, case: &Case<'_>) -> Vec<String> {
    let before = backend.requests().len();
    let mut connection = Connection::open(lb.address()).expect("a connection");
    let mut lines = vec![];
    let mut goes_on = true;
    for step in case.steps.iter().map(|step| bytes(step)) {
        if !goes_on {
            break;
        }
        // What is refused may be closed before all of it is sent.
        let _ = connection.send(&step);
        if case.may_wait() && connection.is_kept_waiting(WAIT) {
            lines.push("wait".to_owned());
            goes_on = false;
            break;
        }
        let (answer, keeps) = answered(&mut connection, &step);
        lines.push(format!("{answer}, {}", if keeps { "keep" } else { "close" }));
        goes_on = keeps && answer != "101";
    }
    if goes_on {
        connection.send(MARKER).expect("it is open");
        let (marker, _) = answered(&mut connection, MARKER);
        if marker != "200" {
            lines.push(format!("{marker} to what was left"));
        }
    }
    let seen = backend.requests();
    // One that is not complete may or may not have come so far.
    let seen = seen[before..].iter().filter(|it| it.is_complete && it.path != "/marker");
    lines.extend(seen.map(|request| {
        let Request { method, path, body, .. } = request;
        let path = if path.len() > 40 { "…" } else { path };
        let body = if body.len() > 40 { "…".to_owned() } else { body.escape_ascii().to_string() };
        format!("> {method} {path} \"{body}\"")
    }));
    lines
}

fn counts(case: &Case<'_>, verdicts: &[String]) -> bool {
    let (status, keeps) = verdicts[0].split_once(", ").unwrap_or((&verdicts[0], "keep"));
    case.counts.split('|').any(|token| {
        let (token, must_close) = match token.split_once("+close") {
            Some((token, _)) => (token, true),
            None => (token, false),
        };
        let is_it = match token.strip_prefix('!') {
            Some(other) => status != other && status.parse::<u16>().is_ok(),
            None => {
                let class = token.strip_suffix("xx").filter(|class| status.starts_with(class));
                token == "any" || token == status || (class.is_some() && status.len() == 3)
            }
        };
        is_it && (!must_close || keeps == "close")
    })
}

#[test]
fn the_public_probes_cases() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/http11probe.txt");
    let text = fs::read_to_string(&path).expect("the cases are there");
    let backend = ScriptedBackend::named("a");
    backend.reply_with(answer);
    let lb = Lb::in_http1_over(&backend);
    let (mut anew, mut scored, mut failed) = (vec![], vec![], vec![]);
    for block in blocks(&text) {
        let Some(case) = case(block) else {
            anew.push(block.to_owned());
            continue;
        };
        let verdicts = verdicts(&lb, &backend, &case);
        if case.is_scored {
            scored.push(case.id);
            failed.extend((!counts(&case, &verdicts)).then_some(case.id));
        }
        let lines = block.lines().filter(|line| !line.starts_with(VERDICT)).map(str::to_owned);
        let verdicts = verdicts.iter().map(|verdict| format!("{VERDICT}{verdict}"));
        anew.push(lines.chain(verdicts).collect::<Vec<_>>().join("\n"));
    }
    let anew = anew.join("\n\n") + "\n";
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &anew).expect("writable");
    } else {
        let different = blocks(&text).zip(blocks(&anew)).find(|(written, is)| written != is);
        assert_eq!(different, None, "what is written, and what is");
    }
    let smuggling = scored.iter().filter(|id| id.starts_with("SMUG-")).count();
    assert_eq!((smuggling, scored.len()), (67, 160));
    assert_eq!(failed, FAILED);
}
