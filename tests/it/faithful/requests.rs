//! Requests: taken as they were sent, or refused for the right reason, with a line in the log.

use std::time::Duration;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::{Connection, get, raw},
    eventually::eventually,
    lb::{Lb, addresses},
    reply::Reply,
};

#[test]
fn targets_go_on_as_they_were_sent() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    // Percent-encoded where Pingora's types cannot carry them.
    for (target, expected) in [
        ("/?q={\"a\":1}", "/?q={%22a%22:1}"),
        ("/<b>", "/%3Cb%3E"),
        ("/a`b", "/a%60b"),
        ("/{\"a\":1}", "/{\"a\":1}"),
        ("/a|b\\c^d?|\\^`", "/a|b\\c^d?|\\^`"),
        ("/%zz%", "/%zz%"),
        ("/\u{e9}t\u{e9}", "/\u{e9}t\u{e9}"),
        ("//double//slash", "//double//slash"),
        ("/a;b=c?d&e", "/a;b=c?d&e"),
        ("/[x]", "/[x]"),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = raw(lb.address(), request.as_bytes());
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{target}");
        let seen = a.requests().pop().unwrap().path;
        assert_eq!(seen, expected, "{target}");
    }
}

#[test]
fn a_refusal_has_a_line_a_count_and_a_reason() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    for (request, status, why) in [
        ("GET /pa th HTTP/1.1\r\nHost: a\r\n\r\n", 400, "one blank between"),
        ("GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n", 400, ""),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400, "OPTIONS"),
        ("GET /#f HTTP/1.1\r\nHost: a\r\n\r\n", 400, "fragment"),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505, ""),
        ("GET /\r\n\r\n", 400, ""),
        ("\u{0}\r\n\r\n", 400, ""),
        ("GET / HTTP/1.1\r\nHost: a\r\nX Y: 1\r\n\r\n", 400, ""),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 405, "CONNECT"),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}", 400, ""),
    ] {
        let answer = raw(lb.address(), request.as_bytes());
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {answer}");
        assert!(answer.contains(why), "{request:?}: {answer}");
        let id = answer.split("(request ").nth(1).and_then(|rest| rest.split(')').next()).unwrap();
        eventually(PATIENCE, "its line", || lb.log_text().contains(id));
        let text = lb.log_text();
        let line = text.lines().find(|line| line.contains(id)).unwrap();
        assert!(line.contains(&format!("\"status\":{status}")), "{line}");
    }
    assert!(a.requests().is_empty());
}

#[test]
fn a_header_that_never_ends_is_431_and_has_its_line() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let mut connection = Connection::open(lb.address()).unwrap();
    connection.send(b"GET /long HTTP/1.1\r\nHost: a\r\nX: ").unwrap();
    // It is answered before it ends, and more than it takes to be too long may be under way.
    while connection.send(&[b'x'; 8192]).is_ok() {
        if connection.received_something() {
            break;
        }
    }
    let answer = String::from_utf8_lossy(&connection.read_to_close()).into_owned();
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert_eq!(lb.line_of("/long")["status"], 431);
}

#[test]
fn a_header_that_comes_too_slowly_has_its_line() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::start(&format!(
        "listeners: [ {{ address: 127.0.0.1:0, client: {{ header: 200ms }} }} ]\n\
         routes: [ {{ pool: web }} ]\npools: {{ web: {{ health_check: off, backends: [{}] }} }}",
        addresses(&[&a])
    ));
    let answer = String::from_utf8(raw(lb.address(), b"GET /slow HTTP/1.1\r\nHos")).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(lb.line_of("/slow")["status"], 408);
}

#[test]
fn the_targets_host_is_the_one_to_route_by() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    let lb = Lb::start(&format!(
        "routes: [ {{ host: ex.com, pool: ex }}, {{ pool: other }} ]\n\
         pools: {{ ex: {{ health_check: off, backends: [{}] }}, other: {{ health_check: off, backends: [{}] }} }}",
        addresses(&[&a]),
        addresses(&[&b])
    ));
    for request in [
        "GET http://EX.com:80/v1?q HTTP/1.1\r\nHost: ex.com\r\n",
        "GET HTTP://ex.com/v1?q HTTP/1.1\r\nHost: EX.COM\r\n",
        "GET http://ex.com/v1?q HTTP/1.0\r\n",
    ] {
        let answer = raw(lb.address(), format!("{request}Connection: close\r\n\r\n").as_bytes());
        assert!(answer.ends_with(b"\r\n\r\na"), "{request}{}", String::from_utf8_lossy(&answer));
        let seen = a.requests().pop().unwrap();
        assert_eq!(seen.path, "/v1?q", "in origin form: {request}");
        assert_eq!(seen.header_lines("host").len(), 1, "{request}");
    }
    assert!(b.requests().is_empty());
}

#[test]
fn every_line_and_option_of_connection_counts() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    for lines in [
        "Connection: keep-alive\r\nConnection: close",
        "Connection: close\r\nConnection: keep-alive",
        "Connection: keep-alive, CLOSE",
        "connection: x,close , y",
    ] {
        let answer =
            raw(lb.address(), format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n").as_bytes());
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.contains("\r\nConnection: close\r\n"), "{lines}: {answer}");
    }
}

#[test]
fn a_length_is_written_anew() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let request =
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 005\r\n\r\nhello";
    assert!(raw(lb.address(), request.as_bytes()).starts_with(b"HTTP/1.1 200 "));
    let seen = a.requests().pop().unwrap();
    assert_eq!((seen.header("content-length"), &*seen.body), (Some("5"), &b"hello"[..]));
}

