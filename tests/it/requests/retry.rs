//! A request that fails on one backend goes to another, when that is safe.

use std::time::Duration;

use super::super::Lb;
use super::super::client::{Connection, get, post};
use crate::support::{
    PATIENCE, backend::ScriptedBackend, eventually::eventually, full_listener::full_listener,
    reply::Reply,
};

/// Two backends, the first of which replies like this.
fn first_replies(reply: Reply) -> (ScriptedBackend, ScriptedBackend) {
    (ScriptedBackend::replying(reply), ScriptedBackend::named("b"))
}

/// Sends GETs until the first backend has seen one; all of them must succeed.
#[track_caller]
fn gets_succeed_past(first: &ScriptedBackend, lb: &Lb) {
    for _ in 0..4 {
        let response = get(lb.address(), "/");
        assert_eq!((response.status, response.text().as_str()), (200, "b"));
    }
    assert!(!first.requests().is_empty(), "the first backend was never tried");
}

#[test]
fn a_refused_connection_goes_elsewhere_and_ejects_at_once() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    let lb = Lb::over(&[&a, &b], "");
    a.stop();
    for _ in 0..10 {
        assert_eq!(get(lb.address(), "/").text(), "b");
    }
    assert!(!lb.backend(&a).is_eligible());
    let tried_twice = lb.log_lines(10).iter().filter(|line| line["attempts"] == 2).count();
    assert_eq!(tried_twice, 1, "after the first refusal it is left alone");
}

#[test]
fn a_post_whose_connection_is_refused_goes_elsewhere() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    let lb = Lb::over(&[&a, &b], "");
    a.stop();
    for _ in 0..2 {
        assert_eq!(post(lb.address(), "/", b"once").text(), "b");
    }
    assert_eq!(b.requests().iter().filter(|request| request.body == b"once").count(), 2);
}

#[test]
fn a_get_goes_elsewhere_after_any_break_before_the_answer() {
    for reply in
        [Reply::close(), Reply::reset(), Reply::reset_in_header(), Reply::raw("nonsense\r\n\r\n")]
    {
        let (a, b) = first_replies(reply.clone());
        let lb = Lb::over(&[&a, &b], "");
        gets_succeed_past(&a, &lb);
    }
}

#[test]
fn a_post_is_never_executed_twice() {
    for reply in [
        Reply::close(),
        Reply::reset(),
        Reply::reset_in_header(),
        Reply::hang(),
        Reply::status(503),
    ] {
        let a = ScriptedBackend::replying(reply.clone());
        let b = ScriptedBackend::replying(reply);
        let lb = Lb::over(&[&a, &b], "    timeouts: { response: 200ms }");
        for number in 0..6 {
            let status = post(lb.address(), &format!("/{number}"), b"x").status;
            assert!(matches!(status, 502..=504), "{status}");
        }
        let mut paths: Vec<_> =
            a.requests().into_iter().chain(b.requests()).map(|request| request.path).collect();
        paths.sort();
        assert_eq!(paths, ["/0", "/1", "/2", "/3", "/4", "/5"]);
    }
}

#[test]
fn a_503_is_retried_elsewhere() {
    let (a, b) = first_replies(Reply::status(503).body("not me"));
    let lb = Lb::over(&[&a, &b], "");
    gets_succeed_past(&a, &lb);
    assert!(lb.backend(&a).is_eligible(), "a 503 does not eject");
}

#[test]
fn a_503_is_passed_through_whole_without_another_backend() {
    let reply =
        Reply::status(503).header("X-Why", "tired").header("Retry-After", "7").body("not me");
    let (a, b) = (ScriptedBackend::replying(reply.clone()), ScriptedBackend::replying(reply));
    let lb = Lb::over(&[&a, &b], "");
    let response = get(lb.address(), "/");
    assert_eq!((response.status, response.text().as_str()), (503, "not me"));
    assert_eq!(response.header("x-why"), Some("tired"));
    assert_eq!(response.header("retry-after"), Some("7"));
    assert!(response.is_complete);
    assert_eq!((a.requests().len(), b.requests().len()), (1, 1), "each was tried once");
}

#[test]
fn a_503_is_passed_through_when_no_try_is_left() {
    let (a, b) = first_replies(Reply::status(503).body("not me"));
    let lb = Lb::over(&[&a, &b], "    retry: { attempts: 1 }");
    let statuses: Vec<_> = (0..4).map(|_| get(lb.address(), "/").status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 503).count(), 2, "{statuses:?}");
}

#[test]
fn a_503_given_up_for_a_try_that_gets_no_answer_is_a_502() {
    let a = ScriptedBackend::replying(Reply::status(503).body("not me"));
    let b = ScriptedBackend::replying(Reply::close());
    let lb = Lb::over(&[&a, &b], "");
    let response = get(lb.address(), "/");
    let response = if response.status == 503 { get(lb.address(), "/") } else { response };
    assert_eq!(response.status, 502, "{}", response.text());
}

#[test]
fn attempts_is_the_number_of_tries_in_all() {
    let backends: Vec<_> = (0..5).map(|_| ScriptedBackend::replying(Reply::close())).collect();
    let lb = Lb::over(&backends.iter().collect::<Vec<_>>(), "    retry: { attempts: 3 }");
    let response = get(lb.address(), "/");
    assert_eq!(response.status, 502);
    assert!(response.text().contains("broke"), "{}", response.text());
    let tries: Vec<_> = backends.iter().map(|backend| backend.requests().len()).collect();
    assert_eq!(tries.iter().sum::<usize>(), 3);
    assert!(tries.iter().all(|tries| *tries <= 1), "no backend twice: {tries:?}");
    assert_eq!(lb.log_lines(1)[0]["attempts"], 3);
}

