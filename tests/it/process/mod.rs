//! The built binary as its users meet it: what it prints, how it ends, what it does under load.

/// What the command line prints, and the exit code.
mod cli;
/// `lb demo` and `lb backend`.
mod demo;
/// A balancer without a file, and flags over a file.
mod flags;
/// SIGHUP.
mod reload;
/// Starting, and what the two logs say.
mod serving;
/// Signals, and what is in flight.
mod shutdown;

use std::net::SocketAddr;

use crate::support::{PATIENCE, process::LbProcess};

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
