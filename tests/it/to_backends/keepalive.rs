//! Whether the connection to a backend carries another request: all lines of `Connection`, the
//! version, the framing.

use super::raw_backend::RawBackend;
use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::{Connection, get},
    eventually::eventually,
    lb::Lb,
    reply::{Reply, Step},
};

/// How many connections two requests take whose answers have these lines.
#[track_caller]
fn connections(head: &str, body: &str) -> usize {
    let a = ScriptedBackend::replying(Reply::raw(format!("{head}\r\n\r\n{body}")));
    let lb = Lb::over(&[&a], "");
    // On one connection, the second request begins when the first one has given its connection back.
    let mut connection = Connection::open(lb.address()).unwrap();
    for _ in 0..2 {
        assert_eq!(connection.get("/").unwrap().status, 200, "{head}");
    }
    a.connections()
}

#[test]
fn every_line_and_option_of_connection_counts() {
    for closes in [
        "Connection: close",
        "Connection: keep-alive\r\nConnection: close",
        "Connection: close\r\nConnection: keep-alive",
        "Connection: keep-alive, close",
        "connection: X-One, CLOSE",
        "Connection: \r\nX: y\r\nCONNECTION: ,Close ,",
    ] {
        let head = format!("HTTP/1.1 200 OK\r\n{closes}\r\nContent-Length: 2");
        assert_eq!(connections(&head, "ok"), 2, "{closes}");
    }
    for keeps in ["X: y", "Connection: keep-alive", "Connection: x-close\r\nX-Close: close"] {
        let head = format!("HTTP/1.1 200 OK\r\n{keeps}\r\nContent-Length: 2");
        assert_eq!(connections(&head, "ok"), 1, "{keeps}");
    }
}

#[test]
fn version_and_framing_count() {
    for (head, body, expected) in [
        ("HTTP/1.0 200 OK\r\nContent-Length: 2", "ok", 2),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2", "ok", 1),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", "2\r\nok\r\n0\r\n\r\n", 1),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", "2\r\nok\r\n0\r\nX: y\r\n\r\n", 1),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2",
            "2\r\nok\r\n0\r\n\r\n",
            2,
        ),
        // Bytes behind the answer.
        ("HTTP/1.1 200 OK\r\nContent-Length: 2", "ok\r\n", 2),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", "0\r\n\r\nHTTP/1.1 200 OK\r\n", 2),
    ] {
        assert_eq!(connections(head, body), expected, "{head}\n{body}");
    }
}

#[test]
fn a_head_and_a_small_body_are_one_write() {
    let a = RawBackend::answering("\r\n\r\nbody", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let lb = Lb::over_addresses(&[a.address()], "");
    let mut connection = Connection::open(lb.address()).unwrap();
    for _ in 0..2 {
        assert_eq!(connection.request("POST", "/", &[], b"body").unwrap().status, 200);
        assert!(a.request().starts_with("POST / HTTP/1.1\r\n"));
    }
}

#[test]
fn a_connection_without_requests_is_closed_after_the_keepalive_time() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "    timeouts: { keepalive: 100ms }\n");
    assert_eq!(get(lb.address(), "/").status, 200);
    eventually(PATIENCE, "the connection is closed", || a.open_connections() == 0);
    assert_eq!(get(lb.address(), "/").status, 200);
    assert_eq!(a.connections(), 2);
}

#[test]
fn a_connection_that_its_backend_has_closed_gets_no_request() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let a = ScriptedBackend::replying(Reply::steps_of([Step::Send(answer.into()), Step::Close]));
    let lb = Lb::over(&[&a], "");
    for number in 1..=3 {
        assert_eq!(get(lb.address(), "/").status, 200);
        eventually(PATIENCE, "the connection is closed", || a.open_connections() == 0);
        assert_eq!(a.connections(), number);
    }
    assert!(lb.log_lines(3).iter().all(|line| line["tries"][0]["reused"] == false));
}