#[test]
fn a_backend_that_does_not_answer_in_time_is_left_for_another() {
    let (a, b) = first_replies(Reply::hang());
    let lb = Lb::over(&[&a, &b], "    timeouts: { response: 200ms, idle: 60s }");
    gets_succeed_past(&a, &lb);
    eventually(PATIENCE, "the late connection is closed", || a.open_connections() == 0);
}

#[test]
fn when_every_backend_hangs_the_answer_is_504() {
    let a = ScriptedBackend::replying(Reply::hang());
    let lb = Lb::over(&[&a], "    timeouts: { response: 200ms, idle: 60s }");
    let mut connection = Connection::open(lb.address()).unwrap();
    for _ in 0..2 {
        // The request was read whole, so its connection can carry the next one.
        let response = connection.get("/").unwrap();
        assert_eq!(response.status, 504);
        assert!(response.text().contains("did not answer in time"), "{}", response.text());
    }
}

#[test]
fn when_every_backend_refuses_the_answer_is_502_and_then_503_with_retry_after() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    a.stop();
    assert_eq!(get(lb.address(), "/first").status, 502);
    let response = get(lb.address(), "/second");
    assert_eq!(response.status, 503);
    assert_eq!(response.header("retry-after"), Some("1"));
    assert!(response.text().contains("no backend"), "{}", response.text());
    assert_eq!(lb.line_of("/second")["backend"], serde_json::Value::Null);
}

#[test]
fn a_body_is_sent_again_whole() {
    let (a, b) = first_replies(Reply::close());
    let lb = Lb::over(&[&a, &b], "");
    let body = vec![b'x'; 60 * 1024];
    for _ in 0..2 {
        let mut connection = Connection::open(lb.address()).unwrap();
        let response = connection.request("PUT", "/", &[], &body).unwrap();
        assert_eq!(response.text(), "b");
    }
    assert!(!a.requests().is_empty());
    assert!(b.requests().iter().all(|request| request.body == body));
}

#[test]
fn a_body_that_is_too_long_to_keep_is_never_half_replayed() {
    let (a, b) = first_replies(Reply::close());
    let lb = Lb::over(&[&a, &b], "");
    let body = vec![b'x'; 200 * 1024];
    let statuses: Vec<_> = (0..4)
        .map(|_| {
            let mut connection = Connection::open(lb.address()).unwrap();
            connection.request("PUT", "/", &[], &body).unwrap().status
        })
        .collect();
    assert_eq!(statuses.iter().filter(|status| **status == 502).count(), 2, "{statuses:?}");
    assert!(b.requests().iter().all(|request| request.body == body));
}

#[test]
fn a_slow_upload_is_not_a_slow_answer() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "    timeouts: { response: 150ms, idle: 60s }");
    let mut connection = Connection::open(lb.address()).unwrap();
    connection.begin("POST", "/", &[("Content-Length", "4")]).unwrap();
    for byte in [b"a", b"b", b"c", b"d"] {
        std::thread::sleep(Duration::from_millis(100));
        connection.send_body(byte).unwrap();
    }
    let response = connection.read_response("POST").unwrap();
    assert_eq!((response.status, response.text().as_str()), (200, "a"));
}

#[test]
fn a_backend_that_lets_connections_time_out_is_ejected() {
    let (listener, _waiting) = full_listener();
    let b = ScriptedBackend::named("b");
    let addresses = [listener.local_addr().unwrap(), b.address()];
    let lb = Lb::over_addresses(&addresses, "    timeouts: { connect: 100ms }");
    let mut connection = Connection::open(lb.address()).unwrap();
    for _ in 0..12 {
        let response = connection.request("POST", "/", &[], b"x").unwrap();
        assert_eq!(response.text(), "b", "any request that never arrived is retried");
    }
    let lines = lb.log_lines(12);
    let tried_twice = lines.iter().filter(|line| line["attempts"] == 2).count();
    assert!((2..=5).contains(&tried_twice), "five, or fewer over a second: {tried_twice}");
}

#[test]
fn when_the_only_backend_does_not_accept_the_answer_is_504() {
    let (listener, _waiting) = full_listener();
    let address = listener.local_addr().unwrap();
    let lb = Lb::over_addresses(&[address], "    timeouts: { connect: 100ms }");
    assert_eq!(get(lb.address(), "/").status, 504);
}

#[test]
fn an_answer_that_was_given_up_leaves_no_deadline_behind() {
    let (a, b) = first_replies(Reply::status(503).early());
    let lb = Lb::over(&[&a, &b], "    timeouts: { response: 60s, idle: 200ms }");
    for _ in 0..2 {
        let mut connection = Connection::open(lb.address()).unwrap();
        connection.begin("PUT", "/", &[("Content-Length", "3")]).unwrap();
        for byte in [b"a", b"b", b"c"] {
            connection.send_body(byte).unwrap();
            std::thread::sleep(Duration::from_millis(400));
        }
        let response = connection.read_response("PUT").unwrap();
        assert_eq!((response.status, response.text().as_str()), (200, "b"));
    }
    assert!(!a.requests().is_empty());
    assert!(b.requests().iter().all(|request| request.body == b"abc"));
}
