//! The division of cores. A process runs on the cores of the thread that started it, so the bench
//! moves there before it starts one.

use std::{fs, time::Duration};

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

use crate::machine;

/// The cores that this process may use.
pub(crate) fn allowed() -> Vec<usize> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).expect("Linux");
    let is_allowed = |core: &usize| allowed.is_set(*core).unwrap_or(false);
    (0..CpuSet::count()).filter(is_allowed).collect()
}

/// The cores of the proxies, and those of clients and backends.
#[derive(Debug)]
pub(crate) struct Cores {
    proxies: Vec<usize>,
    others: Vec<usize>,
}

impl Cores {
    /// Divides the cores for proxies with up to `most` cores. Proxies get the last ones, because
    /// the first has the most interrupts. Clients and backends get the rest, or all cores if the
    /// rest is fewer than `most`.
    pub(crate) fn divide(all: &[usize], most: usize) -> Self {
        let (rest, last) = all.split_at(all.len().saturating_sub(most));
        let others = if rest.len() < most { all } else { rest };
        Self { proxies: last.iter().rev().copied().collect(), others: others.to_vec() }
    }

    /// Runs `start`; processes that it starts have `count` of the proxies' cores.
    pub(crate) fn on_the_proxy_s<T>(&self, count: usize, start: impl FnOnce() -> T) -> T {
        pin(self.first(count));
        let started = start();
        self.keep_to_the_others();
        started
    }

    pub(crate) fn keep_to_the_others(&self) {
        pin(&self.others);
    }

    /// How long a proxy's `count` cores have been busy since the machine started, for any process,
    /// and for the host of a virtual machine.
    pub(crate) fn worked(&self, count: usize) -> Duration {
        let stat = fs::read_to_string("/proc/stat").expect("Linux");
        let worked = |core: &usize| {
            let name = format!("cpu{core} ");
            let line = stat.lines().find_map(|line| line.strip_prefix(&name));
            let fields = line.unwrap_or_default().split_whitespace().enumerate();
            // The fields are user, nice, system, idle, waiting for a disk, interrupts of two kinds,
            // stolen.
            let at_work = fields.filter(|(field, _)| [0, 1, 2, 5, 6, 7].contains(field));
            machine::duration(at_work.filter_map(|(_, ticks)| ticks.parse::<u64>().ok()).sum())
        };
        self.first(count).iter().map(worked).sum()
    }

    /// Whether clients and backends run on the proxies' cores too.
    pub(crate) fn are_shared(&self) -> bool {
        self.others.iter().any(|core| self.proxies.contains(core))
    }

    pub(crate) fn describe(&self) -> String {
        let Self { proxies, others } = self;
        let shared = if self.are_shared() { ", which they share" } else { "" };
        format!("proxies on cores {proxies:?}, clients and backends on {others:?}{shared}")
    }

    fn first(&self, count: usize) -> &[usize] {
        &self.proxies[..count.min(self.proxies.len())]
    }
}

fn pin(cores: &[usize]) {
    let mut set = CpuSet::new();
    for &core in cores {
        set.set(core).expect("a core that it was told of");
    }
    sched_setaffinity(Pid::from_raw(0), &set).expect("cores that it may use");
}
