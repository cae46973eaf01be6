//! SIGQUIT: the sockets for the process that waits for them. And signals that come while one
//! process takes the place of another.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
};

use nix::sys::signal::{self, Signal};

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::{Connection, get},
    eventually::eventually,
    process::LbProcess,
    reply::{Gate, Reply},
};

use super::{SUCCESSION, outcome, pid_that, rewrite, serving, succession, yaml};

const WAITING: &str = " INFO waiting for the sockets of the process that serves upgrade_socket=";
const CHECKED: &str = "    health_check: { path: /health, interval: 1m, timeout: 9s }";

/// A process that takes over from this one when it is told to.
fn next(lb: &LbProcess) -> LbProcess {
    lb.beside(&["-c", "lb.yaml", "-u"])
}

#[track_caller]
fn wait_until_refused(address: SocketAddr) {
    eventually(PATIENCE, "connections are refused", || TcpStream::connect(address).is_err());
}

/// The configuration with a route for `/x` only.
fn only_x(text: &str) -> String {
    text.replacen("{ pool: web }", "{ pool: web, path: /x }", 1)
}

#[test]
fn without_a_waiting_process_it_goes_on_and_says_so() {
    let a = ScriptedBackend::named("a");
    let (mut lb, address) = serving(&succession(&a));
    for times in 1..=2 {
        lb.signal(Signal::SIGQUIT);
        let lines = lb.wait_for_logs(" ERROR not handed over, still serving: ", times);
        assert!(lines[0].contains("no process waits for the sockets at @lb/upgrade"), "{lines:?}");
        assert_eq!(get(address, "/").header("connection"), Some("keep-alive"));
    }
    assert_eq!(lb.exit_status(), None);
}

#[test]
fn a_waiting_process_takes_over_and_obeys_earlier_commands() {
    for socket in ["", "\nupgrade_socket: next.sock"] {
        let a = ScriptedBackend::named("a");
        let text = succession(&a) + socket;
        let (mut lb, address) = serving(&text);
        let mut next = next(&lb);
        let line = next.wait_for_log(WAITING);
        assert_eq!(line.ends_with("=next.sock"), !socket.is_empty(), "{line}");
        assert_eq!(get(address, "/").header("connection"), Some("keep-alive"));
        rewrite(&lb, &only_x(&text));
        next.signal(Signal::SIGHUP);
        lb.signal(Signal::SIGQUIT);
        assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(0));
        assert_eq!(next.address(), address);
        next.wait_for_log(" INFO reloaded changes=1");
        assert_eq!((get(address, "/").status, get(address, "/x").status), (404, 200));
        assert_eq!(pid_that(&lb, |_| true), next.pid());
        assert!(!lb.folder().join("next.sock").exists());
    }
}

/// It was loaded before the wait, which may be long.
#[test]
fn a_file_that_changes_while_its_reader_waits_is_loaded_anew() {
    for watch in ["", "\nwatch: true"] {
        let a = ScriptedBackend::named("a");
        let text = succession(&a) + watch;
        let (mut lb, address) = serving(&text);
        let mut next = next(&lb);
        next.wait_for_log(WAITING);
        rewrite(&lb, &only_x(&text));
        lb.signal(Signal::SIGQUIT);
        assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(0));
        next.wait_for_log(" INFO reloaded changes=1");
        assert_eq!((get(address, "/").status, get(address, "/x").status), (404, 200));
    }
}

#[test]
fn a_waiting_process_can_be_told_to_leave() {
    let a = ScriptedBackend::named("a");
    let (mut lb, address) = serving(&(succession(&a) + "\nupgrade_socket: next.sock"));
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut next = next(&lb);
        next.wait_for_log(WAITING);
        next.signal(signal);
        assert_eq!(next.wait_for_exit(PATIENCE).code(), Some(0), "{signal}");
    }
    lb.signal(Signal::SIGQUIT);
    lb.wait_for_log("no process waits for the sockets at next.sock");
    assert_eq!(get(address, "/").text(), "a");
    assert_eq!(pid_that(&lb, |_| true), lb.pid());
}

/// A second process notices the first one by connecting; a socket that a crash has left is
/// replaced.
#[test]
fn only_one_process_can_wait() {
    let a = ScriptedBackend::named("a");
    let (mut lb, address) = serving(&(succession(&a) + "\nupgrade_socket: next.sock"));
    let mut killed = next(&lb);
    killed.wait_for_log(WAITING);
    killed.signal(Signal::SIGKILL);
    killed.wait_for_exit(PATIENCE);
    let mut first = next(&lb);
    first.wait_for_log(WAITING);
    let second = outcome(next(&lb));
    assert_eq!(second.code, Some(1));
    let says = "cannot start the upgrade socket: next.sock: Address already in use";
    assert!(second.stderr.contains(says), "{}", second.stderr);
    lb.signal(Signal::SIGQUIT);
    assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(0));
    first.wait_for_log(" INFO listening address=");
    assert_eq!(get(address, "/").text(), "a");
}

