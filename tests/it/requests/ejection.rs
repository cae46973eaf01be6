//! A backend that fails requests is ejected for a while, and comes back by answering a probe.

use std::time::{Duration, Instant};

use lb::{
    backend::{EjectionCause, EjectionEnd, Eligibility},
    clock,
};

use super::super::Lb;
use super::super::client::{Connection, ask, get, post};
use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    eventually::eventually,
    lb::{entry, outcomes},
    reply::Reply,
};

/// Settings without waits and second tries, so that each request is one result of one backend.
const ONCE: &str = "    retry: { attempts: 1 }\n    slow_start: off";
/// Settings with terms that a test can wait for.
const SHORT: &str = "    retry: { backoff: off }\n    slow_start: off\n    \
                     ejection: { base: 300ms, max: 1s }";

/// Two backends, the first of which replies like this.
fn first_replies(reply: Reply) -> (ScriptedBackend, ScriptedBackend) {
    (ScriptedBackend::replying(reply), ScriptedBackend::named("b"))
}

/// Sends requests until this backend has seen `count` in all.
#[track_caller]
fn get_past(lb: &Lb, backend: &ScriptedBackend, count: usize) {
    for _ in 0..10 * count {
        if backend.requests().len() == count {
            return;
        }
        get(lb.address(), "/");
    }
    panic!("{} of {count} requests came", backend.requests().len());
}

/// The cause of a backend's ejection, and when it ends; `None` if it is not ejected.
fn ejection(lb: &Lb, backend: &ScriptedBackend) -> Option<(EjectionCause, Instant)> {
    match lb.eligibility(backend) {
        Eligibility::Ejected { cause, until: EjectionEnd::Probe(at) } => Some((cause, at)),
        _ => None,
    }
}

/// Whether the backend has been half-open for a millisecond, so that its probe is certainly due.
fn is_half_open(lb: &Lb, backend: &ScriptedBackend) -> bool {
    let before = clock::now() - Duration::from_millis(2);
    matches!(lb.backend(backend).eligibility(before), Eligibility::HalfOpen { .. })
}

/// A balancer over two backends, of which the first was ejected and waits for its probe.
#[track_caller]
fn with_half_open(a: &ScriptedBackend, b: &ScriptedBackend, settings: &str) -> Lb {
    let lb = Lb::over(&[a, b], settings);
    a.reply_next(5, Reply::status(503));
    get_past(&lb, a, 5);
    eventually(PATIENCE, "its term is over", || is_half_open(&lb, a));
    lb
}

#[test]
fn five_failures_in_a_row_eject() {
    for (reply, cause) in [
        (Reply::status(502), EjectionCause::Status(502)),
        (Reply::status(503), EjectionCause::Status(503)),
        (Reply::status(504), EjectionCause::Status(504)),
        (Reply::status(503).body("0123").closed_after(2), EjectionCause::Status(503)),
        (Reply::reset(), EjectionCause::Reset),
        (Reply::close(), EjectionCause::Reset),
        (Reply::raw("nonsense\r\n\r\n"), EjectionCause::InvalidAnswer),
    ] {
        let (a, b) = first_replies(reply);
        let lb = Lb::over(&[&a, &b], "    retry: { backoff: off }");
        get_past(&lb, &a, 4);
        assert_eq!(ejection(&lb, &a), None, "{cause}");
        get_past(&lb, &a, 5);
        assert_eq!(ejection(&lb, &a).map(|(cause, _)| cause), Some(cause));
        for _ in 0..4 {
            assert_eq!(get(lb.address(), "/").text(), "b");
        }
        assert_eq!(a.requests().len(), 5, "it is left alone");
        let statuses = lb.log_lines(8).into_iter().map(|line| line["status"].clone());
        assert!(statuses.into_iter().all(|status| status == 200), "no client has noticed");
    }
}

