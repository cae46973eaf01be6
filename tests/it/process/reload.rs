//! SIGHUP: another configuration in place of the one that serves.

use std::{fs, thread, time::Duration};

use nix::sys::signal::Signal;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::{Connection, get},
    eventually::eventually,
    load::{Kind, Load, good_answer},
    process::LbProcess,
    reply::Reply,
};

use super::yaml;

const SETTINGS: &str = "    health_check: off\naccess_log: { format: text, path: access.log }";

fn over(backends: &[&ScriptedBackend]) -> String {
    let addresses: Vec<_> = backends.iter().map(|backend| backend.address()).collect();
    yaml(&addresses, SETTINGS)
}

/// Puts this text in the file and waits until it is in force.
fn reload(lb: &mut LbProcess, text: &str) {
    let before = count(lb, " reloaded");
    write(lb, text);
    lb.signal(Signal::SIGHUP);
    lb.wait_for_logs(" reloaded", before + 1);
}

fn write(lb: &LbProcess, text: &str) {
    fs::write(lb.folder().join("lb.yaml"), text).unwrap();
}

fn count(lb: &LbProcess, marker: &str) -> usize {
    lb.stderr().iter().filter(|line| line.contains(marker)).count()
}

#[test]
fn backends_come_and_go_and_changes_are_reported() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    let mut lb = LbProcess::with_config(&over(&[&a]), &[]);
    let mut connection = Connection::open(lb.address()).unwrap();
    assert_eq!(connection.get("/").unwrap().text(), "a");
    reload(&mut lb, &over(&[&b]));
    let line = lb.wait_for_log("pool web: ");
    assert!(line.contains("pool web: +1 backend, -1 (draining, "), "{line}");
    assert_eq!(connection.get("/").unwrap().text(), "b", "the same connection, the next request");
    reload(&mut lb, &over(&[&b]));
    assert!(lb.stderr().last().unwrap().contains("changes=0"), "{:?}", lb.stderr());
}

#[test]
fn an_invalid_file_changes_nothing_and_every_problem_is_logged() {
    let a = ScriptedBackend::named("a");
    let mut lb = LbProcess::with_config(&over(&[&a]), &[]);
    let address = lb.address();
    write(&lb, "listeners: [ { adress: 1 } ]\n");
    lb.signal(Signal::SIGHUP);
    let line = lb.wait_for_log("not reloaded, still serving as before");
    assert!(line.contains("problems="), "{line}");
    assert!(count(&lb, "did you mean") > 0, "{:?}", lb.stderr());
    assert_eq!(get(address, "/").text(), "a");
    fs::remove_file(lb.folder().join("lb.yaml")).unwrap();
    lb.signal(Signal::SIGHUP);
    lb.wait_for_logs("not reloaded, still serving as before", 2);
    assert_eq!(get(address, "/").text(), "a");
    reload(&mut lb, &over(&[&a]));
}

#[test]
fn without_a_file_there_is_nothing_to_reload() {
    let a = ScriptedBackend::named("a");
    let backend = format!("http://{}", a.address());
    let mut lb = LbProcess::start(&["--port", "0", "--backends", &backend]);
    let address = lb.address();
    lb.signal(Signal::SIGHUP);
    lb.wait_for_log("there is no file to load from");
    assert_eq!(get(address, "/").text(), "a");
}

#[test]
fn a_request_that_began_before_ends_under_its_configuration() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    a.reply(Reply::ok("a").delayed(Duration::from_millis(800)));
    let mut lb = LbProcess::with_config(&over(&[&a]), &[]);
    let address = lb.address();
    let slow = thread::spawn(move || get(address, "/slow").text());
    a.wait_for_requests(1);
    reload(&mut lb, &over(&[&b]));
    let line = lb.wait_for_log("pool web: ");
    assert!(line.contains("-1 (draining, 1 in flight)"), "{line}");
    assert_eq!(get(address, "/").text(), "b");
    assert_eq!(slow.join().unwrap(), "a");
}

#[test]
fn a_backend_that_stays_keeps_its_state() {
    let (a, b, c) =
        (ScriptedBackend::named("a"), ScriptedBackend::named("b"), ScriptedBackend::named("c"));
    let mut lb = LbProcess::with_config(&over(&[&a, &b]), &[]);
    let address = lb.address();
    a.stop();
    eventually(PATIENCE, "a is ejected", || {
        assert_eq!(get(address, "/").text(), "b");
        count(&lb, "backend ejected") == 1
    });
    reload(&mut lb, &over(&[&a, &b, &c]));
    let answers: String = (0..6).map(|_| get(address, "/").text()).collect();
    assert!(answers.contains('b') && answers.contains('c'), "{answers}");
    assert_eq!(count(&lb, "backend ejected"), 1, "it was not tried again");
    assert_eq!(b.connections(), 1, "the pooled connection was kept");
}

