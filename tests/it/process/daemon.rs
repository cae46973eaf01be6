//! `lb -d`: the command reports that the process serves, or why it does not.

use std::{fs, net::SocketAddr};

use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::get,
    eventually::{eventually, wait_for},
    process::{LbProcess, address_in},
};

use super::{outcome, pid_that, yaml};

const SETTINGS: &str = "access_log: off\npid_file: lb.pid\nerror_log: error.log";

fn config(backend: &ScriptedBackend) -> String {
    yaml(&[backend.address()], SETTINGS)
}

/// Runs `lb -d` with this file, which must succeed.
#[track_caller]
fn start(text: &str) -> LbProcess {
    let mut lb = LbProcess::with_config(text, &["-d"]);
    assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(0), "{:?}", lb.stderr());
    assert_eq!((lb.stdout(), lb.stderr()), (vec![], vec![]));
    lb
}

/// Runs `lb -d` with this file, which must fail; returns its output once no process of it is left.
#[track_caller]
fn fail_to_start(text: &str) -> Vec<String> {
    let mut lb = LbProcess::with_config(text, &["-d"]);
    assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(1));
    assert_eq!((lb.stdout(), lb.pids_in_folder()), (vec![], vec![]));
    assert!(!lb.folder().join("lb.pid").exists());
    lb.stderr()
}

fn logged(lb: &LbProcess) -> String {
    fs::read_to_string(lb.folder().join("error.log")).unwrap_or_default()
}

#[track_caller]
fn address(lb: &LbProcess) -> SocketAddr {
    // A thread of the process writes its log, a moment after the pid file.
    let find = || {
        let log = logged(lb);
        log.lines().find(|line| line.contains(" INFO listening ")).and_then(address_in)
    };
    wait_for(PATIENCE, find).expect("it serves")
}

/// The session and the terminal of a process, see proc_pid_stat(5).
fn session_and_terminal(pid: Pid) -> (i32, i32) {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[3].parse().unwrap(), fields[4].parse().unwrap())
}

#[test]
fn it_serves_when_the_command_is_done_and_ends_at_a_signal() {
    let a = ScriptedBackend::named("a");
    let lb = start(&config(&a));
    assert_eq!(get(address(&lb), "/").text(), "a");
    let pid = pid_that(&lb, |_| true);
    assert_eq!(lb.pids_in_folder(), [pid]);
    assert_ne!(pid, lb.pid());
    assert_eq!(session_and_terminal(pid), (pid.as_raw(), 0));
    for descriptor in 0..3 {
        let target = fs::read_link(format!("/proc/{pid}/fd/{descriptor}")).unwrap();
        assert_eq!(target.to_str(), Some("/dev/null"));
    }
    signal::kill(pid, Signal::SIGTERM).unwrap();
    eventually(PATIENCE, "no process is left", || lb.pids_in_folder().is_empty());
    assert!(logged(&lb).ends_with(" INFO stopped\n"), "{}", logged(&lb));
    assert!(!lb.folder().join("lb.pid").exists());
}

#[test]
fn the_key_in_the_file_does_the_same() {
    let a = ScriptedBackend::named("a");
    let mut lb = LbProcess::with_config(&(config(&a) + "\ndaemon: true"), &[]);
    assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(0));
    assert_eq!(get(address(&lb), "/").text(), "a");
    assert_eq!(lb.pids_in_folder(), [pid_that(&lb, |_| true)]);
}

#[test]
fn a_log_without_a_file_is_warned_of_before() {
    let a = ScriptedBackend::named("a");
    let mut lb = LbProcess::with_config(&yaml(&[a.address()], ""), &["-d"]);
    assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(0));
    let is_such = |line: &String| line.starts_with("warning: --daemon: the ");
    assert_eq!(
        (lb.stderr().len(), lb.stderr().iter().all(is_such)),
        (2, true),
        "{:?}",
        lb.stderr()
    );
}

#[test]
fn a_port_that_is_taken_is_reported_by_the_command() {
    let (a, taken) = (ScriptedBackend::named("a"), ScriptedBackend::named("taken"));
    let taken = taken.address();
    let says = fail_to_start(&config(&a).replacen("127.0.0.1:0", &taken.to_string(), 1));
    let expected = format!("cannot listen on {taken} (listeners[0].address): Address already in");
    assert!(says.len() == 1 && says[0].starts_with(&expected), "{says:?}");
}

#[test]
fn a_pid_file_that_cannot_be_written_is_reported_too() {
    let a = ScriptedBackend::named("a");
    let says = fail_to_start(&config(&a).replace("lb.pid", "no/lb.pid"));
    let expected = "cannot write the process's number (pid_file): no/lb.pid: No such file";
    assert!(says.len() == 1 && says[0].starts_with(expected), "{says:?}");
}

#[test]
fn a_log_a_user_and_a_file_are_reported_too() {
    let a = ScriptedBackend::named("a");
    let text = config(&a);
    for (text, expected) in [
        (text.replace("error.log", "no/error.log"), "cannot open the process log (error_log): no/"),
        (format!("{text}\nuser: no-such-user"), "cannot serve as another user (user, group): ther"),
        (text.replace("routes", "rotues"), "lb.yaml:2: rotues: is not a known key"),
    ] {
        let says = fail_to_start(&text);
        assert!(says[0].starts_with(expected), "{says:?}");
    }
}

#[test]
fn with_an_upgrade_the_command_is_done_when_the_next_process_waits() {
    let a = ScriptedBackend::named("a");
    let lb = start(&config(&a));
    let (before, address) = (pid_that(&lb, |_| true), address(&lb));
    let next = outcome(lb.beside(&["-c", "lb.yaml", "-u", "-d"]));
    assert_eq!((next.code, next.stderr.as_str()), (Some(0), ""));
    assert!(logged(&lb).contains("waiting for the sockets"), "{}", logged(&lb));
    assert_eq!(pid_that(&lb, |_| true), before, "the one before serves");
    signal::kill(before, Signal::SIGQUIT).unwrap();
    let after = pid_that(&lb, |pid| pid != before);
    eventually(PATIENCE, "the one before ends", || lb.pids_in_folder() == [after]);
    assert_eq!(session_and_terminal(after).0, after.as_raw());
    assert_eq!(get(address, "/").text(), "a");
}

#[test]
fn it_can_be_upgraded_by_a_command() {
    let a = ScriptedBackend::named("a");
    let lb = start(&config(&a));
    let (before, address) = (pid_that(&lb, |_| true), address(&lb));
    let upgrade = outcome(lb.beside(&["upgrade", "-c", "lb.yaml"]));
    assert_eq!(upgrade.code, Some(0), "{}", upgrade.stderr);
    let after = pid_that(&lb, |pid| pid != before);
    eventually(PATIENCE, "the one before ends", || lb.pids_in_folder() == [after]);
    assert_eq!(get(address, "/").text(), "a");
}