#[test]
fn two_are_enough_if_nothing_else_happened_for_a_second() {
    let (a, b) = first_replies(Reply::hang());
    let lb = Lb::over(&[&a, &b], "    timeouts: { response: 600ms }");
    get_past(&lb, &a, 2);
    assert_eq!(ejection(&lb, &a).map(|(cause, _)| cause), Some(EjectionCause::Timeout));
}

/// Whether a backend is ejected that gives these replies, each this number of times.
fn is_ejected_after(replies: &[(usize, Reply)]) -> bool {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    for (times, reply) in replies {
        a.reply_next(*times, reply.clone());
    }
    let lb = Lb::over(&[&a, &b], ONCE);
    get_past(&lb, &a, replies.iter().map(|(times, _)| times).sum());
    !lb.backend(&a).is_eligible()
}

#[test]
fn an_answer_in_between_begins_the_row_anew() {
    for failure in [Reply::reset(), Reply::status(503)] {
        for answer in [Reply::ok("fine"), Reply::status(500), Reply::status(404)] {
            let replies = [(4, failure.clone()), (1, answer), (4, failure.clone())];
            assert!(!is_ejected_after(&replies));
        }
    }
}

#[test]
fn a_429_neither_begins_a_row_anew_nor_lengthens_it() {
    let too_many = Reply::status(429).header("Retry-After", "1");
    for failure in [Reply::reset(), Reply::status(503)] {
        let replies = [(4, failure.clone()), (1, too_many.clone()), (1, failure)];
        assert!(is_ejected_after(&replies));
    }
    assert!(!is_ejected_after(&[(4, Reply::reset()), (1, too_many.clone())]));
    assert!(!is_ejected_after(&[(10, too_many)]));
}

#[test]
fn the_last_one_is_never_ejected() {
    let a = ScriptedBackend::replying(Reply::status(503));
    let lb = Lb::over(&[&a], ONCE);
    get_past(&lb, &a, 10);
    assert!(lb.backend(&a).is_eligible());

    let b = ScriptedBackend::named("b");
    let entries = [entry(&a, "weight: 1"), entry(&b, "drain: true")].join(", ");
    let lb = Lb::over_entries(&entries, ONCE);
    get_past(&lb, &a, 20);
    assert!(lb.backend(&a).is_eligible());
}

#[test]
fn no_more_than_half_are_ejected() {
    let backends: Vec<_> = (0..5).map(|_| ScriptedBackend::replying(Reply::status(503))).collect();
    let lb = Lb::over(&backends.iter().collect::<Vec<_>>(), ONCE);
    for _ in 0..60 {
        assert_eq!(get(lb.address(), "/").status, 503);
    }
    // One of them may be waiting for its probe, because the pool could not spare another.
    let ejected = backends.iter().filter(|backend| !lb.backend(backend).is_open()).count();
    assert_eq!(ejected, 2);
}

#[test]
fn when_the_last_one_refuses_an_ejected_backend_is_readmitted() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    a.reply_next(5, Reply::status(503));
    let lb = Lb::over(&[&a, &b], "    retry: { backoff: off }");
    get_past(&lb, &a, 5);
    assert!(ejection(&lb, &a).is_some());
    b.stop();
    assert_eq!(get(lb.address(), "/").text(), "a", "the same request gets there");
    assert!(lb.backend(&a).is_eligible());
}

#[test]
fn switched_off_only_a_refused_connection_ejects() {
    let (a, b) = first_replies(Reply::status(503).header("Retry-After", "5"));
    let lb = Lb::over(&[&a, &b], "    retry: { backoff: off }\n    ejection: off");
    get_past(&lb, &a, 10);
    assert!(lb.backend(&a).is_eligible());
    a.stop();
    get(lb.address(), "/");
    get(lb.address(), "/");
    assert_eq!(ejection(&lb, &a).map(|(cause, _)| cause), Some(EjectionCause::Refused));
}

