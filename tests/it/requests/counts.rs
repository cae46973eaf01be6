//! The counts of a request: of its listener, its pool, and the backends of its attempts.

use std::time::Duration;

use lb::count::Outcome;

use super::super::Lb;
use super::super::client::{Connection, ask, get};
use crate::support::{PATIENCE, backend::ScriptedBackend, eventually::eventually, reply::Reply};

#[test]
fn a_listener_counts_connections_requests_and_bytes() {
    let a = ScriptedBackend::replying(Reply::ok("0123456789"));
    let lb = Lb::over(&[&a], "");
    let counts = lb.listener();
    let mut connection = Connection::open(lb.address()).unwrap();
    connection.request("POST", "/", &[], b"body").unwrap();
    a.reply(Reply::status(404));
    connection.get("/").unwrap();
    eventually(PATIENCE, "two requests are counted", || counts.responses() == [0, 0, 1, 0, 1, 0]);
    assert_eq!((counts.received(), counts.sent()), (4, 10));
    assert_eq!((counts.accepted.get(), counts.connections()), (1, 1));
    drop(connection);
    eventually(PATIENCE, "the connection is counted out", || counts.connections() == 0);
}

#[test]
fn a_pool_counts_answers_and_their_durations() {
    let a = ScriptedBackend::replying(Reply::ok("x").delayed(Duration::from_millis(100)));
    let lb = Lb::over(&[&a], "");
    assert_eq!(get(lb.address(), "/").status, 200);
    let pool = lb.pool();
    eventually(PATIENCE, "it is counted", || pool.counts().latency().count() == 1);
    let first_byte = pool.counts().first_byte();
    assert_eq!(first_byte.count(), 1);
    assert!(first_byte.sum() >= Duration::from_millis(100), "{:?}", first_byte.sum());
    assert!(pool.counts().latency().sum() >= first_byte.sum());
}

#[test]
fn a_backend_counts_every_attempt_by_how_it_ended() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    ScriptedBackend::reply_in_order(&[&a, &b], [Reply::hang(), Reply::ok("12345")]);
    let lb = Lb::over(&[&a, &b], "    timeouts: { response: 300ms }");
    assert_eq!(get(lb.address(), "/").text(), "12345");
    let pool = lb.pool();
    eventually(PATIENCE, "it is counted", || pool.counts().latency().count() == 1);
    assert_eq!(pool.counts().retries()[Outcome::Timeout as usize], 1);
    let outcomes = [&a, &b].map(|backend| lb.backend(backend).counts().outcomes());
    let of = |outcome: Outcome| outcomes.map(|counts| counts[outcome as usize]);
    assert_eq!(of(Outcome::Timeout).iter().sum::<u64>(), 1);
    assert_eq!(of(Outcome::Ok).iter().sum::<u64>(), 1);
    let received = [&a, &b].map(|backend| lb.backend(backend).counts().received.get());
    assert_eq!(received.iter().sum::<u64>(), 5);
}

#[test]
fn a_client_that_leaves_abandons_an_attempt() {
    let a = ScriptedBackend::replying(Reply::hang());
    let lb = Lb::over(&[&a], "");
    let client = ask(lb.address(), "/");
    a.wait_for_requests(1);
    drop(client);
    let abandoned = || lb.backend(&a).counts().outcomes()[Outcome::Abandoned as usize];
    eventually(PATIENCE, "it is counted", || abandoned() == 1);
    assert_eq!(lb.listener().responses(), [0, 0, 0, 0, 1, 0], "a 499");
}

#[test]
fn a_request_that_is_refused_is_answered_logged_and_counted() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let fields = vec![("x", "y"); 101];
    let mut connection = Connection::open(lb.address()).unwrap();
    let response = connection.request("GET", "/refused", &fields, b"").unwrap();
    assert_eq!(response.status, 431);
    let line = lb.line_of("/refused");
    assert_eq!((&line["status"], &line["method"]), (&431.into(), &"GET".into()));
    assert!(line["error"].as_str().unwrap().contains("100 fields"), "{line}");
    let counts = lb.listener();
    eventually(PATIENCE, "it is counted", || counts.responses() == [0, 0, 0, 0, 1, 0]);
    assert_eq!(a.requests().len(), 0);
}
