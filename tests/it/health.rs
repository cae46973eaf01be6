//! Active checks, and how a backend comes back.

use std::time::Duration;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::get,
    eventually::eventually,
    lb::Lb,
    reply::{Gate, Reply},
};

const CHECK: &str = "path: /health, interval: 100ms, timeout: 50ms, rise: 2, fall: 2";

fn checked(backends: &[&ScriptedBackend], check: &str) -> Lb {
    Lb::over(backends, &format!("    health_check: {{ {check} }}"))
}

fn is_eligible(lb: &Lb, backend: &ScriptedBackend) -> bool {
    lb.backend(backend).is_eligible()
}

#[test]
fn a_backend_that_fails_its_checks_is_dropped_and_taken_back() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    let lb = checked(&[&a, &b], CHECK);
    eventually(PATIENCE, "both are checked", || {
        a.requests_to("/health").len() > 1 && b.requests_to("/health").len() > 1
    });
    a.reply_to("/health", Reply::status(500));
    eventually(PATIENCE, "a is dropped", || !is_eligible(&lb, &a));
    for _ in 0..4 {
        assert_eq!(get(lb.address(), "/").text(), "b");
    }
    a.reply_to("/health", Reply::ok("fine"));
    eventually(PATIENCE, "a is back", || is_eligible(&lb, &a));
    let answers: String = (0..4).map(|_| get(lb.address(), "/").text()).collect();
    assert!(answers.contains('a'), "{answers}");
}

#[test]
fn one_failure_is_not_enough_and_neither_is_one_pass() {
    let a = ScriptedBackend::named("a");
    let check = "path: /health, interval: 60ms, timeout: 30ms, rise: 3, fall: 3";
    a.reply_to("/health", Reply::ok("fine"));
    let lb = checked(&[&a], check);
    eventually(PATIENCE, "a is checked", || lb.backend(&a).is_checked());
    let before = a.requests_to("/health").len();
    a.reply_to("/health", Reply::status(500));
    eventually(PATIENCE, "a is dropped", || !is_eligible(&lb, &a));
    assert!(a.requests_to("/health").len() - before >= 3);
    let before = a.requests_to("/health").len();
    a.reply_to("/health", Reply::ok("fine"));
    eventually(PATIENCE, "a is back", || is_eligible(&lb, &a));
    assert!(a.requests_to("/health").len() - before >= 3);
}

#[test]
fn a_backend_that_traffic_ejected_is_taken_back_by_checks() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    // Checks are so rare that traffic comes first.
    let lb =
        checked(&[&a, &b], "path: /health, interval: 400ms, timeout: 100ms, rise: 2, fall: 100");
    eventually(PATIENCE, "both are checked", || {
        lb.backend(&a).is_checked() && lb.backend(&b).is_checked()
    });
    a.stop();
    for _ in 0..4 {
        assert_eq!(get(lb.address(), "/").text(), "b");
    }
    assert!(!is_eligible(&lb, &a), "ejected by the first refusal");
    a.start();
    eventually(PATIENCE, "a is back", || is_eligible(&lb, &a));
    assert!(a.requests_to("/health").len() >= 2, "after rise passes");
}

#[test]
fn without_checks_an_ejected_backend_comes_back_after_a_cool_down() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    let lb = Lb::over(&[&a, &b], "    slow_start: off");
    a.stop();
    get(lb.address(), "/");
    get(lb.address(), "/");
    assert!(!is_eligible(&lb, &a));
    a.start();
    eventually(PATIENCE, "a request has probed a", || {
        get(lb.address(), "/").status == 200 && is_eligible(&lb, &a)
    });
    let answers: String = (0..4).map(|_| get(lb.address(), "/").text()).collect();
    assert!(answers.contains('a'), "{answers}");
}

#[test]
fn a_backend_that_is_down_at_the_start_is_found_by_the_first_check() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    a.stop();
    let lb = checked(&[&a, &b], "interval: 60s, timeout: 1s, fall: 3");
    eventually(PATIENCE, "a is dropped", || !is_eligible(&lb, &a));
    eventually(PATIENCE, "b is checked", || lb.backend(&b).is_checked());
    assert!(is_eligible(&lb, &b));
}

