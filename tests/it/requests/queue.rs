//! Requests wait in the queue while every backend is full.

use std::time::Duration;

use super::super::Lb;
use super::super::client::{Connection, ask, get};
use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    eventually::eventually,
    lb::{entry, outcomes},
    reply::{Gate, Reply},
};

/// A balancer over one backend that takes one request at a time, and has it.
struct Busy {
    lb: Lb,
    backend: ScriptedBackend,
    /// Ends the request that it has.
    gate: Gate,
    first: Connection,
}

/// A balancer whose backend is busy. The backend answers each request with its path.
fn busy(settings: &str) -> Busy {
    let (backend, gate) = (ScriptedBackend::named("a"), Gate::closed());
    backend.reply_with(|request| Reply::ok(request.path.clone()));
    backend.reply_to("/first", Reply::body_behind(&gate, "first"));
    let lb = Lb::over_entries(&entry(&backend, "max_connections: 1"), settings);
    let first = ask(lb.address(), "/first");
    backend.wait_for_requests(1);
    Busy { lb, backend, gate, first }
}

/// A queue timeout that is long enough for a test that is not about it.
const PATIENT: &str = "    queue: { timeout: 60s }";

impl Busy {
    /// Returns when `count` requests wait.
    #[track_caller]
    fn wait_for_queued(&self, count: usize) {
        eventually(PATIENCE, &format!("{count} wait"), || self.lb.queued() == count);
    }

    /// Lets the first request end, and sees that it ends well.
    #[track_caller]
    fn end_first(&mut self) {
        self.gate.open();
        assert_eq!(self.first.read_response("GET").unwrap().text(), "first");
    }

    fn paths(&self) -> Vec<String> {
        self.backend.requests().into_iter().map(|request| request.path).collect()
    }
}

#[test]
fn a_waiting_request_is_served_when_another_ends() {
    let mut busy = busy(PATIENT);
    let mut second = ask(busy.lb.address(), "/second");
    busy.wait_for_queued(1);
    assert_eq!(busy.paths(), ["/first"], "no more than it may have");
    busy.end_first();
    assert_eq!(second.read_response("GET").unwrap().text(), "/second");
    busy.wait_for_queued(0);
    assert_eq!(outcomes(&busy.lb.line_of("/second")), ["ok"], "waiting is no try");
}

#[test]
fn requests_within_the_limit_do_not_wait() {
    let (a, gate) = (ScriptedBackend::named("a"), Gate::closed());
    a.reply(Reply::body_behind(&gate, "a"));
    let lb = Lb::over_entries(&entry(&a, "max_connections: 3"), PATIENT);
    let asked: Vec<_> = (0..5).map(|_| ask(lb.address(), "/")).collect();
    eventually(PATIENCE, "two wait", || lb.queued() == 2);
    a.wait_for_requests(3);
    assert_eq!((a.requests().len(), lb.active(&a)), (3, 3));
    gate.open();
    for mut connection in asked {
        assert_eq!(connection.read_response("GET").unwrap().text(), "a");
    }
}

#[test]
fn the_first_to_come_is_the_first_to_be_served() {
    let mut busy = busy(PATIENT);
    let paths: Vec<_> = (0..6).map(|number| format!("/{number}")).collect();
    let mut waiting = Vec::new();
    for path in &paths {
        waiting.push(ask(busy.lb.address(), path));
        busy.wait_for_queued(waiting.len());
    }
    busy.end_first();
    for (mut connection, path) in waiting.into_iter().zip(&paths) {
        assert_eq!(connection.read_response("GET").unwrap().text(), *path);
    }
    assert_eq!(busy.paths()[1..], paths);
}

/// Asserts a 503 with `Retry-After`, on a connection that goes on.
#[track_caller]
fn is_turned_away(connection: &mut Connection, why: &str) {
    let response = connection.get("/turned-away").unwrap();
    assert_eq!(response.status, 503);
    assert_eq!(response.header("retry-after"), Some("1"));
    assert!(response.text().contains(why), "{}", response.text());
}

