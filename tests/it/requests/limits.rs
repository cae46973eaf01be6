//! Limits on the time of clients and backends, and clients that leave.

use std::time::Duration;

use super::super::Lb;
use super::super::client::{Connection, get};
use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    eventually::eventually,
    reply::{Reply, Step},
};

#[test]
fn a_request_may_take_longer_than_the_limits_for_its_header_and_for_idling() {
    let a = ScriptedBackend::replying(Reply::ok("late").delayed(Duration::from_millis(500)));
    let lb = Lb::with_client_limits(&a, "{ header: 100ms, keepalive: 100ms }");
    assert_eq!(get(lb.address(), "/").text(), "late");
}

#[test]
fn a_client_that_takes_nothing_is_dropped_and_frees_its_backend() {
    let a = ScriptedBackend::replying(Reply::ok(vec![b'x'; 32 << 20]));
    let lb = Lb::with_client_limits(&a, "{ write: 300ms }");
    let mut connection = Connection::open(lb.address()).unwrap();
    connection.begin("GET", "/", &[]).unwrap();
    eventually(PATIENCE, "the request arrives", || lb.active(&a) == 1);
    eventually(PATIENCE, "the backend is free again", || lb.active(&a) == 0);
    eventually(PATIENCE, "the connection to it is closed", || a.open_connections() == 0);
}

#[test]
fn a_client_that_takes_slowly_is_served_longer_than_the_limit_for_idling() {
    let body = vec![b'x'; 8 << 20];
    let a = ScriptedBackend::replying(Reply::ok(body.clone()));
    let lb = Lb::over(&[&a], "    timeouts: { response: 300ms, idle: 300ms }");
    let mut connection = Connection::open(lb.address()).unwrap();
    connection.begin("GET", "/", &[]).unwrap();
    std::thread::sleep(Duration::from_millis(900));
    let response = connection.read_response("GET").unwrap();
    assert!(response.is_complete);
    assert_eq!(response.body.len(), body.len());
}

#[test]
fn a_pause_in_an_answer_that_is_too_long_breaks_it_off() {
    let steps =
        [Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec()), Step::Hang];
    let a = ScriptedBackend::replying(Reply::steps_of(steps));
    let lb = Lb::over(&[&a], "    timeouts: { response: 60s, idle: 200ms }");
    let response = get(lb.address(), "/");
    assert_eq!(response.status, 200);
    assert!(!response.is_complete, "a short answer must not look whole");
    assert_eq!(a.requests().len(), 1, "what the client has seen is never retried");
}

#[test]
fn pauses_shorter_than_idle_are_fine_however_many() {
    let slow = Reply::ok("0123456789").slowly(1, Duration::from_millis(60));
    let a = ScriptedBackend::replying(slow);
    let lb = Lb::over(&[&a], "    timeouts: { response: 250ms, idle: 250ms }");
    let response = get(lb.address(), "/");
    assert_eq!(response.text(), "0123456789");
}

#[test]
fn a_client_that_still_uploads_is_not_a_pause_in_the_answer() {
    let steps = [
        Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n".to_vec()),
        Step::Wait(Duration::from_millis(700)),
        Step::Send(b"ok".to_vec()),
    ];
    let a = ScriptedBackend::replying(Reply::steps_of(steps).early());
    let lb = Lb::over(&[&a], "    timeouts: { response: 60s, idle: 300ms }");
    let mut connection = Connection::open(lb.address()).unwrap();
    connection.begin("POST", "/", &[("Content-Length", "100")]).unwrap();
    let begin = lb::clock::now();
    while begin.elapsed() < Duration::from_millis(650) {
        connection.send_body(b"x").unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    let response = connection.read_response("POST").unwrap();
    assert_eq!((response.text().as_str(), response.is_complete), ("ok", true));
}

#[test]
fn idle_may_be_longer_than_response() {
    let slow = Reply::ok("ab").slowly(1, Duration::from_millis(500));
    let a = ScriptedBackend::replying(slow);
    let lb = Lb::over(&[&a], "    timeouts: { response: 200ms, idle: 60s }");
    assert_eq!(get(lb.address(), "/").text(), "ab");
}

#[test]
fn a_client_that_leaves_while_it_waits_frees_its_backend() {
    let a = ScriptedBackend::replying(Reply::hang());
    let lb = Lb::over(&[&a], "");
    let mut connection = Connection::open(lb.address()).unwrap();
    connection.begin("GET", "/", &[]).unwrap();
    eventually(PATIENCE, "the request arrives", || lb.active(&a) == 1);
    drop(connection);
    eventually(PATIENCE, "the backend is free again", || lb.active(&a) == 0);
    eventually(PATIENCE, "the connection to it is closed", || a.open_connections() == 0);
    let line = lb.log_lines(1).remove(0);
    assert_eq!(line["status"], 499);
    assert_eq!(line["error"], "the client closed the connection");
    assert_eq!(lb.in_flight(), 0);
}

#[test]
fn a_client_that_waits_to_be_asked_for_its_body_waits_for_the_backend() {
    let a = ScriptedBackend::replying(Reply::hang().early());
    let lb = Lb::over(&[&a], "    timeouts: { response: 200ms }");
    let mut connection = Connection::open(lb.address()).unwrap();
    let headers = [("Expect", "100-continue"), ("Content-Length", "4")];
    connection.begin("POST", "/", &headers).unwrap();
    assert_eq!(connection.read_response("POST").unwrap().status, 504);
}
