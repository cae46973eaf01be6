//! The built binary as its users meet it: its output, its exit codes, its behaviour under load.

/// Certificates that come from an authority.
mod acme;
/// The admin listener: `/live` and `/ready`.
mod admin;
/// Access to the admin listener, and its other answers.
mod admin_access;
/// The admin listener at a Unix socket.
mod admin_socket;
/// The admin listener with TLS.
mod admin_tls;
/// What the command line prints, and the exit code.
mod cli;
/// Commands to a process that runs, and the file that it watches.
mod commands;
/// `lb -d`.
mod daemon;
/// `lb demo` and `lb backend`.
mod demo;
/// `lb doctor`, with a process and without one.
mod doctor;
/// The delay and the limit of a drain.
mod drain;
/// The process log in a file of its own.
mod error_log;
/// A balancer without a file, and flags over a file.
mod flags;
/// SIGQUIT, and a process that waits for it.
mod handover;
/// Many clients of HTTP/2 over reloads and an upgrade.
mod http2_load;
/// Clients of HTTP/3 over reloads and an upgrade.
mod http3_load;
/// A file system that has stopped answering.
mod hung_mount;
/// The memory of connections that wait.
mod idle;
/// Logs that go to a daemon, and files that are put aside when they are full.
mod log_targets;
/// Requests that would go round in a loop.
mod loops;
/// The messages to a service manager.
mod notify;
/// After a known load, log, metrics and API agree.
mod numbers;
/// The limit on open files.
mod open_files;
/// The commands over the admin listener, with a scripted process.
mod operate;
/// The status page in a browser.
mod page;
/// Pipes where files are expected.
mod pipes;
/// A real Prometheus.
mod prometheus;
/// SIGHUP: reloads.
mod reload;
/// The start of a process, and its two logs.
mod serving;
/// Signals, and requests in flight.
mod shutdown;
/// Signals that mean nothing to it.
mod signals;
/// A reader of the process log that stalls.
mod stalled_log;
/// The commands over the admin listener, with traffic.
mod steering;
/// Clients that speak TLS.
mod tls;
/// Clients that show a certificate of their own.
mod tls_clients;
/// Certificates and keys in every form.
mod tls_keys;
/// TLS under load and under attack.
mod tls_load;
/// Listeners at Unix sockets.
mod unix_listener;
/// `lb upgrade`: one process in place of another.
mod upgrade;
/// `user`: a process that gives up root.
mod user;

use std::{fs, net::SocketAddr};

use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{
    PATIENCE, backend::ScriptedBackend, eventually::wait_for, process::LbProcess,
};

/// The keys of a process that can be upgraded.
const SUCCESSION: &str = "access_log: off\npid_file: lb.pid";

fn succession(backend: &ScriptedBackend) -> String {
    yaml(&[backend.address()], SUCCESSION)
}

/// A process that serves, and its address.
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

/// The output and the exit code of a command that has ended by itself.
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

/// Runs `lb COMMAND -c lb.yaml` in the folder of this process.
#[track_caller]
fn tell(lb: &LbProcess, command: &str) -> Outcome {
    outcome(lb.beside(&[command, "-c", "lb.yaml"]))
}

/// Puts this text in its configuration file.
fn rewrite(lb: &LbProcess, text: &str) {
    fs::write(lb.folder().join("lb.yaml"), text).unwrap();
}

/// The number in the file `lb.pid` in its folder, as soon as one satisfies `is_it`.
#[track_caller]
fn pid_that(lb: &LbProcess, is_it: impl Fn(Pid) -> bool) -> Pid {
    let read = || {
        let text = fs::read_to_string(lb.folder().join("lb.pid")).ok()?;
        text.trim().parse().map(Pid::from_raw).ok().filter(|pid| is_it(*pid))
    };
    wait_for(PATIENCE, read).unwrap_or_else(|| panic!("no such number: {:?}", lb.stderr()))
}

/// The lines of the file `access.log` in its folder, once there are `count`.
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