#[test]
fn a_request_that_finds_the_queue_full_is_turned_away_at_once() {
    let mut busy = busy("    queue: { size: 1, timeout: 60s }");
    let mut second = ask(busy.lb.address(), "/second");
    busy.wait_for_queued(1);
    let mut third = Connection::open(busy.lb.address()).unwrap();
    is_turned_away(&mut third, "every backend is full, and so is the queue");
    busy.end_first();
    assert_eq!(second.read_response("GET").unwrap().text(), "/second");
    assert_eq!(third.get("/third").unwrap().text(), "/third", "the connection was kept");
    assert_eq!(busy.lb.line_of("/turned-away")["tries"], serde_json::json!([]));
}

#[test]
fn a_request_that_waits_too_long_is_turned_away() {
    let mut busy = busy("    queue: { timeout: 200ms }");
    let mut second = Connection::open(busy.lb.address()).unwrap();
    is_turned_away(&mut second, "none had a place in time");
    assert_eq!(busy.lb.queued(), 0);
    busy.end_first();
    assert_eq!(second.get("/second").unwrap().text(), "/second", "the connection was kept");
    assert_eq!(busy.paths(), ["/first", "/second"]);
}

#[test]
fn switched_off_no_request_waits() {
    let mut busy = busy("    queue: off");
    let mut second = Connection::open(busy.lb.address()).unwrap();
    is_turned_away(&mut second, "every backend is full");
    busy.end_first();
    eventually(PATIENCE, "the place is free", || busy.lb.active(&busy.backend) == 0);
    assert_eq!(second.get("/second").unwrap().text(), "/second", "the connection was kept");
}

/// Asserts that a body sent while its request waits is neither lost nor taken for the next request.
#[track_caller]
fn arrives_whole(length: usize) {
    let mut busy = busy(PATIENT);
    let body: Vec<_> = (0..length).map(|index| b'a' + (index % 26) as u8).collect();
    let mut second = Connection::open(busy.lb.address()).unwrap();
    let announced = length.to_string();
    second.begin("POST", "/second", &[("Content-Length", &announced)]).unwrap();
    busy.wait_for_queued(1);
    // Half of the body fits into the buffers between the client and the balancer.
    let (early, late) = body.split_at(length / 2);
    second.send_body(early).unwrap();
    busy.end_first();
    second.send_body(late).unwrap();
    assert_eq!(second.read_response("POST").unwrap().text(), "/second");
    assert_eq!(busy.backend.requests()[1].body, body);
    assert_eq!(second.get("/third").unwrap().text(), "/third");
}

#[test]
fn a_body_that_comes_while_its_request_waits_arrives_whole() {
    arrives_whole(10);
    arrives_whole(200 * 1024);
}

#[test]
fn a_client_that_leaves_in_the_middle_of_its_body_frees_its_place_in_line() {
    let busy = busy(PATIENT);
    let mut second = Connection::open(busy.lb.address()).unwrap();
    second.begin("POST", "/second", &[("Content-Length", "100")]).unwrap();
    busy.wait_for_queued(1);
    second.send_body(&[b'x'; 50]).unwrap();
    drop(second);
    busy.wait_for_queued(0);
    let pool = busy.lb.pool();
    let counts = &pool.counts().queue;
    assert_eq!((counts.left.get(), counts.waits.get().count()), (1, 1));
    assert_eq!(busy.paths(), ["/first"]);
}

#[test]
fn a_client_that_waits_to_be_asked_for_its_body_is_asked_when_its_turn_comes() {
    let mut busy = busy(PATIENT);
    let mut second = Connection::open(busy.lb.address()).unwrap();
    let headers = [("Expect", "100-continue"), ("Content-Length", "4")];
    second.begin("POST", "/second", &headers).unwrap();
    busy.wait_for_queued(1);
    busy.end_first();
    assert_eq!(second.read_interim().unwrap(), 100);
    second.send_body(b"body").unwrap();
    assert_eq!(second.read_response("POST").unwrap().text(), "/second");
    assert_eq!(busy.backend.requests()[1].body, b"body");
}

/// Two backends: the first replies like this, the other one takes one request at a time and has it.
fn with_one_busy(
    reply: Reply,
    settings: &str,
    last: Reply,
) -> (Lb, [ScriptedBackend; 2], Connection) {
    let (a, b) = (ScriptedBackend::replying(reply), ScriptedBackend::named("b"));
    a.reply_to("/first", Reply::reset());
    b.reply_to("/first", last);
    let entries = format!("{}, {}", entry(&a, "weight: 1"), entry(&b, "max_connections: 1"));
    let lb = Lb::over_entries(&entries, settings);
    let first = ask(lb.address(), "/first");
    b.wait_for_requests(1);
    (lb, [a, b], first)
}