#[test]
fn one_request_at_a_time_probes() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    let lb = with_half_open(&a, &b, SHORT);
    a.reply(Reply::hang());
    let probe = ask(lb.address(), "/");
    a.wait_for_requests(6);
    for _ in 0..6 {
        assert_eq!(get(lb.address(), "/").text(), "b");
    }
    assert_eq!(a.requests().len(), 6, "the others are no probes");
    assert!(is_half_open(&lb, &a));
    drop(probe);
    a.reply(Reply::ok("a"));
    // A probe whose client has left is inconclusive, so another follows.
    eventually(PATIENCE, "the next one probes", || get(lb.address(), "/").text() == "a");
    assert!(lb.backend(&a).is_eligible());
}

#[test]
fn a_probe_that_is_answered_brings_the_backend_back() {
    for answer in [Reply::ok("a"), Reply::status(500).body("a")] {
        let (a, b) = first_replies(answer);
        let lb = with_half_open(&a, &b, SHORT);
        assert_eq!(get(lb.address(), "/").text(), "a", "the first request is the probe");
        assert!(lb.backend(&a).is_eligible());
        let answers: String = (0..4).map(|_| get(lb.address(), "/").text()).collect();
        assert_eq!(answers.matches('a').count(), 2, "{answers}");
    }
}

#[test]
fn a_probe_that_fails_doubles_the_term_and_no_client_notices() {
    for reply in [Reply::status(503), Reply::reset()] {
        let (a, b) = first_replies(reply);
        let settings = SHORT.replace("backoff: off", "backoff: off, budget: 0%, budget_min: 0");
        let lb = with_half_open(&a, &b, &settings);
        let before = clock::now();
        assert_eq!(get(lb.address(), "/").text(), "b", "at no client's expense");
        assert_eq!(a.requests().len(), 6);
        let (_, until) = ejection(&lb, &a).expect("it is out again");
        // 600 ms, less a tenth of jitter.
        assert!(until - before >= Duration::from_millis(540), "{:?}", until - before);
    }
}

#[test]
fn a_probe_that_hangs_ends_like_any_other_request() {
    let (a, b) = first_replies(Reply::hang());
    let settings = format!("{SHORT}\n    timeouts: {{ response: 300ms }}");
    let lb = with_half_open(&a, &b, &settings);
    assert_eq!(get(lb.address(), "/probe").text(), "b");
    assert_eq!(ejection(&lb, &a).map(|(cause, _)| cause), Some(EjectionCause::Timeout));
    assert_eq!(outcomes(&lb.line_of("/probe")), ["timeout", "ok"]);
}

#[test]
fn a_request_that_cannot_be_repeated_does_not_probe() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    let lb = with_half_open(&a, &b, SHORT);
    for _ in 0..4 {
        assert_eq!(post(lb.address(), "/", b"x").text(), "b");
    }
    let mut connection = Connection::open(lb.address()).unwrap();
    let long = vec![b'x'; 65 * 1024];
    assert_eq!(connection.request("PUT", "/", &[], &long).unwrap().text(), "b");
    assert_eq!(connection.request_chunked("PUT", "/", &[b"x"]).unwrap().text(), "b");
    assert_eq!(a.requests().len(), 5);
    assert_eq!(connection.request("PUT", "/", &[], b"short").unwrap().text(), "a");
}

#[test]
fn a_request_that_would_not_be_repeated_does_not_probe_either() {
    for retry in ["attempts: 1", "on: []", "on: [connect_failure, reset, timeout]"] {
        let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
        // From the end of a term until another one has passed, a probe has to be repeatable.
        let settings = "slow_start: off\n    ejection: { base: 2s, max: 2s }";
        let lb = with_half_open(&a, &b, &format!("    {settings}\n    retry: {{ {retry} }}"));
        let before = a.requests().len();
        a.reply(Reply::status(503));
        assert_eq!([(); 3].map(|()| get(lb.address(), "/").text()), ["b", "b", "b"], "{retry}");
        assert_eq!(a.requests().len(), before, "{retry}");
    }
}

