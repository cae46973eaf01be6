//! The built binary as its users meet it: what it prints, how it ends, what it does under load.

/// The listener that answers about the process.
mod admin;
/// Who may ask it, and what else it answers.
mod admin_access;
/// The same through a file.
mod admin_socket;
/// What the command line prints, and the exit code.
mod cli;
/// Commands to a process that runs, and the file that it watches.
mod commands;
/// In the background.
mod daemon;
/// `lb demo` and `lb backend`.
mod demo;
/// The time that others need to notice that it ends.
mod drain;
/// The process log in a file of its own.
mod error_log;
/// A balancer without a file, and flags over a file.
mod flags;
/// SIGQUIT, and a process that waits for it.
mod handover;
/// What a connection costs that waits.
mod idle;
/// Requests that would go round in a circle.
mod loops;
/// What a service manager is told.
mod notify;
/// After a known load, log, metrics and API agree.
mod numbers;
/// How many files it may have open.
mod open_files;
/// Seen and steered over the admin listener.
mod operate;
/// The status page in a browser.
mod page;
/// Pipes where files are expected.
mod pipes;
/// A real Prometheus.
mod prometheus;
/// SIGHUP.
mod reload;
/// Starting, and what the two logs say.
mod serving;
/// Signals, and what is in flight.
mod shutdown;
/// A reader of the process log that stalls.
mod stalled_log;
/// Seen and steered over the admin listener, with traffic.
mod steering;
/// One process in place of another.
mod upgrade;
/// A user who can do less.
mod user;

use std::{fs, net::SocketAddr};

use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{
    PATIENCE, backend::ScriptedBackend, eventually::wait_for, process::LbProcess,
};

/// What a process says that another one follows.
const SUCCESSION: &str = "access_log: off\npid_file: lb.pid";

fn succession(backend: &ScriptedBackend) -> String {
    yaml(&[backend.address()], SUCCESSION)
}

/// A process that serves, and where.
#[track_caller]
fn serving(text: &str) -> (LbProcess, SocketAddr) {
    let mut lb = LbProcess::with_config(text, &[]);
    let address = lb.address();
    lb.wait_for_log("serving pool=");
    (lb, address)
}

/// One listener on a free port and one pool named `web` of these backends, with these lines of
/// YAML below the pool (indented by four) or, after them, at the top (not indented).
fn yaml(backends: &[SocketAddr], settings: &str) -> String {
    let items: Vec<_> = backends.iter().map(|it| format!("{{ address: \"{it}\" }}")).collect();
    let checks = if settings.contains("health_check") { "" } else { "    health_check: off\n" };
    format!(
        "listeners: [ {{ address: 127.0.0.1:0 }} ]\nroutes: [ {{ pool: web }} ]\npools:\n  web:\n    \
         backends: [ {} ]\n{checks}{settings}\n",
        items.join(", ")
    )
}

/// A command that ends by itself: what it printed, and its exit code.
struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

#[track_caller]
fn outcome(mut process: LbProcess) -> Outcome {
    let status = process.wait_for_exit(PATIENCE);
    let text = |lines: Vec<String>| lines.iter().map(|line| format!("{line}\n")).collect();
    Outcome { code: status.code(), stdout: text(process.stdout()), stderr: text(process.stderr()) }
}

/// What `lb COMMAND -c lb.yaml` comes to, in the folder of this process.
#[track_caller]
fn tell(lb: &LbProcess, command: &str) -> Outcome {
    outcome(lb.beside(&[command, "-c", "lb.yaml"]))
}

/// Puts this text in its configuration file.
fn rewrite(lb: &LbProcess, text: &str) {
    fs::write(lb.folder().join("lb.yaml"), text).unwrap();
}

/// The number in the file `lb.pid` in its folder, as soon as there is one that `is_it`.
#[track_caller]
fn pid_that(lb: &LbProcess, is_it: impl Fn(Pid) -> bool) -> Pid {
    let read = || {
        let text = fs::read_to_string(lb.folder().join("lb.pid")).ok()?;
        text.trim().parse().map(Pid::from_raw).ok().filter(|pid| is_it(*pid))
    };
    wait_for(PATIENCE, read).unwrap_or_else(|| panic!("no such number: {:?}", lb.stderr()))
}

/// The lines of the file `access.log` in its folder, once there are so many.
#[track_caller]
fn access_lines(lb: &LbProcess, count: usize) -> Vec<Value> {
    let mut found = 0;
    let read = || {
        let text = fs::read_to_string(lb.folder().join("access.log")).ok()?;
        found = text.lines().count();
        let whole = text.ends_with('\n') && found >= count;
        whole.then(|| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    };
    let lines = wait_for(PATIENCE, read);
    lines.unwrap_or_else(|| panic!("{count} lines did not come, but {found}"))
}
