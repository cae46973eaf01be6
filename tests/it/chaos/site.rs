//! The balancer over all its processes, and the actions of its operators.

use std::{
    fs,
    net::SocketAddr,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use lb::clock;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    LIMIT,
    backends::CHECK,
    ledger::{Remains, Span},
    order::POOLS,
};
use crate::support::{
    PATIENCE,
    eventually::{eventually, wait_for},
    footprint::{Footprint, connections_to, file_kinds},
    metrics::{ADMIN, Asked, Scrape},
    process::LbProcess,
};

const ALGORITHMS: [&str; 3] = ["round_robin", "least_conn", "ewma"];
/// From one command to the next.
const PACE: Duration = Duration::from_millis(1_500);
/// One command of this many is an upgrade, the others are reloads.
const UPGRADE_EVERY: usize = 4;
/// How long a backend that is well takes at most to come back to the pool with brief ejections.
const COMEBACK: Duration = Duration::from_secs(30);
/// Gauges that count what is under way.
const UNDER_WAY: [&str; 4] = [
    "lb_requests_in_flight",
    "lb_listener_connections",
    "lb_pool_queue_length",
    "lb_backend_active_requests",
];

/// A balancer with two pools of the same backends.
pub(super) struct Site {
    lb: LbProcess,
    backends: Vec<String>,
    address: SocketAddr,
    admin: Asked,
}

/// What operators did.
#[derive(Debug, Default)]
pub(super) struct Operations {
    pub reloads: usize,
    pub upgrades: Vec<Span>,
    /// What did not go well.
    pub complaints: Vec<String>,
}

impl Site {
    pub(super) fn new(backends: Vec<String>) -> Self {
        let mut lb = LbProcess::with_config(&yaml(&backends, 0), &[]);
        let address = lb.address();
        let admin = Asked::of(&mut lb);
        lb.wait_for_logs("serving", POOLS.len());
        Self { lb, backends, address, admin }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes the process one that has taken over from another, as the last one will be.
    #[track_caller]
    pub(super) fn upgrade(&self) {
        self.command("upgrade").expect("nothing is wrong yet");
    }

    /// Every line of the process log.
    pub(super) fn log(&self) -> Vec<String> {
        self.lb.stderr()
    }

    /// The lines of the access log about this request.
    pub(super) fn access_lines(&self, id: u64) -> Vec<String> {
        let path = self.lb.folder().join("access.log");
        let text = fs::read_to_string(path).unwrap_or_default();
        let sign = format!("\"request_id\":\"{id}\"");
        text.lines().filter(|line| line.contains(&sign)).map(str::to_owned).collect()
    }

    /// Reloads with another algorithm, again and again, and upgrades, until told to end.
    pub(super) fn operate(&self, start: Instant, is_over: &AtomicBool) -> Operations {
        let now = || clock::now().saturating_duration_since(start);
        let mut done = Operations::default();
        for turn in 1.. {
            let next = now() + PACE;
            wait_for(PACE, || (is_over.load(Ordering::Relaxed) || now() >= next).then_some(()));
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            fs::write(self.lb.folder().join("lb.yaml"), yaml(&self.backends, turn))
                .expect("a file");
            let is_upgrade = turn % UPGRADE_EVERY == 0;
            let from = now();
            let failed = self.command(if is_upgrade { "upgrade" } else { "reload" }).err();
            done.complaints.extend(failed);
            if is_upgrade {
                done.upgrades.push(Span { from, to: now() });
            } else {
                done.reloads += 1;
            }
        }
        done
    }

    fn command(&self, word: &str) -> Result<(), String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
        command.args([word, "-c", "lb.yaml"]).current_dir(self.lb.folder());
        let output = command.output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stderr);
        if output.status.success() { Ok(()) } else { Err(format!("lb {word}: {text}")) }
    }

    /// The process that serves.
    pub(super) fn pid(&self) -> Pid {
        let text = fs::read_to_string(self.lb.folder().join("lb.pid")).expect("a pid file");
        Pid::from_raw(text.trim().parse().expect("a number"))
    }

    pub(super) fn footprint(&self) -> Footprint {
        Footprint::of(self.pid())
    }

    /// Backends that do not come back to the pool with brief ejections while clients ask.
    pub(super) fn wait_for_comeback(&self) -> Vec<String> {
        let out = || {
            let scrape = self.admin.scrape();
            let is_eligible = |address: &&String| {
                let labels = [("pool", POOLS[1]), ("address", address), ("state", "eligible")];
                scrape.sum("lb_backend_state", &labels) == 0
            };
            self.backends.iter().filter(is_eligible).cloned().collect::<Vec<_>>()
        };
        let all = wait_for(COMEBACK, || {
            thread::sleep(Duration::from_millis(100));
            out().is_empty().then_some(())
        });
        if all.is_some() { vec![] } else { out() }
    }

    /// What is left when every client has gone: waits for as long as something that is under way may
    /// take.
    pub(super) fn remains(&self, before: &Footprint) -> Remains {
        let under_way = || {
            let scrape = self.admin.scrape();
            UNDER_WAY.into_iter().flat_map(|name| above_zero(&scrape, name)).collect::<Vec<_>>()
        };
        let connections = || connections_to(self.pid(), &self.backend_ports());
        // What a look has found is what is told: checks open connections all the time.
        let mut last = (under_way(), connections(), self.footprint());
        wait_for(PATIENCE, || {
            thread::sleep(Duration::from_millis(100));
            last = (under_way(), connections(), self.footprint());
            let (gauges, connections, footprint) = &last;
            let is_idle = gauges.is_empty() && *connections == 0;
            (is_idle && footprint.files <= before.files).then_some(())
        });
        let (gauges, connections, after) = last;
        Remains {
            gauges,
            connections,
            files: (before.files, after.files),
            kinds: if after.files > before.files { file_kinds(self.pid()) } else { vec![] },
            memory: (before.memory, after.memory),
            out: vec![],
        }
    }

    fn backend_ports(&self) -> Vec<u16> {
        let port = |address: &String| address.parse::<SocketAddr>().expect("an address").port();
        self.backends.iter().map(port).collect()
    }

    /// Stops it; returns when no process of it is left.
    #[track_caller]
    pub(super) fn stop(&self) {
        kill(self.pid(), Signal::SIGTERM).expect("it runs");
        eventually(PATIENCE, "no process is left", || {
            self.lb.pids_in_folder().iter().all(|pid| is_zombie(*pid))
        });
    }
}

