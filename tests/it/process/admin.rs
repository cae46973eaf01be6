//! The admin listener: `/live` and `/ready`.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    time::Duration,
};

use nix::sys::signal::Signal;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::{Connection, ask, get, try_get},
    eventually::{eventually, wait_for},
    process::{LbProcess, address_in, new_folder},
    reply::{Gate, Reply, Step},
};

use super::yaml;

const ADMIN: &str = "admin: { address: 127.0.0.1:0 }";
/// Settings in which two checks in a row decide.
const CHECK: &str =
    "    health_check: { path: /health, interval: 100ms, timeout: 90ms, rise: 2, fall: 2 }";
const READY: (u16, &str) = (200, "ready\n");
const NO_BACKEND: (u16, &str) = (503, "not ready: no eligible backend in pool web\n");
const NOT_ALLOWED: &str = "method not allowed; allowed here: GET, HEAD\n";
const DRAINING: (u16, &str) = (503, "not ready: draining\n");

fn start(backend: &ScriptedBackend, settings: &str) -> (LbProcess, SocketAddr) {
    let text = yaml(&[backend.address()], &format!("{settings}\n{ADMIN}"));
    let mut lb = LbProcess::with_config(&text, &[]);
    let admin = admin_of(&mut lb);
    (lb, admin)
}

#[track_caller]
fn admin_of(lb: &mut LbProcess) -> SocketAddr {
    address_in(&lb.wait_for_log("admin listening")).expect("its address")
}

/// Waits until `/ready` has this answer; earlier answers are ignored.
#[track_caller]
fn wait_for_ready(admin: SocketAddr, expected: (u16, &str)) {
    let mut last = String::new();
    let came = wait_for(PATIENCE, || {
        let answer = get(admin, "/ready");
        last = format!("{} {}", answer.status, answer.text());
        ((answer.status, answer.text().as_str()) == expected).then_some(())
    });
    assert!(came.is_some(), "{expected:?} did not come, but {last:?}");
}

#[track_caller]
fn assert_live(admin: SocketAddr) {
    let answer = get(admin, "/live");
    assert_eq!((answer.status, answer.text().as_str()), (200, "live\n"));
}

#[test]
fn it_is_ready_when_the_first_checks_have_ended() {
    let a = ScriptedBackend::named("a");
    let gate = Gate::closed();
    let fine = Step::Send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".into());
    a.reply_to("/health", Reply::steps_of([Step::Pass(gate.clone()), fine]));
    // The first check does not end by itself while the test looks.
    let (_lb, admin) = start(&a, "    health_check: { path: /health, interval: 1m, timeout: 50s }");
    a.wait_for_heads(1);
    wait_for_ready(admin, (503, "not ready: starting\n"));
    assert_live(admin);
    gate.open();
    wait_for_ready(admin, READY);
}

/// No backend works, and since every check has ended, the reason is no longer "starting".
#[test]
fn checks_that_fail_have_ended_too() {
    let a = ScriptedBackend::named("a");
    a.stop();
    let (_lb, admin) = start(&a, CHECK);
    wait_for_ready(admin, NO_BACKEND);
}

#[test]
fn a_pool_without_a_backend_is_named_until_one_is_back() {
    let a = ScriptedBackend::named("a");
    let (mut lb, admin) = start(&a, CHECK);
    wait_for_ready(admin, READY);
    a.stop();
    wait_for_ready(admin, NO_BACKEND);
    assert_live(admin);
    assert_eq!(get(lb.address(), "/").status, 503);
    a.start();
    wait_for_ready(admin, READY);
    assert_eq!(get(lb.address(), "/").text(), "a");
}

/// The backend comes back by a request; without `/ready`, a balancer in front would never send one.
#[test]
fn without_checks_it_is_ready_again_when_a_request_may_try() {
    let a = ScriptedBackend::named("a");
    let (mut lb, admin) = start(&a, "    health_check: off\n    retry: { attempts: 1 }");
    wait_for_ready(admin, READY);
    a.stop();
    assert_eq!(get(lb.address(), "/").status, 502);
    wait_for_ready(admin, NO_BACKEND);
    a.start();
    wait_for_ready(admin, READY);
    assert_eq!(get(lb.address(), "/").text(), "a");
    wait_for_ready(admin, READY);
}

