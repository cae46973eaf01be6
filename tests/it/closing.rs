//! Connections of clients that have not read all their answers when the connection is closed. The system
//! takes back what the client has not read when bytes come to a closed connection, so it is closed in two
//! steps (RFC 9112 section 9.6), for whatever reason it ends.

use std::{io, time::Duration};

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::ask,
    eventually::{eventually, wait_for},
    lb::{Lb, TlsLb},
    reply::{Reply, Step},
    tls_client,
};

/// More than the system takes from `lb` before the client reads, and less than it keeps for `lb`.
const LARGE: usize = 1024 * 1024;
/// Longer than it takes to close a connection, and less than a client gets to notice that.
const MOMENT: Duration = Duration::from_millis(300);
/// Limits that a client passes in a test of them.
const SHORT: &str = "{ header: 200ms, body: { idle: 200ms } }";

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// A backend with a large answer to the first request.
fn backend() -> ScriptedBackend {
    let a = ScriptedBackend::named("a");
    a.reply_to("/first", Reply::ok(vec![b'x'; LARGE]));
    a
}

/// The first answer is whole, although a second request on its connection ends like this, and more comes
/// from the client after that.
fn keeps_the_first(lb: &Lb, second: &str, path: &str, later: &str) {
    let mut client = ask(lb.address(), "/first");
    lb.line_of("/first");
    client.send(second.as_bytes()).unwrap();
    lb.line_of(path);
    // The first of these finds the connection closed, unless that is done in two steps.
    for _ in 0..3 {
        client.send(later.as_bytes()).unwrap();
    }
    let answer = client.read_response("GET").unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_eq!((answer.is_complete, answer.body.len()), (true, LARGE), "{path}");
}

#[test]
fn a_request_behind_the_last_one_does_not_cost_its_answer() {
    let a = backend();
    let lb = Lb::over(&[&a], "");
    lb.drain();
    let mut client = ask(lb.address(), "/first");
    lb.line_of("/first");
    client.send(get("/second").as_bytes()).unwrap();
    client.send(get("/third").as_bytes()).unwrap();
    let answer = client.read_response("GET").unwrap();
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!((answer.is_complete, answer.body.len()), (true, LARGE));
    assert_eq!(a.requests().len(), 1);
}

#[test]
fn a_later_answer_that_breaks_off_does_not_cost_one_before() {
    let a = backend();
    let head = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n");
    for (path, fields, end) in [
        ("/closed", "Content-Length: 9", Step::Close),
        ("/reset", "Content-Length: 9", Step::Reset),
        ("/chunks", "Transfer-Encoding: chunked", Step::Close),
        ("/malformed", "Transfer-Encoding: chunked", Step::Send(b"no size\r\n".to_vec())),
    ] {
        a.reply_to(path, Reply::steps_of([Step::Send(head(fields).into()), end]));
    }
    let lb = Lb::over(&[&a], "");
    for path in ["/closed", "/reset", "/chunks", "/malformed"] {
        keeps_the_first(&lb, &get(path), path, &get("/third"));
    }
}

#[test]
fn a_tunnel_that_breaks_off_does_not_cost_an_answer_before() {
    let a = backend();
    let switch =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    for (path, end) in [("/reset", Step::Reset), ("/closed", Step::Close)] {
        a.reply_to(path, Reply::steps_of([Step::Send(switch.into()), end]));
    }
    let lb = Lb::over(&[&a], "");
    for path in ["/reset", "/closed"] {
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{upgrade}\r\n\r\n");
        keeps_the_first(&lb, &request, path, "more for the tunnel");
    }
}

#[test]
fn a_request_that_is_refused_does_not_cost_an_answer_before() {
    let a = backend();
    let lb = Lb::with_client_limits(&a, SHORT);
    let begun = |path: &str, fields: &str| format!("POST {path} HTTP/1.1\r\nHost: a\r\n{fields}");
    for (path, fields) in [
        ("/malformed", "No Colon\r\n\r\n"),
        ("/ambiguous", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("/late", "X-Unfinished: "),
        ("/slow", "Content-Length: 99\r\n\r\nbody"),
        ("/chunks", "Transfer-Encoding: chunked\r\n\r\n1\r\n"),
        ("/bad-chunk", "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\nno size\r\n"),
    ] {
        keeps_the_first(&lb, &begun(path, fields), path, "more");
    }
}

/// What a connection without a request needs for its end.
type Ends = fn(&Lb);

#[test]
fn the_end_of_an_idle_connection_does_not_cost_its_answer() {
    let a = backend();
    let ends: [(&str, &str, Ends); 3] = [
        ("{ keepalive: 100ms }", "", |_| {}),
        ("{ keepalive: 60s }", "", Lb::end_idle),
        ("{ header: 60s }", "GET /second HTTP/1.1\r\nHos", Lb::end_idle),
    ];
    for (limits, begun, end) in ends {
        let lb = Lb::with_client_limits(&a, limits);
        let mut client = ask(lb.address(), "/first");
        lb.line_of("/first");
        client.send(begun.as_bytes()).unwrap();
        end(&lb);
        // In one step it would be closed at once.
        let is_closed = wait_for(MOMENT, || (lb.connections() == 0).then_some(()));
        assert!(is_closed.is_none(), "{limits} {begun}");
        client.send(get("/third").as_bytes()).unwrap();
        let answer = client.read_response("GET").unwrap();
        assert_eq!((answer.is_complete, answer.body.len()), (true, LARGE), "{limits} {begun}");
        eventually(PATIENCE, "it is closed", || lb.connections() == 0);
    }
}

/// The client needs longer than it would take to notice the end.
#[test]
fn a_slow_reader_is_waited_for_as_long_as_it_reads() {
    let a = backend();
    let lb = Lb::over(&[&a], "");
    lb.drain();
    let mut client = ask(lb.address(), "/first");
    lb.line_of("/first");
    client.read_head().unwrap();
    let mut read = 0;
    for _ in 0..3 {
        let part = client.read_exact(LARGE / 5).unwrap();
        read += part.len();
        let is_closed = wait_for(MOMENT * 3, || (lb.connections() == 0).then_some(()));
        assert!(is_closed.is_none());
    }
    client.send(get("/second").as_bytes()).unwrap();
    client.send(get("/third").as_bytes()).unwrap();
    client.read_exact(LARGE - read).unwrap();
}

/// A client of HTTP/1.0 knows the end of a body by the end of the connection, and whether it is complete
/// by the goodbye of TLS (RFC 9112 section 9.8).
#[test]
fn an_answer_that_breaks_off_has_no_goodbye() {
    let a = ScriptedBackend::named("a");
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    let whole = Step::Send(format!("{answer}0\r\n\r\n").into());
    a.reply_to("/whole", Reply::steps_of([whole]));
    a.reply_to("/cut", Reply::steps_of([Step::Send(answer.into()), Step::Close]));
    let lb = TlsLb::over(&[&a], "");
    let last = |path: &str| {
        let mut client = tls_client::Connection::open(lb.address()).unwrap();
        client.send(format!("GET {path} HTTP/1.0\r\nHost: a\r\n\r\n").as_bytes()).unwrap();
        client.read_head().unwrap();
        assert_eq!(client.read_exact(4).unwrap(), b"half");
        client.receive()
    };
    assert_eq!(last("/whole").unwrap(), b"");
    eventually(PATIENCE, "it is logged", || lb.log_text().contains("/whole"));
    assert_eq!(last("/cut").map_err(|error| error.kind()), Err(io::ErrorKind::UnexpectedEof));
}
