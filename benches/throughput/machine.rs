//! The machine: which cores there are for what, and what the system says a process has used.

use std::{collections::HashMap, fs, ops::Sub, time::Duration};

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    sys::resource::{Resource, getrlimit, setrlimit},
    unistd::{Pid, SysconfVar, sysconf},
};

/// The core that a proxy has, and those of everybody else.
#[derive(Debug)]
pub(crate) struct Cores {
    proxy: usize,
    others: Vec<usize>,
}

impl Cores {
    /// The last one for the proxy, as the first has the most interrupts.
    pub(crate) fn choose() -> Self {
        let allowed = sched_getaffinity(Pid::from_raw(0)).expect("Linux");
        let is_allowed = |core: &usize| allowed.is_set(*core).unwrap_or(false);
        let mut cores: Vec<_> = (0..CpuSet::count()).filter(is_allowed).collect();
        let proxy = cores.pop().expect("it runs somewhere");
        if cores.is_empty() {
            println!("there is only one core, so clients and backends take turns with the proxy");
            cores.push(proxy);
        }
        Self { proxy, others: cores }
    }

    /// Whatever `start` starts has the proxy's core to itself: a process runs where the thread that
    /// started it does.
    pub(crate) fn on_the_proxy_s<T>(&self, start: impl FnOnce() -> T) -> T {
        pin(&[self.proxy]);
        let started = start();
        self.keep_to_the_others();
        started
    }

    pub(crate) fn keep_to_the_others(&self) {
        pin(&self.others);
    }

    /// For how long the proxies' core has worked since the machine started, for whomever, the host
    /// of a virtual machine included.
    pub(crate) fn worked(&self) -> Duration {
        let stat = fs::read_to_string("/proc/stat").expect("Linux");
        let name = format!("cpu{} ", self.proxy);
        let line = stat.lines().find_map(|line| line.strip_prefix(&name));
        let fields = line.unwrap_or_default().split_whitespace().enumerate();
        // User, nice, system, idle, waiting for a disk, interrupts of two kinds, stolen.
        let at_work = fields.filter(|(field, _)| [0, 1, 2, 5, 6, 7].contains(field));
        duration(at_work.filter_map(|(_, ticks)| ticks.parse::<u64>().ok()).sum())
    }

    pub(crate) fn describe(&self) -> String {
        format!("proxies on core {}, clients and backends on {:?}", self.proxy, self.others)
    }
}

fn pin(cores: &[usize]) {
    let mut set = CpuSet::new();
    for &core in cores {
        set.set(core).expect("a core that it was told of");
    }
    sched_setaffinity(Pid::from_raw(0), &set).expect("cores that it may use");
}

/// As many as this user may have, for what is started too.
pub(crate) fn allow_many_files() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("Linux");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).expect("what it may have");
}

/// What a process has used, with those that it started.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    /// Bytes in memory now; what processes share is counted for each.
    pub(crate) memory: u64,
}

impl Usage {
    /// Of this process and all below it, those that have ended included.
    pub(crate) fn of(pid: u32) -> Self {
        let processes = processes();
        let ticks: u64 = family(&processes, pid).map(|process| process.ticks).sum();
        let memory = family(&processes, pid).map(|process| memory(process.pid)).sum();
        Self { cpu: duration(ticks), memory }
    }
}

/// Of so many ticks, in which the system counts.
fn duration(ticks: u64) -> Duration {
    let ticks_a_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().expect("Linux");
    Duration::from_nanos(ticks * 1_000_000_000 / ticks_a_second.unsigned_abs())
}

impl Sub for Usage {
    type Output = Duration;

    /// CPU time between the two.
    fn sub(self, before: Self) -> Duration {
        self.cpu.saturating_sub(before.cpu)
    }
}

/// A line of the system's table.
struct Process {
    pid: u32,
    parent: u32,
    /// On the CPU, with what its children had that have ended.
    ticks: u64,
}

fn processes() -> HashMap<u32, Process> {
    let entries = fs::read_dir("/proc").expect("Linux").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, process(pid)?))).collect()
}

/// None when it has just ended.
fn process(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // After the name, which may have spaces and brackets of its own.
    let fields: Vec<_> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let ticks = (11..=14).map(number).sum::<Option<u64>>()?;
    Some(Process { pid, parent: u32::try_from(number(1)?).ok()?, ticks })
}

fn family(processes: &HashMap<u32, Process>, root: u32) -> impl Iterator<Item = &Process> {
    processes.values().filter(move |process| {
        let mut at = Some(*process);
        while let Some(process) = at {
            if process.pid == root {
                return true;
            }
            at = processes.get(&process.parent);
        }
        false
    })
}

fn memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() * 1024
}

/// Processor, cores, memory and kernel, for who reads the figures elsewhere.
pub(crate) fn describe() -> String {
    let read = |file| fs::read_to_string(file).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "{}, {cores} cores, Linux {}",
        model.map_or("a processor without a name", |(_, name)| name.trim()),
        kernel.trim(),
    )
}

/// Over one, five and fifteen minutes: what else the machine does.
pub(crate) fn load_average() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
