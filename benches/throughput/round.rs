//! Turns in rounds: every proxy once, then every proxy again, so that a noisy minute befalls all.
//! Each round begins with another one, so that nobody is always first.

use std::{thread, time::Duration};

use lb::clock;

use crate::{
    backend::Backend,
    clients::{Clients, Idle},
    machine::{Cores, Usage},
    proxies::{Proxy, Running},
    workload::Workload,
};

/// Before each turn, for connections to be made and caches to be filled.
const WARM_UP: Duration = Duration::from_millis(400);
/// Until a proxy that has answered has put away what it needed for it.
const SETTLES: Duration = Duration::from_millis(500);

/// How much is measured.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) turn: Duration,
}

/// What one turn showed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) hanging: u64,
    pub(crate) took: Duration,
    pub(crate) cpu: Duration,
    /// What others used of the proxy's core: where that is much, the figures are not worth much.
    pub(crate) others: Duration,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// Bytes, at the end.
    pub(crate) memory: u64,
    /// Bytes for each connection that waits.
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
            // A backend that was killed, and memory that was used, are not the next one's.
            let backends = backends(workload);
            let mut running = proxies[at].start(&backends, cores);
            rows[at].1.push(sample(workload, &mut running, &backends, (plan, cores)));
        }
        return rows;
    }
    let backends = backends(workload);
    let mut running: Vec<_> = proxies.iter().map(|proxy| proxy.start(&backends, cores)).collect();
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
    let (begun, before, worked) = (clock::now(), Usage::of(proxy.pid()), cores.worked());
    clients.run_for(turn / 2);
    if let Some(incident) = workload.incident {
        incident.happen(backends, proxy);
    }
    clients.run_for(turn / 2);
    let (took, after) = (clock::now().duration_since(begun), Usage::of(proxy.pid()));
    let worked = cores.worked().saturating_sub(worked);
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
        took,
        cpu: after - before,
        others: worked.saturating_sub(after - before),
        p50: quantile(50),
        p99: quantile(99),
        memory: after.memory,
        idle: 0,
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