#[test]
fn a_body_that_was_read_before_is_at_hand_for_a_probe() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    let lb = with_half_open(&a, &b, &format!("{SHORT}\n    request_buffer: 64KiB"));
    let mut connection = Connection::open(lb.address()).unwrap();
    assert_eq!(connection.request_chunked("PUT", "/", &[b"x"]).unwrap().text(), "a");
}

#[test]
fn checks_that_pass_do_not_shorten_the_term() {
    let (a, b) = first_replies(Reply::status(503));
    a.reply_to("/health", Reply::ok("fine"));
    let check = "    health_check: { path: /health, interval: 60ms, timeout: 50ms, rise: 1, \
                 fall: 100 }\n    retry: { backoff: off }";
    let lb = Lb::over(&[&a, &b], check);
    eventually(PATIENCE, "both are checked", || {
        lb.backend(&a).is_checked() && lb.backend(&b).is_checked()
    });
    eventually(PATIENCE, "a is ejected", || {
        get(lb.address(), "/");
        ejection(&lb, &a).is_some()
    });
    let (before, checks) = (ejection(&lb, &a), a.requests_to("/health").len());
    eventually(PATIENCE, "it is checked", || a.requests_to("/health").len() > checks + 3);
    assert_eq!(ejection(&lb, &a), before);
}

#[test]
fn a_second_503_that_says_when_to_come_back_ejects_until_then() {
    for (asked, granted) in [("5", 5), ("3600", 30)] {
        let (a, b) = first_replies(Reply::status(503).header("Retry-After", asked));
        let lb = Lb::over(&[&a, &b], "    retry: { backoff: off }");
        get_past(&lb, &a, 1);
        assert_eq!(ejection(&lb, &a), None, "one is not enough");
        let before = clock::now();
        get_past(&lb, &a, 2);
        let (cause, until) = ejection(&lb, &a).expect("two are");
        let granted = Duration::from_secs(granted);
        assert_eq!(cause, EjectionCause::RetryAfter);
        assert!(until >= before + granted && until <= clock::now() + granted);
    }
}

#[test]
fn only_a_503_can_say_when_to_come_back() {
    let asking = |status| Reply::status(status).header("Retry-After", "5");
    for status in [500, 502, 504, 429] {
        assert!(!is_ejected_after(&[(2, asking(status))]), "{status}");
    }
    let twice = [(1, asking(503)), (1, Reply::ok("fine")), (1, asking(503))];
    assert!(!is_ejected_after(&twice), "two, but not in a row");
    assert!(is_ejected_after(&[(1, Reply::status(503)), (1, asking(503))]));
}

#[test]
fn five_answers_in_a_row_that_break_off_eject() {
    for broken in
        [Reply::ok("0123456789").closed_after(5), Reply::ok("0123").chunked().reset_after(2)]
    {
        let (a, b) = first_replies(broken);
        let lb = Lb::over(&[&a, &b], ONCE);
        get_past(&lb, &a, 4);
        eventually(PATIENCE, "the fourth has ended", || lb.active(&a) == 0);
        assert_eq!(ejection(&lb, &a), None);
        get_past(&lb, &a, 5);
        eventually(PATIENCE, "a is ejected", || ejection(&lb, &a).is_some());
    }
}

#[test]
fn a_whole_answer_among_broken_ones_begins_the_row_anew() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    let broken = Reply::ok("0123456789").closed_after(5);
    a.reply_next(4, broken.clone());
    let lb = Lb::over(&[&a, &b], ONCE);
    get_past(&lb, &a, 5);
    eventually(PATIENCE, "nothing is held against it", || !lb.backend(&a).is_suspect());
    a.reply_next(4, broken);
    get_past(&lb, &a, 9);
    eventually(PATIENCE, "the last has ended", || lb.active(&a) == 0);
    assert!(lb.backend(&a).is_eligible());
}
