//! The wait before a retry.

use std::time::Duration;

use super::super::Lb;
use super::super::client::{Connection, ask, get};
use crate::support::{
    backend::ScriptedBackend,
    lb::outcomes,
    reply::{Reply, Step},
};

/// A back-off so long that a wait drawn from it never ends within the time for a request.
const FOR_EVER: &str = "{ base: 24h, max: 24h }";

/// Two backends of which the first fails like this; returns the answer of the request that began
/// there.
fn begun_on_a_failing_one(reply: Option<Reply>, backoff: &str) -> (u64, Vec<String>) {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    let settings = format!(
        "    retry: {{ backoff: {backoff} }}\n    timeouts: {{ connect: 2s, request: 2s }}"
    );
    let lb = Lb::over(&[&a, &b], &settings);
    match reply {
        Some(reply) => a.reply(reply),
        None => a.stop(),
    }
    get(lb.address(), "/");
    get(lb.address(), "/");
    let line = lb.line_begun_on(&a, 2);
    let outcomes = outcomes(&line).into_iter().map(str::to_owned).collect();
    (line["status"].as_u64().unwrap_or_default(), outcomes)
}

#[test]
fn a_failure_is_reported_at_once_when_the_wait_would_outlast_the_request() {
    let (status, outcomes) = begun_on_a_failing_one(Some(Reply::reset()), FOR_EVER);
    assert_eq!(status, 502, "not the 504 of a request whose time is over");
    assert_eq!(outcomes, ["reset"]);
    let (status, outcomes) = begun_on_a_failing_one(Some(Reply::status(503)), FOR_EVER);
    assert_eq!(status, 503, "passed through");
    assert_eq!(outcomes, ["503"]);
}

#[test]
fn switched_off_there_is_no_wait() {
    for reply in [Reply::reset(), Reply::status(503)] {
        let (status, outcomes) = begun_on_a_failing_one(Some(reply), "off");
        assert_eq!((status, outcomes.len()), (200, 2));
    }
}

#[test]
fn there_is_no_wait_after_a_refused_connection_when_the_next_try_is_elsewhere() {
    let (status, outcomes) = begun_on_a_failing_one(None, FOR_EVER);
    assert_eq!((status, outcomes), (200, vec!["refused".to_owned(), "ok".to_owned()]));
}

/// There are enough waits that not all of them are short.
#[test]
fn a_wait_may_go_on_past_the_time_in_which_the_answer_was_due() {
    let late = Reply::steps_of([Step::Wait(Duration::from_millis(150)), Step::Reset]);
    let (a, b) = (ScriptedBackend::replying(late), ScriptedBackend::named("b"));
    let settings = "    retry: { backoff: { base: 600ms, max: 600ms } }\n    ejection: off\n    \
                    timeouts: { response: 300ms }";
    let lb = Lb::over(&[&a, &b], settings);
    let asked: Vec<_> = (0..16).map(|_| ask(lb.address(), "/")).collect();
    for mut connection in asked {
        assert_eq!(connection.read_response("GET").unwrap().text(), "b");
    }
    assert!(a.requests().len() >= 6, "about half of them began here");
}

#[test]
fn a_body_that_comes_during_the_wait_is_sent_whole() {
    let (a, b) = (ScriptedBackend::replying(Reply::reset().early()), ScriptedBackend::named("b"));
    let settings = "    retry: { backoff: { base: 200ms, max: 200ms } }\n    ejection: off";
    let lb = Lb::over(&[&a, &b], settings);
    for _ in 0..4 {
        let mut connection = Connection::open(lb.address()).unwrap();
        connection.begin("PUT", "/", &[("Content-Length", "60003")]).unwrap();
        connection.send_body(b"abc").unwrap();
        connection.send_body(&[b'x'; 60_000]).unwrap();
        assert_eq!(connection.read_response("PUT").unwrap().text(), "b");
    }
    assert!(!a.requests().is_empty());
    let whole = [b"abc".as_slice(), &[b'x'; 60_000]].concat();
    assert!(b.requests().iter().all(|request| request.body == whole));
}