#[test]
fn http_1_2_is_served_as_1_1() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let answer = raw(lb.address(), b"GET / HTTP/1.2\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
}

/// Each of these after `Transfer-Encoding: chunked`.
const BAD_CHUNKS: &[&str] = &[
    "\r\n\r\n",
    ";x\r\n\r\n",
    "3\r\nfoo\r\n\r\n",
    "5;a\nb\r\nhello\r\n0\r\n\r\n",
    "5;\nhello\r\n0\r\n\r\n",
    "5 \r\nhello\r\n0\r\n\r\n",
    "5;\r\nhello\r\n0\r\n\r\n",
    "5;bad[=x\r\nhello\r\n0\r\n\r\n",
    "5;\u{0}e\r\nhello\r\n0\r\n\r\n",
    "0x5\r\nhello\r\n0\r\n\r\n",
    "+5\r\nhello\r\n0\r\n\r\n",
    "5\nhello\r\n0\r\n\r\n",
    "5\r\nhelloX0\r\n\r\n",
    "10000000000000000\r\nx",
    "0\r\nbad trailer\r\n\r\n",
    "0\r\nX : y\r\n\r\n",
    "0\r\n folded\r\n\r\n",
];

#[test]
fn malformed_chunks_are_refused_for_every_cut() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let head = "POST /chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for chunks in BAD_CHUNKS {
        for cut in [0, 1, chunks.len() / 2, chunks.len()] {
            let mut connection = Connection::open(lb.address()).unwrap();
            connection.send(head.as_bytes()).unwrap();
            if cut > 0 {
                connection.send(&chunks.as_bytes()[..cut]).unwrap();
                std::thread::sleep(Duration::from_millis(5));
            }
            // It may have been refused already.
            let _ = connection.send(&chunks.as_bytes()[cut..]);
            let answer = String::from_utf8(connection.read_to_close()).unwrap();
            assert!(answer.starts_with("HTTP/1.1 400 "), "{chunks:?} cut at {cut}: {answer}");
        }
    }
    assert_eq!(a.count(|request| request.path == "/chunks" && request.is_complete), 0);
    assert!(lb.eligibility(&a).is_eligible() && !lb.backend(&a).is_suspect());
}

#[test]
fn a_first_chunk_line_that_is_none_costs_no_connection() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let request = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n";
    assert!(raw(lb.address(), request).starts_with(b"HTTP/1.1 400 "));
    assert_eq!(a.connections(), 0);
}

/// With two backends and a body that has to come within a moment.
fn with_body_limit(a: &ScriptedBackend, b: &ScriptedBackend) -> Lb {
    Lb::start(&format!(
        "listeners: [ {{ address: 127.0.0.1:0, client: {{ body: {{ idle: 300ms }} }} }} ]\n\
         routes: [ {{ pool: web }} ]\n\
         pools: {{ web: {{ health_check: off, timeouts: {{ response: 200ms }}, backends: [{}, {}] }} }}",
        addresses(&[a]),
        addresses(&[b])
    ))
}

#[test]
fn an_unfinished_body_is_the_clients_fault() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    let lb = with_body_limit(&a, &b);
    for (path, head, drip) in [
        ("/extension", "Transfer-Encoding: chunked\r\n\r\n5;", "x"),
        ("/trailers", "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n", "T: y\r\n"),
        ("/length", "Content-Length: 100\r\n\r\nhalf", ""),
    ] {
        for method in ["POST", "PUT"] {
            let mut connection = Connection::open(lb.address()).unwrap();
            let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{head}");
            connection.send(request.as_bytes()).unwrap();
            // What comes is no part of the body, so it gains no time, however long it goes on.
            let is_answered = (0..60).any(|_| {
                let _ = connection.send(drip.as_bytes());
                std::thread::sleep(Duration::from_millis(50));
                connection.received_something()
            });
            assert!(is_answered, "{method} {path}");
            let answer = String::from_utf8(connection.read_to_close()).unwrap();
            assert!(answer.starts_with("HTTP/1.1 408 "), "{method} {path}: {answer}");
        }
        let line = lb.line_of(path);
        assert_eq!((&line["status"], &line["attempts"]), (&408.into(), &1.into()), "{line}");
    }
    for backend in [&a, &b] {
        assert!(lb.eligibility(backend).is_eligible() && !lb.backend(backend).is_suspect());
    }
}

#[test]
fn a_slow_backend_is_not_a_slow_client() {
    let a = ScriptedBackend::replying(Reply::ok("late").delayed(Duration::from_millis(500)));
    let lb = Lb::start(&format!(
        "listeners: [ {{ address: 127.0.0.1:0, client: {{ body: {{ idle: 100ms }} }} }} ]\n\
         routes: [ {{ pool: web }} ]\npools: {{ web: {{ health_check: off, backends: [{}] }} }}",
        addresses(&[&a])
    ));
    assert_eq!(get(lb.address(), "/").text(), "late");
}

#[test]
fn a_part_of_the_next_header_has_the_headers_limit() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::start(&format!(
        "listeners: [ {{ address: 127.0.0.1:0, client: {{ header: 200ms, keepalive: 60s }} }} ]\n\
         routes: [ {{ pool: web }} ]\npools: {{ web: {{ health_check: off, backends: [{}] }} }}",
        addresses(&[&a])
    ));
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHos";
    let answer = String::from_utf8(raw(lb.address(), request)).unwrap();
    assert!(answer.contains("HTTP/1.1 200 ") && answer.contains("HTTP/1.1 408 "), "{answer}");
}
