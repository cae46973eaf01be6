//! The failures and requests that are tried again, and how often.

use std::io;

use super::super::Lb;
use super::super::client::{Connection, Response, get, post};
use crate::support::{backend::ScriptedBackend, lb::outcomes, reply::Reply};

/// The default of `retry.on`.
const LISTED: [&str; 6] = ["connect_failure", "reset", "timeout", "502", "503", "504"];

/// Each kind of failure that a scripted reply can be, by its name in `retry.on`, and the status
/// that a client gets when it is not retried.
fn failures() -> Vec<(&'static str, Reply, u16)> {
    let status = |status: u16| Reply::status(status).body("mine");
    vec![
        ("reset", Reply::reset(), 502),
        ("reset", Reply::reset_in_header(), 502),
        ("timeout", Reply::hang(), 504),
        ("502", status(502), 502),
        ("503", status(503), 503),
        ("504", status(504), 504),
        ("500", status(500), 500),
        ("404", status(404), 404),
    ]
}

/// The statuses of two requests, one of which begins on a backend that replies like this; the
/// better one first.
#[track_caller]
fn statuses(reply: Option<Reply>, on: &str) -> [u16; 2] {
    let a = ScriptedBackend::named("a");
    let b = ScriptedBackend::named("b");
    let settings = format!("    retry: {{ on: {on} }}\n    timeouts: {{ response: 300ms }}");
    let lb = Lb::over(&[&a, &b], &settings);
    match reply {
        Some(reply) => a.reply(reply),
        None => a.stop(),
    }
    let mut statuses = [get(lb.address(), "/").status, get(lb.address(), "/").status];
    statuses.sort_unstable();
    statuses
}

fn list(words: impl IntoIterator<Item = &'static str>) -> String {
    format!("[{}]", words.into_iter().collect::<Vec<_>>().join(", "))
}

#[test]
fn listed_failures_are_retried_and_no_others() {
    for (name, reply, status) in failures() {
        let alone = list([name]);
        assert_eq!(statuses(Some(reply.clone()), &alone), [200, 200], "{name} alone");
        let others = list(LISTED.into_iter().filter(|listed| *listed != name));
        assert_eq!(statuses(Some(reply), &others), [200, status], "all but {name}");
    }
}

#[test]
fn a_refused_connection_is_retried_when_that_is_listed() {
    assert_eq!(statuses(None, "[connect_failure]"), [200, 200]);
    let others = list(LISTED.into_iter().filter(|listed| *listed != "connect_failure"));
    assert_eq!(statuses(None, &others), [200, 502]);
}

#[test]
fn with_an_empty_list_nothing_is_retried() {
    for on in ["[]", "off"] {
        for (name, reply, status) in failures().into_iter().filter(|(name, ..)| *name != "timeout")
        {
            assert_eq!(statuses(Some(reply), on), [200, status], "{name}");
        }
        assert_eq!(statuses(None, on), [200, 502]);
    }
}

/// Two POSTs, one of which begins on a backend that resets connections.
fn posts_past_a_reset(settings: &str, headers: &[(&str, &str)]) -> Vec<Response> {
    let (a, b) = (ScriptedBackend::replying(Reply::reset()), ScriptedBackend::named("b"));
    let lb = Lb::over(&[&a, &b], settings);
    let post = || -> io::Result<Response> {
        Connection::open(lb.address())?.request("POST", "/", headers, b"once")
    };
    let responses = vec![post().unwrap(), post().unwrap()];
    assert!(!a.requests().is_empty(), "one of the two began here");
    assert!(b.requests().iter().all(|request| request.body == b"once"));
    responses
}

fn succeeded(responses: &[Response]) -> usize {
    responses.iter().filter(|response| response.status == 200).count()
}

#[test]
fn a_post_is_retried_only_with_an_idempotency_key_once_it_may_have_arrived() {
    assert_eq!(succeeded(&posts_past_a_reset("", &[])), 1);
    assert_eq!(succeeded(&posts_past_a_reset("", &[("idempotency-key", "\"8e03978e\"")])), 2);
}