#[test]
fn draining_is_one_reload() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    let mut lb = LbProcess::with_config(&over(&[&a, &b]), &[]);
    let address = lb.address();
    let a_address = format!("address: \"{}\"", a.address());
    let draining = over(&[&a, &b]).replace(&a_address, &format!("{a_address}, drain: true"));
    reload(&mut lb, &draining);
    lb.wait_for_log("backend draining");
    assert!((0..6).all(|_| get(address, "/").text() == "b"));
    reload(&mut lb, &over(&[&a, &b]));
    let answers: String = (0..60).map(|_| get(address, "/").text()).collect();
    assert!(answers.contains('a'), "{answers}");
}

#[test]
fn routes_limits_and_the_access_log_follow() {
    let a = ScriptedBackend::named("a");
    let mut lb = LbProcess::with_config(&over(&[&a]), &[]);
    let address = lb.address();
    assert_eq!(get(address, "/x").status, 200);
    let other = over(&[&a])
        .replace("{ pool: web }", "{ pool: web, path: /only }")
        .replace("access.log", "other.log");
    reload(&mut lb, &other);
    assert_eq!(get(address, "/x").status, 404);
    assert_eq!(get(address, "/only").status, 200);
    let lines = |name| fs::read_to_string(lb.folder().join(name)).unwrap_or_default();
    eventually(PATIENCE, "the new file has the new lines", || {
        lines("other.log").lines().count() == 2
    });
    assert_eq!(lines("access.log").lines().count(), 1);
}

#[test]
fn a_filter_of_the_access_log_follows() {
    let a = ScriptedBackend::named("a");
    a.reply_to("/missing", Reply::status(404));
    let mut lb = LbProcess::with_config(&over(&[&a]), &[]);
    let address = lb.address();
    get(address, "/before");
    reload(&mut lb, &over(&[&a]).replace("access.log }", "access.log, filter: { status: 404 } }"));
    lb.wait_for_log("access_log changed");
    get(address, "/fine");
    get(address, "/missing");
    let log = || fs::read_to_string(lb.folder().join("access.log")).unwrap_or_default();
    eventually(PATIENCE, "the line of what is missing", || log().contains("/missing"));
    assert!(log().contains("/before") && !log().contains("/fine"), "{}", log());
}

#[test]
fn listeners_need_an_upgrade_and_the_reload_says_so() {
    let a = ScriptedBackend::named("a");
    let mut lb = LbProcess::with_config(&over(&[&a]), &[]);
    let address = lb.address();
    reload(&mut lb, &over(&[&a]).replace("127.0.0.1:0", "127.0.0.2:0"));
    lb.wait_for_log("listener 127.0.0.2:0 needs an upgrade to be opened");
    lb.wait_for_log("listener 127.0.0.1:0 needs an upgrade to be closed");
    assert_eq!(get(address, "/").text(), "a");
}

fn open_files(lb: &LbProcess) -> usize {
    fs::read_dir(format!("/proc/{}/fd", lb.pid())).unwrap().count()
}

#[test]
fn reloading_again_and_again_leaves_no_file_open() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    let check = "    health_check: { interval: 1s, timeout: 500ms }\naccess_log: { format: text, path: access.log }";
    let mut lb = LbProcess::with_config(&yaml(&[a.address()], check), &[]);
    lb.address();
    let mut files = vec![];
    for round in 0..30 {
        let log = if round % 3 == 0 { "other.log" } else { "access.log" };
        let backends = [a.address(), b.address()];
        reload(&mut lb, &yaml(&backends[..1 + round % 2], &check.replace("access.log", log)));
        files.push(open_files(&lb));
    }
    // A check may be under way at any of these moments, but a leak would stay.
    let at_first = files[..6].iter().copied().max();
    eventually(PATIENCE, &format!("as many as at first: {files:?}"), || {
        Some(open_files(&lb)) <= at_first
    });
}

#[test]
fn under_load_no_request_fails_while_backends_come_and_go() {
    let backends: Vec<_> = (0..4).map(|_| ScriptedBackend::named("x")).collect();
    for backend in &backends {
        backend.reply_with(good_answer);
    }
    let all: Vec<_> = backends.iter().collect();
    let mut lb = LbProcess::with_config(&over(&all[..2]), &[]);
    let load = Load::start(lb.address());
    for round in 0..20 {
        load.more(250);
        match round % 4 {
            3 => {
                write(&lb, "pools: nonsense");
                lb.signal(Signal::SIGHUP);
                lb.wait_for_logs("not reloaded", round / 4 + 1);
            }
            part => reload(&mut lb, &over(&all[part..part + 2])),
        }
    }
    let report = load.finish();
    for kind in [Kind::Get, Kind::Order] {
        let failures = report.failures_of(kind, 0);
        assert!(failures.is_empty(), "{failures:?}");
    }
    lb.signal(Signal::SIGTERM);
    assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(0));
}
