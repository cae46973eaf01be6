//! Limits on the time of HTTP/1 clients, and requests that are sent too early.

use std::time::Duration;

use crate::support::{backend::ScriptedBackend, client::Connection, lb::Lb, reply::Reply};

#[test]
fn a_header_has_a_deadline_as_a_whole() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::with_client_limits(&a, "{ header: 300ms, keepalive: 60s }");
    let mut connection = Connection::open(lb.address()).unwrap();
    // One byte is sent at a time, each well within the limit.
    let mut sent = 0;
    for byte in b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: 1" {
        if connection.received_something() {
            break;
        }
        connection.send(&[*byte]).unwrap();
        sent += 1;
        std::thread::sleep(Duration::from_millis(40));
    }
    assert!(sent < 34, "the header was taken whole");
    let answer = String::from_utf8(connection.read_to_close()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(a.requests().is_empty());
}

#[test]
fn the_header_of_a_later_request_has_the_same_deadline() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::with_client_limits(&a, "{ header: 300ms, keepalive: 60s }");
    let mut connection = Connection::open(lb.address()).unwrap();
    assert_eq!(connection.get("/").unwrap().status, 200);
    connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n").unwrap();
    let answer = String::from_utf8(connection.read_to_close()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(a.requests().len(), 1);
}

#[test]
fn a_header_that_begins_in_one_write_with_a_request_has_the_same_deadline() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::with_client_limits(&a, "{ header: 300ms, keepalive: 60s }");
    let mut connection = Connection::open(lb.address()).unwrap();
    connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHo").unwrap();
    assert_eq!(connection.read_response("GET").unwrap().status, 200);
    assert_eq!(connection.read_response("GET").unwrap().status, 408);
}

/// Its end does not come.
#[test]
fn a_header_that_is_too_large_is_refused_at_once() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::with_client_limits(&a, "{ header: 60s }");
    for (fields, size) in [(1, 70 << 10), (70, 1 << 10)] {
        let mut connection = Connection::open(lb.address()).unwrap();
        let field = format!("X-Large: {}\r\n", "x".repeat(size));
        let begun = format!("GET / HTTP/1.1\r\nHost: a\r\n{}", field.repeat(fields));
        connection.send(begun.as_bytes()).unwrap();
        assert_eq!(connection.read_response("GET").unwrap().status, 431, "{fields}");
    }
}

#[test]
fn a_connection_on_which_nothing_comes_is_closed_quietly() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::with_client_limits(&a, "{ header: 200ms, keepalive: 60s }");
    let mut connection = Connection::open(lb.address()).unwrap();
    assert_eq!(connection.read_to_close(), b"");
}

#[test]
fn an_idle_connection_is_closed_after_the_keepalive_time() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::with_client_limits(&a, "{ header: 60s, keepalive: 300ms }");
    let mut connection = Connection::open(lb.address()).unwrap();
    for _ in 0..4 {
        assert_eq!(connection.get("/").unwrap().status, 200);
        std::thread::sleep(Duration::from_millis(150));
    }
    assert_eq!(connection.read_to_close(), b"");
}

#[test]
fn a_request_that_comes_too_early_waits_for_its_turn() {
    let a = ScriptedBackend::named("a");
    a.reply_with(|request| Reply::ok(request.path.clone()).delayed(Duration::from_millis(100)));
    let lb = Lb::over(&[&a], "");
    let mut connection = Connection::open(lb.address()).unwrap();
    for path in ["/1", "/2", "/3"] {
        connection.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    for path in ["/1", "/2", "/3"] {
        assert_eq!(connection.read_response("GET").unwrap().text(), path);
    }
}

#[test]
fn a_request_that_comes_too_early_does_not_stop_the_clock() {
    for upgrade in ["", "Upgrade: x\r\n", "Connection: Upgrade\r\nUpgrade: websocket\r\n"] {
        let a = ScriptedBackend::replying(Reply::hang());
        let lb = Lb::over(&[&a], "    timeouts: { response: 300ms, idle: 60s }");
        let mut connection = Connection::open(lb.address()).unwrap();
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{upgrade}\r\n");
        connection.send(request.as_bytes()).unwrap();
        a.wait_for_heads(1);
        connection.send(b"G").unwrap();
        assert_eq!(connection.read_response("GET").unwrap().status, 504, "{upgrade}");
    }
}