/// The file has changed after the next process has read it: a reload that only the process
/// before has seen would be undone by the upgrade.
#[test]
fn a_reload_during_an_upgrade_holds_after_it() {
    let a = ScriptedBackend::named("a");
    let gate = Gate::closed();
    let text = yaml(&[a.address()], &format!("{CHECKED}\n{SUCCESSION}"));
    let (mut lb, address) = serving(&text);
    a.wait_for_requests(1);
    a.reply_to("/health", Reply::behind(&gate, ""));
    let upgrade = lb.beside(&["upgrade", "-c", "lb.yaml"]);
    a.wait_for_requests(2);
    rewrite(&lb, &only_x(&text));
    lb.signal(Signal::SIGHUP);
    lb.wait_for_log(" INFO reloaded changes=1");
    gate.open();
    assert_eq!(outcome(upgrade).code, Some(0));
    lb.wait_for_logs(" INFO reloaded changes=1", 2);
    assert_eq!((get(address, "/").status, get(address, "/x").status), (404, 200));
}

#[test]
fn a_process_stopped_before_the_next_one_serves_leaves_no_process() {
    let a = ScriptedBackend::named("a");
    let text = yaml(&[a.address()], &format!("{CHECKED}\n{SUCCESSION}"));
    let (mut lb, address) = serving(&text);
    a.wait_for_requests(1);
    a.reply_to("/health", Reply::hang());
    let upgrade = lb.beside(&["upgrade", "-c", "lb.yaml"]);
    a.wait_for_requests(2);
    lb.signal(Signal::SIGTERM);
    assert_eq!(lb.wait_for_end(PATIENCE).code(), Some(0));
    let outcome = outcome(upgrade);
    assert_eq!(outcome.code, Some(1));
    assert!(!outcome.stderr.is_empty());
    eventually(PATIENCE, "no process is left", || lb.pids_in_folder().is_empty());
    wait_until_refused(address);
    assert!(!fs::exists(lb.folder().join("lb.pid")).unwrap());
}

/// A process that is told to stop must not be replaced, however long it drains.
#[test]
fn a_process_that_is_stopping_does_not_hand_over() {
    let a = ScriptedBackend::named("a");
    let gate = Gate::closed();
    let text = yaml(&[a.address()], &format!("{CHECKED}\n{SUCCESSION}\nshutdown: {{ delay: 1m }}"));
    let (mut lb, address) = serving(&text);
    a.wait_for_requests(1);
    a.reply_to("/health", Reply::behind(&gate, ""));
    let upgrade = lb.beside(&["upgrade", "-c", "lb.yaml"]);
    a.wait_for_requests(2);
    lb.signal(Signal::SIGTERM);
    lb.wait_for_log(" INFO stopping ");
    assert_eq!(outcome(upgrade).code, Some(1));
    assert_eq!(get(address, "/").header("connection"), Some("close"));
    gate.open();
    eventually(PATIENCE, "no other process is left", || lb.pids_in_folder() == [lb.pid()]);
    lb.signal(Signal::SIGTERM);
    assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(0));
}

#[test]
fn a_process_stopped_when_the_next_one_serves_leaves_that_one() {
    let a = ScriptedBackend::named("a");
    let (mut lb, address) = serving(&succession(&a));
    let _upgrade = lb.beside(&["upgrade", "-c", "lb.yaml"]);
    lb.wait_for_logs(" INFO listening address=", 2);
    let next = pid_that(&lb, |pid| pid != lb.pid());
    lb.signal(Signal::SIGTERM);
    assert_eq!(lb.wait_for_end(PATIENCE).code(), Some(0));
    assert_eq!(get(address, "/").text(), "a");
    assert_eq!(pid_that(&lb, |_| true), next);
    signal::kill(next, Signal::SIGTERM).unwrap();
    eventually(PATIENCE, "no process is left", || lb.pids_in_folder().is_empty());
    wait_until_refused(address);
}

#[test]
fn without_a_file_no_process_can_take_over() {
    let a = ScriptedBackend::named("a");
    let backend = format!("http://{}", a.address());
    let mut lb = LbProcess::start(&["--port", "0", "--backends", &backend]);
    let address = lb.address();
    lb.signal(Signal::SIGQUIT);
    lb.wait_for_log("there is no file to run the next process from (-c FILE)");
    let mut client = Connection::open(address).unwrap();
    assert_eq!(client.get("/").unwrap().header("connection"), Some("keep-alive"));
}
