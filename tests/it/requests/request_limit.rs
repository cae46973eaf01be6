//! The limit on a whole request: all attempts and the waits between them, up to the answer.

use std::time::Duration;

use super::super::Lb;
use super::super::client::{Connection, ask, get};
use crate::support::{
    backend::ScriptedBackend,
    full_listener::full_listener,
    lb::{entry, outcomes},
    reply::{Gate, Reply},
};

const SHORT: &str = "    timeouts: { connect: 300ms, request: 300ms }";

#[test]
fn a_backend_that_had_all_of_the_time_is_cut_short_and_blamed() {
    let (a, b) = (ScriptedBackend::replying(Reply::hang()), ScriptedBackend::named("b"));
    b.reply(Reply::hang());
    let lb = Lb::over(&[&a, &b], SHORT);
    let response = get(lb.address(), "/");
    assert_eq!(response.status, 504);
    assert!(response.text().contains("did not answer in time"), "{}", response.text());
    assert_eq!(outcomes(&lb.log_lines(1)[0]), ["timeout"], "there is no time for another");
    assert_eq!(a.requests().len() + b.requests().len(), 1);
    assert!(lb.backend(&a).is_suspect() != lb.backend(&b).is_suspect());
}

#[test]
fn a_retry_gets_the_rest_of_the_time() {
    let (a, b) =
        (ScriptedBackend::replying(Reply::hang()), ScriptedBackend::replying(Reply::hang()));
    let settings = "    retry: { backoff: off }\n    \
                    timeouts: { connect: 600ms, response: 450ms, request: 600ms }";
    let lb = Lb::over(&[&a, &b], settings);
    assert_eq!(get(lb.address(), "/").status, 504);
    assert_eq!(outcomes(&lb.log_lines(1)[0]), ["timeout", "out_of_time"]);
    let suspects = [&a, &b].into_iter().filter(|backend| lb.backend(backend).is_suspect());
    assert_eq!(suspects.count(), 1, "the second had less than half of the time");
}

#[test]
fn the_time_that_a_client_takes_to_upload_is_not_counted() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], SHORT);
    let mut connection = Connection::open(lb.address()).unwrap();
    connection.begin("POST", "/", &[("Content-Length", "2")]).unwrap();
    connection.send_body(b"a").unwrap();
    std::thread::sleep(Duration::from_millis(400));
    connection.send_body(b"b").unwrap();
    assert_eq!(connection.read_response("POST").unwrap().status, 200);
    a.reply(Reply::hang());
    let late = connection.request("POST", "/", &[], b"ab").unwrap();
    assert_eq!(late.status, 504, "it counts from then on");
}

#[test]
fn an_answer_that_has_begun_may_take_longer() {
    let slow = Reply::ok("0123").slowly(1, Duration::from_millis(150));
    let a = ScriptedBackend::replying(slow);
    let lb = Lb::over(&[&a], SHORT);
    let response = get(lb.address(), "/");
    assert_eq!((response.text().as_str(), response.is_complete), ("0123", true));
}

#[test]
fn a_connection_that_is_not_accepted_is_cut_short_and_not_blamed() {
    let (listener, _waiting) = full_listener();
    let a = ScriptedBackend::replying(Reply::hang());
    let addresses = [a.address(), listener.local_addr().unwrap()];
    let settings = "    retry: { backoff: off }\n    \
                    timeouts: { connect: 800ms, response: 500ms, request: 800ms }";
    let lb = Lb::over_addresses(&addresses, settings);
    // The two requests begin on different backends.
    let asked = [ask(lb.address(), "/"), ask(lb.address(), "/")];
    for mut connection in asked {
        assert_eq!(connection.read_response("GET").unwrap().status, 504);
    }
    assert_eq!(outcomes(&lb.line_begun_on(&a, 2)), ["timeout", "out_of_time"]);
}

#[test]
fn the_wait_in_the_queue_is_counted() {
    let a = ScriptedBackend::named("a");
    let gate = Gate::closed();
    a.reply_to("/first", Reply::body_behind(&gate, "first"));
    let settings = "    timeouts: { connect: 300ms, request: 300ms }\n    queue: { timeout: 60s }";
    let lb = Lb::over_entries(&entry(&a, "max_connections: 1"), settings);
    let mut first = ask(lb.address(), "/first");
    a.wait_for_heads(1);
    assert_eq!(get(lb.address(), "/second").status, 503);
    assert_eq!(lb.queued(), 0);
    gate.open();
    assert_eq!(first.read_response("GET").unwrap().text(), "first", "it has begun in time");
}
