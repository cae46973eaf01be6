//! `response: auto`: a backend that takes much longer than usual is left for another, if there is
//! one.
//!
//! Before anything is learned the limit is 500 ms; replies are delayed past that.

use std::time::Duration;

use super::super::Lb;
use super::super::client::{Response, ask, get, post};
use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    eventually::eventually,
    lb::{entry, outcomes},
    reply::{Gate, Reply},
};

const AUTO: &str = "    timeouts: { response: auto }";
const LATE: Duration = Duration::from_millis(650);

fn late(name: &str) -> ScriptedBackend {
    ScriptedBackend::replying(Reply::ok(name).delayed(LATE))
}

/// Asserts that the request was waited for on its first backend.
#[track_caller]
fn was_waited_for(response: &Response, lb: &Lb) {
    assert_eq!(response.status, 200);
    assert_eq!(outcomes(&lb.log_lines(1)[0]), ["ok"]);
}

#[test]
fn a_backend_that_hangs_is_left_for_another_long_before_the_fixed_limit() {
    let (a, b) = (ScriptedBackend::replying(Reply::hang()), ScriptedBackend::named("b"));
    let lb = Lb::over(&[&a, &b], AUTO);
    let mut requests = 0;
    while a.requests().is_empty() {
        assert_eq!(get(lb.address(), "/").text(), "b");
        requests += 1;
    }
    let line = lb.line_begun_on(&a, requests);
    assert_eq!(outcomes(&line), ["learned_timeout", "ok"]);
    assert!(lb.backend(&a).is_suspect(), "it counts against the backend");
}

#[test]
fn a_request_that_must_not_be_sent_twice_is_waited_for() {
    let (a, b) = (late("a"), late("b"));
    let lb = Lb::over(&[&a, &b], AUTO);
    was_waited_for(&post(lb.address(), "/", b"once"), &lb);
    assert_eq!(a.requests().len() + b.requests().len(), 1);
}

#[test]
fn the_only_backend_is_waited_for() {
    let a = late("a");
    let lb = Lb::over(&[&a], AUTO);
    was_waited_for(&get(lb.address(), "/"), &lb);
    assert_eq!(a.requests().len(), 1);
}

#[test]
fn the_last_backend_that_was_not_tried_is_waited_for() {
    let (a, b) = (late("a"), late("b"));
    let lb = Lb::over(&[&a, &b], AUTO);
    assert_eq!(get(lb.address(), "/").status, 200);
    assert_eq!(outcomes(&lb.log_lines(1)[0]), ["learned_timeout", "ok"]);
    assert_eq!((a.requests().len(), b.requests().len()), (1, 1));
}

#[test]
fn a_request_without_a_backend_at_the_limit_moves_when_one_is_free() {
    let (a, b, gate) =
        (ScriptedBackend::replying(Reply::hang()), ScriptedBackend::named("b"), Gate::closed());
    b.reply_to("/first", Reply::body_behind(&gate, "first"));
    a.reply_to("/first", Reply::reset());
    let entries = format!("{}, {}", entry(&a, "weight: 1"), entry(&b, "max_connections: 1"));
    let lb = Lb::over_entries(&entries, AUTO);
    let mut first = ask(lb.address(), "/first");
    eventually(PATIENCE, "b is busy", || lb.active(&b) == 1 && lb.active(&a) == 0);
    let mut second = ask(lb.address(), "/second");
    assert!(second.is_kept_waiting(2 * LATE), "it has waited past the limit");
    assert_eq!((a.requests_to("/second").len(), b.requests_to("/second").len()), (1, 0));
    gate.open();
    assert_eq!(first.read_response("GET").unwrap().text(), "first");
    assert_eq!(second.read_response("GET").unwrap().text(), "b");
}

#[test]
fn a_request_that_is_not_retried_is_waited_for() {
    let retries = ["budget: 0%, budget_min: 0", "attempts: 1", "on: [connect_failure, reset]"];
    // The requests run at the same time, because each takes long.
    let asked: Vec<_> = retries
        .into_iter()
        .map(|retry| {
            let (a, b) = (late("a"), late("b"));
            let lb = Lb::over(&[&a, &b], &format!("    retry: {{ {retry} }}\n{AUTO}"));
            (ask(lb.address(), "/"), lb, [a, b])
        })
        .collect();
    for (mut connection, lb, _backends) in asked {
        was_waited_for(&connection.read_response("GET").unwrap(), &lb);
    }
}

#[test]
fn the_time_for_the_request_holds_all_the_same() {
    let a = ScriptedBackend::replying(Reply::hang());
    let lb = Lb::over(&[&a], "    timeouts: { response: auto, connect: 600ms, request: 600ms }");
    assert_eq!(get(lb.address(), "/").status, 504);
    assert_eq!(outcomes(&lb.log_lines(1)[0]), ["timeout"]);
    assert!(lb.backend(&a).is_suspect(), "it had all of that time");
}