#[test]
fn a_check_sends_the_configured_request() {
    let (a, checked_port) = (ScriptedBackend::named("a"), ScriptedBackend::named("checks"));
    let port = checked_port.address().port();
    let check = format!(
        "path: \"/up?x=1\", host: web.internal, port: {port}, expect: 204, interval: 100ms, timeout: 50ms"
    );
    checked_port.reply_to("/up?x=1", Reply::status(204));
    let lb = checked(&[&a], &check);
    checked_port.wait_for_requests(2);
    let request = checked_port.requests().remove(0);
    assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/up?x=1"));
    assert_eq!(request.header_lines("host"), ["web.internal"]);
    assert!(is_eligible(&lb, &a));
    assert!(a.requests().is_empty(), "the backend's own port is not checked");
    checked_port.reply_to("/up?x=1", Reply::status(200));
    eventually(PATIENCE, "200 is not 204", || !is_eligible(&lb, &a));
}

#[test]
fn a_check_names_the_backend_in_host_unless_told_otherwise() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    let _lb = checked(&[&a, &b], CHECK);
    for backend in [&a, &b] {
        backend.wait_for_requests(1);
        let host = backend.address().to_string();
        assert_eq!(backend.requests()[0].header_lines("host"), [host]);
    }
}

#[test]
fn a_check_that_hangs_fails_in_time() {
    let a = ScriptedBackend::replying(Reply::hang());
    let lb = checked(&[&a], "interval: 200ms, timeout: 100ms, fall: 1");
    eventually(PATIENCE, "a is dropped", || !is_eligible(&lb, &a));
}

#[test]
fn a_tcp_check_passes_when_the_connection_is_accepted() {
    let a = ScriptedBackend::replying(Reply::hang());
    let lb = checked(&[&a], "type: tcp, interval: 100ms, timeout: 50ms, rise: 1, fall: 2");
    eventually(PATIENCE, "a is checked", || lb.backend(&a).is_checked());
    assert!(is_eligible(&lb, &a));
    a.stop();
    eventually(PATIENCE, "a is dropped", || !is_eligible(&lb, &a));
    a.start();
    eventually(PATIENCE, "a is back", || is_eligible(&lb, &a));
}

#[test]
fn checks_of_many_backends_are_spread_over_the_interval() {
    let backends: Vec<_> = (0..20).map(|_| ScriptedBackend::named("x")).collect();
    let lb = Lb::over(
        &backends.iter().collect::<Vec<_>>(),
        "    health_check: { interval: 1s, timeout: 200ms }",
    );
    let second = |backend: &ScriptedBackend| backend.requests().len() >= 2;
    let begin = lb::clock::now();
    let mut arrivals = Vec::new();
    eventually(PATIENCE, "all are checked twice", || {
        let done = backends.iter().filter(|backend| second(backend)).count();
        while arrivals.len() < done {
            arrivals.push(begin.elapsed());
        }
        done == backends.len()
    });
    let spread = arrivals[arrivals.len() - 1].saturating_sub(arrivals[0]);
    assert!(spread > Duration::from_millis(100), "all at once: {spread:?}");
    drop(lb);
}

#[test]
fn the_header_of_the_answer_decides_and_not_its_body() {
    let closed = Gate::closed();
    let replies = [
        Reply::body_behind(&closed, "it never comes"),
        Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\ncut off"),
        Reply::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno chunk"),
        Reply::raw(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n\
                    HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        ),
        Reply::ok(vec![b'x'; 4 << 20]),
    ];
    for reply in replies {
        let a = ScriptedBackend::named("a");
        a.reply_to("/health", reply);
        let lb = checked(&[&a], "path: /health, interval: 2s, timeout: 1900ms, fall: 1");
        eventually(PATIENCE, "a is checked", || lb.backend(&a).is_checked());
        assert!(is_eligible(&lb, &a));
        assert_eq!(lb.backend(&a).counts().checks(), (1, 0));
    }
    closed.open();
}

#[test]
fn an_informational_answer_alone_is_not_an_answer() {
    let a = ScriptedBackend::named("a");
    a.reply_to("/health", Reply::raw("HTTP/1.1 103 Early Hints\r\n\r\n"));
    let lb = checked(&[&a], "path: /health, interval: 2s, timeout: 1900ms, fall: 1");
    eventually(PATIENCE, "a is checked", || lb.backend(&a).is_checked());
    assert!(!is_eligible(&lb, &a));
}
