//! With `request_buffer` a body is read before its request gets a backend.

use std::time::Duration;

use super::super::Lb;
use super::super::client::{Connection, get};
use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    eventually::eventually,
    lb::{addresses, entry, outcomes},
    reply::{Reply, Step},
};

/// A POST of which this much of the body is still to come.
fn begin(lb: &Lb, method: &str, length: usize) -> Connection {
    let mut connection = Connection::open(lb.address()).unwrap();
    connection.begin(method, "/slow", &[("Content-Length", &length.to_string())]).unwrap();
    connection
}

#[test]
fn slow_bodies_take_no_place_from_others() {
    let a = ScriptedBackend::named("a");
    let limited = entry(&a, "max_connections: 10");
    let lb = Lb::over_entries(&limited, "    queue: off\n    request_buffer: 64KiB");
    let mut slow: Vec<_> = (0..12).map(|_| begin(&lb, "POST", 4)).collect();
    for connection in &mut slow {
        connection.send_body(b"bo").unwrap();
    }
    eventually(PATIENCE, "all are there", || lb.in_flight() == 12);
    assert_eq!(get(lb.address(), "/").text(), "a");
    assert_eq!(a.requests().len(), 1, "the slow ones have no backend");
    for connection in slow.iter_mut().take(10) {
        connection.send_body(b"dy").unwrap();
        assert_eq!(connection.read_response("POST").unwrap().text(), "a");
    }
    assert!(a.requests()[1..].iter().all(|request| request.body == b"body"));
}

#[test]
fn a_larger_body_is_streamed_behind_the_buffered_part() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "    request_buffer: 1KiB");
    let body: Vec<_> = (0..300_000).map(|index| b'a' + (index % 26) as u8).collect();
    let mut connection = begin(&lb, "POST", body.len());
    connection.send_body(&body[..1000]).unwrap();
    eventually(PATIENCE, "it is there", || lb.in_flight() == 1);
    assert_eq!(lb.active(&a), 0);
    connection.send_body(&body[1000..2000]).unwrap();
    eventually(PATIENCE, "it has a backend", || lb.active(&a) == 1);
    connection.send_body(&body[2000..]).unwrap();
    assert_eq!(connection.read_response("POST").unwrap().text(), "a");
    assert!(a.requests()[0].body == body);
}

#[test]
fn a_body_that_was_read_whole_can_be_sent_again_at_any_size() {
    let (a, b) = (ScriptedBackend::replying(Reply::close()), ScriptedBackend::named("b"));
    let lb = Lb::over(&[&a, &b], "    request_buffer: 1MiB");
    let body = vec![b'x'; 300_000];
    for _ in 0..2 {
        let mut connection = begin(&lb, "PUT", body.len());
        connection.send_body(&body[..200_000]).unwrap();
        connection.send_body(&body[200_000..]).unwrap();
        assert_eq!(connection.read_response("PUT").unwrap().text(), "b");
    }
    assert!(b.requests().iter().all(|request| request.body == body));
    let tried_both = lb.log_lines(2).iter().any(|line| outcomes(line) == ["reset", "ok"]);
    assert!(tried_both);
}

#[test]
fn a_client_that_waits_to_be_asked_for_its_body_is_asked() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "    request_buffer: 64KiB\n    timeouts: { response: 200ms }");
    let mut connection = Connection::open(lb.address()).unwrap();
    let headers = [("Expect", "100-continue"), ("Content-Length", "4")];
    connection.begin("POST", "/", &headers).unwrap();
    assert_eq!(connection.read_interim().unwrap(), 100);
    assert_eq!(lb.active(&a), 0, "the backend knows nothing of it");
    // Longer than a backend may take, which it does not.
    std::thread::sleep(Duration::from_millis(300));
    connection.send_body(b"body").unwrap();
    assert_eq!(connection.read_response("POST").unwrap().text(), "a");
    let request = a.requests().remove(0);
    assert_eq!((request.body.as_slice(), request.header("expect")), (&b"body"[..], None));
}

#[test]
fn a_body_that_comes_too_slowly_costs_no_backend() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::start(&format!(
        "listeners: [ {{ address: 127.0.0.1:0, client: {{ body: {{ idle: 200ms }} }} }} ]\n\
         routes: [ {{ pool: web }} ]\n\
         pools: {{ web: {{ health_check: off, request_buffer: 64KiB, backends: [{}] }} }}",
        addresses(&[&a])
    ));
    let mut connection = begin(&lb, "POST", 4);
    connection.send_body(b"bo").unwrap();
    assert_eq!(connection.read_response("POST").unwrap().status, 408);
    let line = lb.log_lines(1).remove(0);
    assert_eq!(line["status"], 408);
    assert_eq!(line["error"], "the request body did not come in time");
    assert_eq!((&line["pool"], line["tries"].as_array().unwrap().len()), (&"web".into(), 0));
    assert!(a.requests().is_empty());
}

#[test]
fn a_client_that_leaves_within_its_body_costs_no_backend() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "    request_buffer: 64KiB");
    let mut connection = begin(&lb, "POST", 4);
    connection.send_body(b"bo").unwrap();
    eventually(PATIENCE, "it is there", || lb.in_flight() == 1);
    drop(connection);
    eventually(PATIENCE, "it is gone", || lb.in_flight() == 0);
    assert_eq!(lb.log_lines(1)[0]["status"], 499);
    assert!(a.requests().is_empty());
}

#[test]
fn time_for_the_body_is_not_taken_from_the_time_for_the_request() {
    let slow = Reply::steps_of([
        Step::Wait(Duration::from_millis(300)),
        Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()),
    ]);
    let a = ScriptedBackend::replying(slow);
    let times = "timeouts: { connect: 100ms, response: 60s, request: 500ms }";
    let lb = Lb::over(&[&a], &format!("    request_buffer: 64KiB\n    {times}"));
    let mut connection = begin(&lb, "POST", 4);
    std::thread::sleep(Duration::from_millis(600));
    connection.send_body(b"body").unwrap();
    assert_eq!(connection.read_response("POST").unwrap().text(), "ok");
}
