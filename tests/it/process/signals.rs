//! Signals that mean nothing to `lb`, which must end no request.

use std::{fs, process::Command};

use nix::sys::signal::Signal;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::{ask, get},
    process::LbProcess,
    reply::{Gate, Reply},
};

use super::yaml;

/// Each of them would end a process that does not handle it.
const MEANINGLESS: [(i32, &str); 9] = [
    (14, "SIGALRM"),
    (16, "SIGSTKFLT"),
    (26, "SIGVTALRM"),
    (27, "SIGPROF"),
    (29, "SIGIO"),
    (30, "SIGPWR"),
    (34, "\"real-time 34\""),
    (40, "\"real-time 40\""),
    (64, "\"real-time 64\""),
];

fn send(lb: &LbProcess, number: i32) {
    let (number, pid) = (format!("-{number}"), lb.pid().to_string());
    assert!(Command::new("kill").args([number, pid]).status().unwrap().success());
}

#[test]
fn a_signal_that_means_nothing_is_ignored_with_a_line() {
    let (a, gate) = (ScriptedBackend::named("a"), Gate::closed());
    a.reply(Reply::behind(&gate, "a"));
    let mut lb = LbProcess::with_config(&yaml(&[a.address()], "access_log: off"), &[]);
    let mut in_flight = ask(lb.address(), "/");
    a.wait_for_requests(1);
    for (number, name) in MEANINGLESS {
        send(&lb, number);
        lb.wait_for_log(&format!(
            " WARN signal ignored: it means nothing to this process signal={name}"
        ));
    }
    gate.open();
    assert_eq!(in_flight.read_response("GET").unwrap().text(), "a");
    lb.signal(Signal::SIGTERM);
    assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(0));
}

#[test]
fn a_log_that_may_not_grow_any_more_ends_nothing() {
    let a = ScriptedBackend::named("a");
    let folder = tempfile::tempdir().unwrap();
    let text = yaml(&[a.address()], "access_log: { path: access.log }\nthreads: 1");
    fs::write(folder.path().join("lb.yaml"), text).unwrap();
    let log = folder.path().join("access.log");
    let mut command = Command::new("sh");
    // In blocks of 512 bytes, as POSIX has it.
    let script = "ulimit -f 1; exec \"$0\" -c lb.yaml";
    command.args(["-c", script, env!("CARGO_BIN_EXE_lb")]).env_remove("RUST_LOG");
    let mut lb = LbProcess::spawn(folder, command);
    let address = lb.address();
    for _ in 0..20 {
        assert_eq!(get(address, "/").text(), "a");
    }
    lb.signal(Signal::SIGTERM);
    assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(0));
    let size = fs::metadata(log).unwrap().len();
    assert!(size == 512 || size == 1024, "{size}");
}
