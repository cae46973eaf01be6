//! Blame: failures that count against a backend, and failures that do not.

use std::time::Duration;

use super::super::Lb;
use super::super::client::{Connection, ask, get};
use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    eventually::eventually,
    lb::{entry, outcomes},
    reply::{Reply, Step},
};

#[test]
fn a_retry_may_use_the_slot_of_the_failed_attempt() {
    let a = ScriptedBackend::named("a");
    a.reply_next(1, Reply::close());
    // There is no queue in which it could wait for the slot.
    let lb = Lb::over_entries(&entry(&a, "max_connections: 1"), "    queue: off");
    assert_eq!(get(lb.address(), "/").text(), "a");
    assert_eq!(outcomes(&lb.log_lines(1)[0]), ["reset", "ok"]);
}

#[test]
fn a_pause_in_an_answer_counts_however_short_the_time_for_the_request_is() {
    for request in ["2s", "120s"] {
        let slow = Reply::ok("0123456789").slowly(1, Duration::from_secs(5));
        let a = ScriptedBackend::replying(slow);
        let times = format!("connect: 1s, response: 60s, request: {request}, idle: 200ms");
        let lb = Lb::over(&[&a], &format!("    timeouts: {{ {times} }}"));
        let mut connection = ask(lb.address(), "/");
        assert!(!connection.read_response("GET").unwrap().is_complete);
        assert_eq!(outcomes(&lb.log_lines(1)[0]), ["timeout"], "{request}");
        assert!(lb.backend(&a).is_suspect(), "{request}");
    }
}

#[test]
fn a_client_that_stops_sending_after_an_early_answer_is_not_the_backends_fault() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec();
    let early = Reply::steps_of([Step::Send(answer), Step::Hang]).early();
    let a = ScriptedBackend::replying(early);
    let lb = Lb::over(&[&a], "    timeouts: { idle: 200ms }");
    let mut connection = Connection::open(lb.address()).unwrap();
    connection.begin("POST", "/", &[("Content-Length", "100")]).unwrap();
    connection.send_body(b"half").unwrap();
    assert_eq!(connection.read_response("POST").unwrap().status, 200);
    assert_eq!(outcomes(&lb.log_lines(1)[0]), ["cut_off"]);
    assert!(!lb.backend(&a).is_suspect());
}

#[test]
fn an_upload_that_took_long_leaves_time_for_another_try() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    let breaks = Reply::steps_of([Step::Wait(Duration::from_millis(600)), Step::Close]).early();
    a.reply(breaks);
    let lb = Lb::over(&[&a, &b], "    timeouts: { connect: 100ms, request: 500ms }");
    for _ in 0..2 {
        let mut connection = Connection::open(lb.address()).unwrap();
        connection.begin("PUT", "/", &[("Content-Length", "8")]).unwrap();
        for _ in 0..8 {
            connection.send_body(b"x").unwrap();
            std::thread::sleep(Duration::from_millis(100));
        }
        let response = connection.read_response("PUT").unwrap();
        assert_eq!((response.status, response.text().as_str()), (200, "b"));
    }
    assert!(!a.requests().is_empty());
}

#[test]
fn a_probe_that_its_client_gave_up_is_not_followed_by_another_at_once() {
    let (a, b) = (ScriptedBackend::replying(Reply::status(503)), ScriptedBackend::named("b"));
    let lb = Lb::over(&[&a, &b], "    ejection: { failures: 2, base: 100ms, max: 10m }");
    eventually(PATIENCE, "a is ejected", || {
        assert_eq!(get(lb.address(), "/").text(), "b");
        !lb.backend(&a).is_eligible()
    });
    a.reply(Reply::hang());
    let before = a.requests().len();
    eventually(PATIENCE, "a client has given a probe up", || {
        let mut connection = Connection::open(lb.address()).unwrap();
        connection.limit(Duration::from_millis(200)).unwrap();
        connection.get("/").is_err()
    });
    assert!((0..10).all(|_| get(lb.address(), "/").text() == "b"));
    assert_eq!(a.requests().len() - before, 1);
}

#[test]
fn a_request_on_a_hung_backend_moves_when_another_comes_up() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    b.stop();
    let check = "    health_check: { path: /health, interval: 100ms, timeout: 50ms }";
    let lb = Lb::over(&[&a, &b], &format!("{check}\n    timeouts: {{ response: auto }}"));
    eventually(PATIENCE, "b is found to be down", || !lb.backend(&b).is_eligible());
    a.reply(Reply::hang());
    a.reply_to("/health", Reply::ok("fine"));
    let mut connection = ask(lb.address(), "/");
    eventually(PATIENCE, "it is there", || !a.requests_to("/").is_empty());
    b.start();
    assert_eq!(connection.read_response("GET").unwrap().text(), "b");
    assert_eq!(outcomes(&lb.log_lines(1)[0]), ["learned_timeout", "ok"]);
}
