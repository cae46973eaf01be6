//! A client that leaves takes nothing with it: its place in the queue and its backend's slot are
//! free again, at every stage of its request.

use std::time::Duration;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::{Connection, get},
    eventually::eventually,
    lb::Lb,
    reply::Reply,
};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A client that has sent this.
#[track_caller]
fn client(lb: &Lb, bytes: &[u8]) -> Connection {
    let mut connection = Connection::open(lb.address()).unwrap();
    connection.send(bytes).unwrap();
    connection
}

#[track_caller]
fn in_flight(lb: &Lb, count: usize) {
    eventually(PATIENCE, &format!("{count} in flight"), || lb.in_flight() == count);
}

/// The client leaves while its request is on the backend.
#[track_caller]
fn leaves(lb: &Lb, backend: &ScriptedBackend, client: Connection) {
    assert_eq!(lb.active(backend), 1);
    drop(client);
    eventually(PATIENCE, "the slot is free", || lb.active(backend) == 0);
    in_flight(lb, 0);
}

#[test]
fn while_it_waits_for_the_first_byte() {
    for response in ["60s", "auto"] {
        let a = ScriptedBackend::replying(Reply::hang());
        let lb = Lb::over(&[&a], &format!("    timeouts: {{ response: {response} }}"));
        // The request is a POST, so that no learned limit can free the slot.
        let client = client(&lb, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
        a.wait_for_requests(1);
        leaves(&lb, &a, client);
    }
}

#[test]
fn while_it_reads_the_body() {
    let body = vec![b'x'; 1000];
    let a = ScriptedBackend::replying(Reply::ok(body).slowly(1, Duration::from_millis(100)));
    let lb = Lb::over(&[&a], "");
    let mut client = client(&lb, GET);
    client.read_head().unwrap();
    leaves(&lb, &a, client);
}

#[test]
fn while_it_uploads() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let client = client(&lb, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhalf");
    a.wait_for_heads(1);
    leaves(&lb, &a, client);
    assert!(a.requests().iter().all(|request| !request.is_complete));
}

#[test]
fn while_it_waits_in_the_queue() {
    let a = ScriptedBackend::named("a");
    a.reply_to("/", Reply::hang());
    let lb = Lb::start(&format!(
        "routes: [ {{ pool: web }} ]\npools:\n  web:\n    health_check: off\n    \
         backends: [ {{ address: \"{}\", max_connections: 1 }} ]\n    \
         queue: {{ size: 1, timeout: 60s }}\n",
        a.address()
    ));
    let first = client(&lb, GET);
    a.wait_for_requests(1);
    let second = client(&lb, b"GET /second HTTP/1.1\r\nHost: a\r\n\r\n");
    in_flight(&lb, 2);
    assert_eq!(get(lb.address(), "/third").status, 503, "the queue is full");
    drop(second);
    in_flight(&lb, 1);
    let mut fourth = client(&lb, b"GET /fourth HTTP/1.1\r\nHost: a\r\n\r\n");
    in_flight(&lb, 2);
    drop(first);
    assert_eq!(fourth.read_response("GET").unwrap().text(), "a", "the place was free");
    eventually(PATIENCE, "the slot is free", || lb.active(&a) == 0);
    let paths: Vec<_> = a.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/", "/fourth"]);
}

#[test]
fn while_it_waits_for_another_try() {
    let backends = [(); 2].map(|()| ScriptedBackend::replying(Reply::reset()));
    let [a, b] = &backends;
    // The wait is a random part of this: far longer than the test, except with a chance of one in a
    // thousand.
    let settings = "    retry: { backoff: { base: 5h, max: 5h } }\n    timeouts: { request: 6h }";
    let lb = Lb::over(&[a, b], settings);
    let tries = || a.requests().len() + b.requests().len();
    let client = client(&lb, GET);
    eventually(PATIENCE, "a try", || tries() == 1);
    in_flight(&lb, 1);
    drop(client);
    in_flight(&lb, 0);
    assert_eq!((lb.active(a), lb.active(b)), (0, 0));
    assert_eq!(tries(), 1);
}