/// Ended, and not waited for: the first process is the test's own child.
fn is_zombie(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_none_or(|rest| rest.is_empty() || rest.starts_with(" Z"))
}

fn above_zero(scrape: &Scrape, name: &str) -> Vec<String> {
    let is_it = |line: &&str| line.split(['{', ' ']).next() == Some(name);
    let is_more = |line: &&str| !line.ends_with(" 0");
    scrape.text.lines().filter(is_it).filter(is_more).map(str::to_owned).collect()
}

/// The configuration of this turn. Retries are not limited by a budget or by their number, so that no
/// request fails by choice; connections that are not used are closed soon, so that what is kept shows.
fn yaml(backends: &[String], turn: usize) -> String {
    let backends: Vec<_> = backends.iter().map(|it| format!("{{ address: \"{it}\" }}")).collect();
    let backends = backends.join(", ");
    let limit = LIMIT.as_millis();
    let settings = format!(
        "    backends: [ {backends} ]\n    \
         health_check: {{ path: {CHECK}, interval: 300ms, timeout: 280ms }}\n    \
         retry: {{ attempts: 5, budget: 100%, budget_min: 10000 }}\n    \
         timeouts: {{ connect: 1s, response: {limit}ms, request: 30s, idle: 3s, keepalive: 1s }}\n"
    );
    let algorithm = |pool: usize| ALGORITHMS[(turn + pool) % ALGORITHMS.len()];
    let [usual, brief] = POOLS;
    format!(
        "listeners: [ {{ address: 127.0.0.1:0, protocols: [h2c, http/1.1] }} ]\n{ADMIN}\n\
         pid_file: lb.pid\naccess_log: {{ path: access.log }}\n\
         routes: [ {{ pool: {usual}, path: /{usual} }}, {{ pool: {brief}, path: /{brief} }} ]\n\
         pools:\n  {usual}:\n    algorithm: {}\n{settings}  \
         {brief}:\n    algorithm: {}\n{settings}    \
         ejection: {{ base: 300ms, max: 2s }}\n    slow_start: off\n",
        algorithm(0),
        algorithm(1),
    )
}