#[test]
fn a_pool_that_no_route_leads_to_does_not_matter() {
    let a = ScriptedBackend::named("a");
    let text = yaml(&[a.address()], "").replace(
        "pools:\n",
        "pools:\n  spare:\n    health_check: off\n    backends: [ { address: 127.0.0.1:9, drain: \
         true } ]\n",
    );
    let routed = text.replace("{ pool: web }", "{ pool: web }, { path: /s, pool: spare }");
    assert_ne!(text, routed);
    let mut lb = LbProcess::with_config(&format!("{text}{ADMIN}\n"), &[]);
    wait_for_ready(admin_of(&mut lb), READY);
    let mut lb = LbProcess::with_config(&format!("{routed}{ADMIN}\n"), &[]);
    let expected = (503, "not ready: no eligible backend in pool spare\n");
    wait_for_ready(admin_of(&mut lb), expected);
}

#[test]
fn it_drains_from_the_signal_on_and_lives_to_the_end() {
    let a = ScriptedBackend::named("a");
    let gate = Gate::closed();
    a.reply_to("/slow", Reply::body_behind(&gate, "late"));
    let (mut lb, admin) = start(&a, "");
    wait_for_ready(admin, READY);
    let mut monitor = Connection::open(admin).unwrap();
    assert_eq!(monitor.get("/ready").unwrap().text(), READY.1);
    let mut slow = ask(lb.address(), "/slow");
    a.wait_for_requests(1);
    lb.signal(Signal::SIGTERM);
    lb.wait_for_log("stopping");
    let answer = get(admin, "/ready");
    assert_eq!((answer.status, answer.text().as_str()), DRAINING);
    assert_eq!(monitor.get("/ready").unwrap().text(), DRAINING.1, "on a connection from before");
    assert_live(admin);
    gate.open();
    let response = slow.read_response("GET").unwrap();
    assert_eq!((response.text().as_str(), response.is_complete), ("late", true));
    assert!(lb.wait_for_exit(PATIENCE).success());
    let error = TcpStream::connect(admin).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn its_answers_are_text_that_is_not_cached() {
    let a = ScriptedBackend::named("a");
    let (_lb, admin) = start(&a, "");
    wait_for_ready(admin, READY);
    let mut connection = Connection::open(admin).unwrap();
    let none = None;
    for (method, path, status, body, allow) in [
        ("GET", "/live", 200, "live\n", none),
        ("GET", "/ready?verbose", 200, "ready\n", none),
        ("HEAD", "/ready", 200, "ready\n", none),
        ("POST", "/ready", 405, NOT_ALLOWED, Some("GET, HEAD")),
        ("DELETE", "/live", 405, NOT_ALLOWED, Some("GET, HEAD")),
        ("GET", "/live", 200, "live\n", none),
    ] {
        let answer = connection.request(method, path, &[], b"").unwrap();
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.text(), if method == "HEAD" { "" } else { body }, "{method} {path}");
        let headers = ["content-length", "content-type", "cache-control", "connection", "allow"];
        let expected = [
            Some(body.len().to_string()),
            Some("text/plain; charset=utf-8".to_owned()),
            Some("no-store".to_owned()),
            Some("keep-alive".to_owned()),
            allow.map(str::to_owned),
        ];
        assert_eq!(headers.map(|name| answer.header(name).map(str::to_owned)), expected);
    }
    let answer = connection.request("GET", "/live", &[("Connection", "close")], b"").unwrap();
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(connection.read_to_close(), b"");
}

#[test]
fn an_unexpected_body_does_no_harm() {
    let a = ScriptedBackend::named("a");
    let (_lb, admin) = start(&a, "");
    let mut connection = Connection::open(admin).unwrap();
    let answer = connection.request("POST", "/live", &[], &[b'x'; 1000]).unwrap();
    assert_eq!(answer.status, 405);
    assert_live(admin);
}

