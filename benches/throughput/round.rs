//! Turns in rounds: every proxy once, then every proxy again, so that a noisy minute affects all.
//! Each round begins with another proxy, so that none is always first.

use std::{
    cmp::Reverse,
    collections::HashMap,
    thread,
    time::{Duration, Instant},
};

use lb::clock;

use crate::{
    backend::Backend,
    clients::{Clients, Idle},
    cores::Cores,
    machine::{self, Usage},
    proxies::{Proxy, Running},
    workload::Workload,
};

/// The time before each turn in which connections are made and caches are filled.
const WARM_UP: Duration = Duration::from_millis(400);
/// The time in which a proxy frees the memory of its last answers.
const SETTLES: Duration = Duration::from_millis(500);

/// The extent of the measurement.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) turn: Duration,
}

/// The result of one turn.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) hanging: u64,
    pub(crate) took: Duration,
    pub(crate) cpu: Duration,
    /// The share of each thread in it, from the most to the least.
    pub(crate) threads: Vec<Duration>,
    /// The time that other processes used on the proxy's cores: if it is long, the figures are
    /// unreliable.
    pub(crate) others: Duration,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// Memory in bytes, at the end.
    pub(crate) memory: u64,
    /// Memory in bytes for each idle connection.
    pub(crate) idle: u64,
}

/// A proxy with its samples, one for each round.
pub(crate) type Row = (Proxy, Vec<Sample>);

pub(crate) fn measure(
    workload: &Workload,
    proxies: &[Proxy],
    plan: &Plan,
    cores: &Cores,
) -> Vec<Row> {
    let mut rows: Vec<Row> = proxies.iter().map(|proxy| (*proxy, vec![])).collect();
    let turns = |round: usize| (0..proxies.len()).map(move |at| (at + round) % proxies.len());
    if workload.incident.is_some() || workload.idle > 0 {
        for at in (0..plan.rounds).flat_map(turns) {
            // The next turn starts new processes, so that a killed backend and used memory do not
            // affect it.
            let backends = backends(workload);
            let mut running = proxies[at].start(workload, &backends, cores);
            rows[at].1.push(sample(workload, &mut running, &backends, (plan, cores)));
        }
        return rows;
    }
    let backends = backends(workload);
    let mut running: Vec<_> =
        proxies.iter().map(|proxy| proxy.start(workload, &backends, cores)).collect();
    for at in (0..plan.rounds).flat_map(turns) {
        rows[at].1.push(sample(workload, &mut running[at], &backends, (plan, cores)));
    }
    rows
}

fn backends(workload: &Workload) -> Vec<Backend> {
    workload.delays.iter().map(|delay| Backend::start(*delay)).collect()
}

fn sample(
    workload: &Workload,
    proxy: &mut Running,
    backends: &[Backend],
    (plan, cores): (&Plan, &Cores),
) -> Sample {
    if workload.idle > 0 {
        return idle(workload, proxy);
    }
    let turn = plan.turn;
    let clients = Clients::start(workload, proxy.address);
    clients.run_for(WARM_UP);
    clients.begin();
    let before = Reading::take(proxy, cores);
    clients.run_for(turn / 2);
    if let Some(incident) = workload.incident {
        incident.happen(backends, proxy);
    }
    clients.run_for(turn / 2);
    let after = Reading::take(proxy, cores);
    let cpu = after.usage - before.usage;
    let seen = clients.seen();
    let mut latencies = seen.latencies;
    latencies.sort_unstable();
    let quantile = |hundredths: usize| {
        let at = latencies.len() * hundredths / 100;
        latencies.get(at.min(latencies.len().saturating_sub(1))).copied().unwrap_or_default()
    };
    Sample {
        requests: latencies.len() as u64,
        errors: seen.errors,
        hanging: seen.hanging,
        took: after.at.duration_since(before.at),
        cpu,
        threads: after.threads_since(&before),
        others: after.worked.saturating_sub(before.worked).saturating_sub(cpu),
        p50: quantile(50),
        p99: quantile(99),
        memory: after.usage.memory,
        idle: 0,
    }
}

/// The system's figures at one instant.
struct Reading {
    at: Instant,
    usage: Usage,
    threads: HashMap<u32, Duration>,
    worked: Duration,
}

impl Reading {
    fn take(proxy: &Running, cores: &Cores) -> Self {
        let pid = proxy.pid();
        let worked = cores.worked(proxy.cores);
        Self { at: clock::now(), usage: Usage::of(pid), threads: machine::threads(pid), worked }
    }

    /// The CPU time of each thread since then, from the most to the least.
    fn threads_since(&self, before: &Self) -> Vec<Duration> {
        let since = |(thread, cpu): (&u32, &Duration)| {
            cpu.saturating_sub(before.threads.get(thread).copied().unwrap_or_default())
        };
        let mut threads: Vec<_> = self.threads.iter().map(since).collect();
        threads.sort_unstable_by_key(|cpu| Reverse(*cpu));
        threads
    }
}

fn idle(workload: &Workload, proxy: &Running) -> Sample {
    let before = Usage::of(proxy.pid()).memory;
    let connections = Idle::open(workload.idle, workload, proxy.address);
    thread::sleep(SETTLES);
    let memory = Usage::of(proxy.pid()).memory;
    drop(connections);
    let idle = memory.saturating_sub(before) / workload.idle as u64;
    Sample { memory, idle, ..Sample::default() }
}
