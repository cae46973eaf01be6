//! The backend that gets the next request.

use std::{collections::BTreeMap, thread, time::Duration};

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::{Connection, get},
    eventually::eventually,
    lb::Lb,
    reply::Reply,
};

fn named(names: &[&str]) -> Vec<ScriptedBackend> {
    names.iter().map(|name| ScriptedBackend::named(name)).collect()
}

fn over(backends: &[ScriptedBackend], settings: &str) -> Lb {
    Lb::over(&backends.iter().collect::<Vec<_>>(), settings)
}

fn counts(backends: &[ScriptedBackend]) -> Vec<usize> {
    backends.iter().map(|backend| backend.requests().len()).collect()
}

#[test]
fn round_robin_gives_each_its_turn() {
    let backends = named(&["a", "b", "c"]);
    let lb = over(&backends, "");
    let answers: Vec<_> = (0..9).map(|_| get(lb.address(), "/").text()).collect();
    assert_eq!(counts(&backends), [3, 3, 3]);
    assert_eq!(answers[0..3], answers[3..6], "the order is kept");
}

#[test]
fn weights_are_spread_evenly_and_not_in_a_row() {
    let backends = named(&["a", "b", "c"]);
    let list: Vec<_> = backends
        .iter()
        .zip([5, 1, 1])
        .map(|(backend, weight)| format!("{{ address: {}, weight: {weight} }}", backend.address()))
        .collect();
    let lb = Lb::start(&format!(
        "routes: [ {{ pool: web }} ]\n\
         pools: {{ web: {{ health_check: off, backends: [ {} ] }} }}",
        list.join(", ")
    ));
    let answers: String = (0..14).map(|_| get(lb.address(), "/").text()).collect();
    assert_eq!(counts(&backends), [10, 2, 2]);
    assert!(!answers.contains("aaaaa"), "{answers}");
    assert_eq!(answers[..7], answers[7..], "a cycle is the sum of the weights");
}

#[test]
fn a_backend_that_is_out_leaves_its_share_to_all_the_others() {
    let backends = named(&["a", "b", "c", "d"]);
    let lb = over(&backends, "");
    backends[1].stop();
    // These requests find out that it is gone.
    for _ in 0..4 {
        assert_eq!(get(lb.address(), "/").status, 200);
    }
    let before = counts(&backends);
    for _ in 0..30 {
        assert_eq!(get(lb.address(), "/").status, 200);
    }
    let after = counts(&backends);
    let shares: Vec<_> = before.iter().zip(after).map(|(before, after)| after - before).collect();
    assert_eq!(shares, [10, 0, 10, 10]);
}

#[test]
fn under_concurrent_clients_the_counts_stay_close() {
    let backends = named(&["a", "b", "c"]);
    let lb = over(&backends, "");
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut connection = Connection::open(lb.address()).unwrap();
                for _ in 0..60 {
                    assert_eq!(connection.get("/").unwrap().status, 200);
                }
            });
        }
    });
    let counts = counts(&backends);
    assert_eq!(counts.iter().sum::<usize>(), 480);
    // The difference may be one for each worker thread of the harness.
    assert!(counts.iter().all(|count| count.abs_diff(160) <= 2), "{counts:?}");
}

#[test]
fn least_conn_picks_the_backend_with_the_fewest_in_flight() {
    let backends = named(&["a", "b", "c"]);
    let lb = over(&backends, "    algorithm: least_conn");
    let hang = |backend: &ScriptedBackend| backend.reply_to("/hang", Reply::hang());
    backends.iter().for_each(hang);
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut connection = Connection::open(lb.address()).unwrap();
        connection.send(b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        held.push(connection);
        let in_flight = held.len();
        eventually(PATIENCE, "the request arrives", || {
            backends.iter().map(|backend| backend.requests_to("/hang").len()).sum::<usize>()
                == in_flight
        });
    }
    let free = backends.iter().position(|backend| lb.active(backend) == 0).expect("one is free");
    let mut connection = Connection::open(lb.address()).unwrap();
    for _ in 0..10 {
        assert_eq!(connection.get("/").unwrap().text(), ["a", "b", "c"][free]);
    }
    drop(held);
    for backend in &backends {
        eventually(PATIENCE, "the client's leaving frees it", || lb.active(backend) == 0);
    }
    let answers: BTreeMap<_, _> =
        (0..9).map(|_| (connection.get("/").unwrap().text(), ())).collect();
    assert_eq!(answers.len(), 3, "ties rotate");
}

#[test]
fn active_counts_requests_until_the_last_byte() {
    let a = ScriptedBackend::replying(Reply::ok("0123").slowly(1, Duration::from_millis(100)));
    let lb = Lb::over(&[&a], "");
    thread::scope(|scope| {
        let client = scope.spawn(|| get(lb.address(), "/"));
        eventually(PATIENCE, "it counts", || lb.active(&a) == 1);
        a.wait_for_requests(1);
        assert_eq!(lb.active(&a), 1, "the answer is still on its way");
        assert_eq!(client.join().unwrap().text(), "0123");
    });
    eventually(PATIENCE, "it is given back", || lb.active(&a) == 0);
}

#[test]
fn active_is_given_back_on_every_path() {
    for reply in [
        Reply::ok("fine"),
        Reply::status(500),
        Reply::status(503),
        Reply::close(),
        Reply::reset(),
        Reply::hang(),
        Reply::ok("0123456789").closed_after(5),
    ] {
        let (a, b) = (ScriptedBackend::replying(reply.clone()), ScriptedBackend::replying(reply));
        let lb = Lb::over(&[&a, &b], "    timeouts: { response: 100ms, idle: 100ms }");
        for _ in 0..3 {
            get(lb.address(), "/");
        }
        eventually(PATIENCE, "all is given back", || lb.active(&a) + lb.active(&b) == 0);
        eventually(PATIENCE, "all are counted out", || lb.in_flight() == 0);
    }
}