#[test]
fn the_connection_that_was_idle_for_longest_makes_room() {
    let a = ScriptedBackend::named("a");
    let (_lb, admin) = start(&a, "");
    wait_for_ready(admin, READY);
    let mut held: Vec<_> = (0..256).map(|_| Connection::open(admin).unwrap()).collect();
    // Connections are accepted in order: when the last one is answered, all are accepted.
    assert_eq!(held.last_mut().unwrap().get("/live").unwrap().status, 200);
    let mut newcomer = ask(admin, "/live");
    newcomer.limit(Duration::from_secs(2)).unwrap();
    assert_eq!(newcomer.read_response("GET").unwrap().text(), "live\n");
    assert_eq!(held[0].read_to_close(), b"");
    assert_eq!(held[1].get("/live").unwrap().status, 200, "one is enough");
    assert_eq!(newcomer.get("/ready").unwrap().text(), READY.1);
}

/// A ready process with one backend that may open 100 files, and its admin listener.
fn with_few_files(backend: &ScriptedBackend, threads: usize) -> (LbProcess, SocketAddr) {
    let folder = new_folder();
    let more = format!("access_log: off\nthreads: {threads}\n{ADMIN}");
    // A client that sends nothing keeps its file for as long as a test may take.
    let patient = "listeners: [ { client: { header: 60s },";
    let text = yaml(&[backend.address()], &more).replacen("listeners: [ {", patient, 1);
    std::fs::write(folder.path().join("lb.yaml"), text).unwrap();
    let mut command = Command::new("sh");
    let run = "ulimit -n 100 && exec \"$0\" -c lb.yaml";
    command.args(["-c", run, env!("CARGO_BIN_EXE_lb")]).env_remove("RUST_LOG");
    let mut lb = LbProcess::spawn(folder, command);
    let admin = admin_of(&mut lb);
    wait_for_ready(admin, READY);
    (lb, admin)
}

#[test]
fn it_outlives_a_lack_of_files() {
    let a = ScriptedBackend::named("a");
    let (mut lb, admin) = with_few_files(&a, 2);
    let held: Vec<_> = (0..100).map(|_| Connection::open(admin).unwrap()).collect();
    let line = lb.wait_for_log("cannot accept");
    assert!(line.contains(" WARN ") && line.contains("Too many open files"), "{line}");
    drop(held);
    assert_live(admin);
    assert_eq!(get(lb.address(), "/").text(), "a");
    let complaints = lb.stderr().iter().filter(|line| line.contains("cannot accept")).count();
    assert_eq!(complaints, 1, "{:?}", lb.stderr());
}

#[test]
fn it_answers_while_clients_of_the_proxy_hold_every_file() {
    let a = ScriptedBackend::named("a");
    let (mut lb, admin) = with_few_files(&a, 1);
    let address = lb.address();
    let _held: Vec<_> = (0..150).map(|_| Connection::open(address).unwrap()).collect();
    lb.wait_for_log("Too many open files");
    for _ in 0..5 {
        assert_live(admin);
    }
}

#[test]
fn an_address_that_is_taken_is_named_with_its_key() {
    let a = ScriptedBackend::named("a");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let text = yaml(&[a.address()], &format!("admin: {{ address: {address} }}"));
    let mut lb = LbProcess::with_config(&text, &[]);
    assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(1));
    let expected = format!("cannot listen on {address} (admin.address): ");
    assert!(lb.stderr().iter().any(|line| line.contains(&expected)), "{:?}", lb.stderr());
}

#[test]
fn without_the_key_no_port_is_open() {
    let a = ScriptedBackend::named("a");
    let mut lb = LbProcess::with_config(&yaml(&[a.address()], ""), &[]);
    assert_eq!(get(lb.address(), "/").text(), "a");
    assert!(!lb.stderr().iter().any(|line| line.contains("admin")), "{:?}", lb.stderr());
}

/// With port 0 the system chooses another port each time, which is never one of the listeners'.
#[test]
fn the_proxy_does_not_answer_for_it() {
    let a = ScriptedBackend::named("a");
    let (mut lb, admin) = start(&a, "");
    let address = lb.address();
    assert_ne!(address, admin);
    assert_eq!(try_get(address, "/live").unwrap().text(), "a", "a path like any other");
    eventually(PATIENCE, "it went to the backend", || a.requests_to("/live").len() == 1);
}
