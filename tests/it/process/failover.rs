//! A backend is killed under load.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use nix::sys::signal::Signal;

use crate::support::{
    PATIENCE,
    backend::{ScriptedBackend, claim},
    client::Connection,
    eventually::eventually,
    process::LbProcess,
    reply::Reply,
};

use super::yaml;

const CLIENTS: usize = 32;
const GETS: usize = 5_000;
/// Where the clients give up on a test that is never over.
const REQUESTS_MAX: usize = 20 * GETS;
/// A high `fall`: on a busy machine a check may be late, and two backends must stay.
const CHECK: &str = "    health_check: { interval: 300ms, timeout: 200ms, rise: 1, fall: 50 }";

/// One real backend, killed when dropped.
fn backend(name: &str, port: u16) -> LbProcess {
    let args = ["backend", "--port", &port.to_string(), "--name", name, "--delay", "2ms"];
    let mut process = LbProcess::start(&args);
    process.wait_for_stdout("listening on");
    process
}

fn balancer(addresses: &[SocketAddr]) -> LbProcess {
    let settings = format!("{CHECK}\naccess_log: {{ format: text, path: access.log }}");
    LbProcess::with_config(&yaml(addresses, &settings), &[])
}

/// What the clients share.
#[derive(Default)]
struct Load {
    done: AtomicUsize,
    is_over: AtomicBool,
}

impl Load {
    fn reach(&self, count: usize) {
        eventually(6 * PATIENCE, &format!("{count} requests"), || {
            self.done.load(Ordering::Relaxed) >= count
        });
    }

    fn more(&self, count: usize) {
        self.reach(self.done.load(Ordering::Relaxed) + count);
    }

    /// Counts a request in, unless the test is over.
    fn next(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
            && self.done.fetch_add(1, Ordering::Relaxed) < REQUESTS_MAX
    }

    /// GETs on one connection; every answer that was not what it should be.
    fn get(&self, address: SocketAddr, from_c: &AtomicUsize) -> Vec<String> {
        let mut failures = vec![];
        let mut connection = Connection::open(address).unwrap();
        while self.next() && failures.len() < 10 {
            match connection.get("/") {
                Ok(answer) if answer.status == 200 && answer.is_complete => {
                    let is_c = answer.header("x-backend") == Some("c");
                    from_c.fetch_add(usize::from(is_c), Ordering::Relaxed);
                }
                answer => failures.push(format!("{answer:?}")),
            }
        }
        failures
    }

    /// POSTs on one connection, each with an id of its own in its path; the statuses.
    fn post(&self, address: SocketAddr, client: usize) -> Vec<u16> {
        let mut statuses = vec![];
        let mut connection = Connection::open(address).unwrap();
        while self.next() {
            let path = format!("/{client}/{}", statuses.len());
            let answer = connection.request("POST", &path, &[], b"order").unwrap();
            if answer.header("connection") == Some("close") {
                connection = Connection::open(address).unwrap();
            }
            statuses.push(answer.status);
        }
        statuses
    }
}

/// Ends the load also when the test fails: its clients would keep the test from ending.
struct UntilDropped<'a>(&'a Load);

impl Drop for UntilDropped<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }
}

#[test]
fn no_get_fails_while_a_backend_is_killed_and_comes_back() {
    let claims: Vec<_> = (0..3).map(|_| claim().unwrap()).collect();
    let addresses: Vec<_> = claims.iter().map(|(address, _)| *address).collect();
    let ports: Vec<_> = addresses.iter().map(SocketAddr::port).collect();
    let (_a, _b) = (backend("a", ports[0]), backend("b", ports[1]));
    let mut c = backend("c", ports[2]);
    let mut lb = balancer(&addresses);
    let address = lb.address();
    let (load, from_c) = (Load::default(), AtomicUsize::new(0));
    let failures: Vec<String> = thread::scope(|scope| {
        let over = UntilDropped(&load);
        let clients: Vec<_> =
            (0..CLIENTS).map(|_| scope.spawn(|| load.get(address, &from_c))).collect();
        load.reach(GETS / 3);
        c.signal(Signal::SIGKILL);
        assert!(!c.wait_for_exit(PATIENCE).success());
        load.more(GETS / 3);
        let before = from_c.load(Ordering::Relaxed);
        let _c = backend("c", ports[2]);
        eventually(PATIENCE, "c is back", || from_c.load(Ordering::Relaxed) > before);
        load.reach(GETS);
        drop(over);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    assert!(failures.is_empty(), "{} failed: {failures:#?}", failures.len());
    lb.wait_for_log("backend ejected");
    lb.signal(Signal::SIGTERM);
    assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(0));
}

fn posts(backend: &ScriptedBackend) -> Vec<String> {
    let requests = backend.requests().into_iter();
    requests.filter(|request| request.method == "POST").map(|request| request.path).collect()
}

#[test]
fn no_post_is_executed_twice_while_a_backend_is_killed_and_comes_back() {
    let backends: Vec<_> = (0..3).map(|_| ScriptedBackend::named("x")).collect();
    for backend in &backends {
        backend.reply(Reply::ok("done").delayed(Duration::from_millis(2)));
    }
    let addresses: Vec<_> = backends.iter().map(ScriptedBackend::address).collect();
    let mut lb = balancer(&addresses);
    let address = lb.address();
    let load = Load::default();
    let statuses: Vec<u16> = thread::scope(|scope| {
        let over = UntilDropped(&load);
        let post = |client| load.post(address, client);
        let clients: Vec<_> =
            (0..CLIENTS).map(|client| scope.spawn(move || post(client))).collect();
        for killed in &backends {
            load.more(10 * CLIENTS);
            killed.stop();
            load.more(2 * CLIENTS);
            let before = posts(killed).len();
            killed.start();
            eventually(PATIENCE, "it is back", || posts(killed).len() > before);
        }
        drop(over);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let mut times: HashMap<String, usize> = HashMap::new();
    for path in backends.iter().flat_map(posts) {
        *times.entry(path).or_default() += 1;
    }
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    let (answered, others): (Vec<_>, Vec<_>) =
        statuses.iter().copied().partition(|status| *status == 200);
    assert!(others.iter().all(|status| *status == 502), "{others:?}");
    assert!(!others.is_empty(), "nothing was in flight when a backend was killed");
    assert!(others.len() <= 3 * CLIENTS, "{} of {}", others.len(), statuses.len());
    assert!(times.len() >= answered.len());
}