#[test]
fn with_methods_all_every_request_is_retried() {
    assert_eq!(succeeded(&posts_past_a_reset("    retry: { methods: all }", &[])), 2);
    assert_eq!(succeeded(&posts_past_a_reset("    retry: { methods: idempotent }", &[])), 1);
}

#[test]
fn the_first_try_is_among_the_attempts() {
    for attempts in 1..=4 {
        let backends: Vec<_> = (0..4).map(|_| ScriptedBackend::replying(Reply::reset())).collect();
        let settings = format!("    retry: {{ attempts: {attempts}, backoff: off }}");
        let lb = Lb::over(&backends.iter().collect::<Vec<_>>(), &settings);
        assert_eq!(get(lb.address(), "/").status, 502);
        let tries: usize = backends.iter().map(|backend| backend.requests().len()).sum();
        assert_eq!(tries, attempts);
    }
}

#[test]
fn a_failed_backend_is_tried_again_only_if_no_other_is_left() {
    let backends: Vec<_> = ["a", "b", "c"].map(ScriptedBackend::named).into();
    for backend in &backends {
        backend.reply_next(1, Reply::reset());
    }
    let settings = "    retry: { attempts: 4, backoff: off }";
    let lb = Lb::over(&backends.iter().collect::<Vec<_>>(), settings);
    assert_eq!(get(lb.address(), "/").status, 200);
    let mut tries: Vec<_> = backends.iter().map(|backend| backend.requests().len()).collect();
    tries.sort_unstable();
    assert_eq!(tries, [1, 1, 2], "each once before one twice");
    assert_eq!(outcomes(&lb.log_lines(1)[0]), ["reset", "reset", "reset", "ok"]);
}

#[test]
fn the_only_backend_is_tried_again_after_a_reset() {
    let a = ScriptedBackend::named("a");
    a.reply_next(1, Reply::reset());
    let lb = Lb::over(&[&a], "");
    assert_eq!(get(lb.address(), "/").text(), "a");
    assert_eq!(outcomes(&lb.log_lines(1)[0]), ["reset", "ok"]);
}

#[test]
fn a_503_is_not_given_up_for_a_backend_that_has_failed_already() {
    let a = ScriptedBackend::replying(Reply::status(503).body("not me"));
    let lb = Lb::over(&[&a], "");
    let response = get(lb.address(), "/");
    assert_eq!((response.status, response.text().as_str()), (503, "not me"));
    assert_eq!(a.requests().len(), 1);

    let b = ScriptedBackend::named("b");
    ScriptedBackend::reply_in_order(
        &[&a, &b],
        [Reply::reset(), Reply::status(503).body("not me either")],
    );
    let lb = Lb::over(&[&a, &b], "    retry: { backoff: off }");
    let response = get(lb.address(), "/");
    assert_eq!((response.status, response.text().as_str()), (503, "not me either"));
    assert_eq!(outcomes(&lb.log_lines(1)[0]), ["reset", "503"]);
}

#[test]
fn a_429_is_passed_on_whole() {
    let reply = Reply::status(429).header("Retry-After", "7").body("slowly");
    let (a, b) = (ScriptedBackend::replying(reply.clone()), ScriptedBackend::replying(reply));
    let lb = Lb::over(&[&a, &b], "");
    for _ in 0..6 {
        let response = get(lb.address(), "/");
        assert_eq!((response.status, response.text().as_str()), (429, "slowly"));
        assert_eq!(response.header("retry-after"), Some("7"));
        assert!(response.is_complete);
    }
    assert_eq!(a.requests().len() + b.requests().len(), 6, "it is not retried");
    assert!(lb.backend(&a).is_eligible() && lb.backend(&b).is_eligible());
    assert_eq!(post(lb.address(), "/", b"x").status, 429);
}