#[test]
fn a_waiting_request_is_served_by_a_backend_that_comes_back() {
    let (a, b, gate) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"), Gate::closed());
    a.reply_to("/first", Reply::body_behind(&gate, "first"));
    b.stop();
    let check = "    health_check: { path: /health, interval: 100ms, timeout: 90ms, rise: 1 }";
    let entries = format!("{}, {}", entry(&a, "max_connections: 1"), entry(&b, "weight: 1"));
    let lb = Lb::over_entries(&entries, &format!("{check}\n{PATIENT}"));
    eventually(PATIENCE, "b is out", || !lb.backend(&b).is_open());
    let _first = ask(lb.address(), "/first");
    eventually(PATIENCE, "a is busy", || a.requests_to("/first").len() == 1);
    let mut second = ask(lb.address(), "/second");
    eventually(PATIENCE, "it waits", || lb.queued() == 1);
    b.start();
    assert_eq!(second.read_response("GET").unwrap().text(), "b");
}

#[test]
fn a_waiting_request_may_serve_as_a_probe() {
    let (a, b, gate) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"), Gate::closed());
    a.reply_to("/first", Reply::body_behind(&gate, "first"));
    b.reply_next(5, Reply::status(503));
    let entries = format!("{}, {}", entry(&a, "max_connections: 1"), entry(&b, "weight: 1"));
    let settings = "    retry: { backoff: off }\n    ejection: { base: 500ms, max: 500ms }";
    let lb = Lb::over_entries(&entries, &format!("{settings}\n{PATIENT}"));
    eventually(PATIENCE, "b is ejected", || {
        get(lb.address(), "/");
        !lb.backend(&b).is_open()
    });
    let _first = ask(lb.address(), "/first");
    eventually(PATIENCE, "a is busy", || a.requests_to("/first").len() == 1);
    let mut second = ask(lb.address(), "/second");
    assert_eq!(second.read_response("GET").unwrap().text(), "b");
}

#[test]
fn a_retry_waits_for_a_slot_on_another_backend() {
    let gate = Gate::closed();
    let last = Reply::body_behind(&gate, "first");
    let (lb, [a, _b], _first) = with_one_busy(Reply::reset(), PATIENT, last);
    let mut second = ask(lb.address(), "/second");
    eventually(PATIENCE, "it waits", || lb.queued() == 1);
    assert_eq!(a.requests_to("/second").len(), 1, "it was tried");
    gate.open();
    assert_eq!(second.read_response("GET").unwrap().text(), "b");
    assert_eq!(outcomes(&lb.line_of("/second")), ["reset", "ok"]);
}

#[test]
fn a_retry_may_wait_longer_than_an_answer_may_take() {
    let last = Reply::ok("0123").slowly(1, Duration::from_millis(200));
    let settings = format!("    timeouts: {{ response: 300ms }}\n{PATIENT}");
    let (lb, _backends, _first) = with_one_busy(Reply::reset(), &settings, last);
    assert_eq!(get(lb.address(), "/second").text(), "b");
}

#[test]
fn a_retry_without_a_slot_in_time_is_reported_as_its_failure() {
    let gate = Gate::closed();
    let last = Reply::body_behind(&gate, "first");
    let settings = "    queue: { timeout: 200ms }";
    let (lb, [a, b], _first) = with_one_busy(Reply::reset(), settings, last);
    let response = get(lb.address(), "/second");
    assert_eq!(response.status, 502);
    assert!(response.text().contains("broke"), "{}", response.text());
    assert_eq!((a.requests_to("/second").len(), b.requests().len()), (1, 1));
    assert_eq!(outcomes(&lb.line_of("/second")), ["reset"]);
}

#[test]
fn an_answer_is_not_given_up_for_a_place_in_the_queue() {
    let gate = Gate::closed();
    let last = Reply::body_behind(&gate, "first");
    let reply = Reply::status(503).body("not me");
    let (lb, [a, b], _first) = with_one_busy(reply, PATIENT, last);
    let response = get(lb.address(), "/second");
    assert_eq!((response.status, response.text().as_str()), (503, "not me"));
    assert_eq!((a.requests_to("/second").len(), b.requests().len()), (1, 1));
}
