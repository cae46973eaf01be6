//! If the share of backends that fail their checks is above the threshold, all are used.

use lb::backend::Eligibility;

use crate::support::{
    PATIENCE, backend::ScriptedBackend, client::get, eventually::eventually, lb::Lb, reply::Reply,
};

/// Three backends, once each has been checked; `failing` of them fail their checks.
#[track_caller]
fn with_failing(failing: usize, threshold: &str) -> (Lb, [ScriptedBackend; 3]) {
    let backends = ["a", "b", "c"].map(ScriptedBackend::named);
    for backend in &backends[..failing] {
        backend.reply_to("/health", Reply::status(500));
    }
    let settings = format!(
        "    health_check: {{ path: /health, interval: 150ms, timeout: 140ms, rise: 1, fall: 2 }}\n    \
         panic_threshold: {threshold}\n    slow_start: off"
    );
    let lb = Lb::over(&backends.iter().collect::<Vec<_>>(), &settings);
    for backend in &backends {
        eventually(PATIENCE, "it is checked", || lb.backend(backend).is_checked());
    }
    (lb, backends)
}

/// The answers to nine requests.
fn answers(lb: &Lb) -> String {
    (0..9).map(|_| get(lb.address(), "/").text()).collect()
}

#[test]
fn above_the_threshold_traffic_goes_to_all() {
    let (lb, backends) = with_failing(3, "50%");
    let answers = answers(&lb);
    for (backend, name) in backends.iter().zip(["a", "b", "c"]) {
        assert_eq!(answers.matches(name).count(), 3, "{answers}");
        assert_eq!(lb.eligibility(backend), Eligibility::Eligible);
    }
}

#[test]
fn up_to_the_threshold_the_checks_are_believed() {
    let (lb, [a, _b, _c]) = with_failing(1, "50%");
    assert_eq!(lb.eligibility(&a), Eligibility::Unhealthy);
    let answers = answers(&lb);
    assert!(!answers.contains('a'), "{answers}");
}

#[test]
fn without_a_threshold_the_checks_are_believed() {
    let (lb, [a, _b, _c]) = with_failing(3, "off");
    assert_eq!(lb.eligibility(&a), Eligibility::Unhealthy);
    assert_eq!(get(lb.address(), "/").status, 503);
}

#[test]
fn it_ends_when_enough_pass_again() {
    let (lb, [a, b, c]) = with_failing(2, "50%");
    assert!(answers(&lb).contains('a'));
    b.reply_to("/health", Reply::ok("fine"));
    eventually(PATIENCE, "a is out", || lb.eligibility(&a) == Eligibility::Unhealthy);
    let answers = answers(&lb);
    assert!(!answers.contains('a') && answers.contains('b') && answers.contains('c'), "{answers}");
    drop(c);
}

#[test]
fn a_refusing_backend_is_neither_counted_nor_used() {
    let (lb, [a, b, c]) = with_failing(1, "40%");
    assert_eq!(lb.eligibility(&a), Eligibility::Unhealthy, "one of three");
    c.stop();
    eventually(PATIENCE, "one of two that listen", || lb.backend(&a).is_eligible());
    eventually(PATIENCE, "c is out", || !lb.backend(&c).is_eligible());
    b.stop();
    eventually(PATIENCE, "b is out", || !lb.backend(&b).is_eligible());
    assert_eq!(answers(&lb), "aaaaaaaaa");
    let lines = lb.log_lines(9);
    assert!(lines.iter().all(|line| line["attempts"] == 1), "no other backend was tried");
}
