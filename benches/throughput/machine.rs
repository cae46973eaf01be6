//! The machine, and the resources that processes have used.

use std::{
    collections::HashMap,
    fs,
    ops::{Range, Sub},
    path::Path,
    time::Duration,
};

use nix::{
    sys::resource::{Resource, getrlimit, setrlimit},
    unistd::{SysconfVar, sysconf},
};

/// Raises the limit on open files as far as this user may, for started processes too.
pub(crate) fn allow_many_files() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("Linux");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).expect("the hard limit is allowed");
}

/// The resources that a process and its descendants have used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    /// Bytes in memory now; what processes share is counted for each.
    pub(crate) memory: u64,
}

impl Usage {
    /// The usage of this process and all its descendants, including those that have ended.
    pub(crate) fn of(pid: u32) -> Self {
        let processes = processes();
        let ticks: u64 = family(&processes, pid).map(|process| process.ticks).sum();
        let memory = family(&processes, pid).map(|process| memory(process.pid)).sum();
        Self { cpu: duration(ticks), memory }
    }
}

/// CPU time of each thread of this process and all its descendants.
pub(crate) fn threads(pid: u32) -> HashMap<u32, Duration> {
    let processes = processes();
    let folders = family(&processes, pid).map(|process| format!("/proc/{}/task", process.pid));
    let entries = folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let threads = entries.filter_map(|entry| {
        let thread = entry.file_name().to_str()?.parse().ok()?;
        let fields = stat(&entry.path())?;
        Some((thread, duration(fields.get(OWN_TICKS)?.iter().sum())))
    });
    threads.collect()
}

/// The duration of this number of ticks, the system's unit.
pub(crate) fn duration(ticks: u64) -> Duration {
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
    /// Ticks on the CPU, including children that have ended.
    ticks: u64,
}

fn processes() -> HashMap<u32, Process> {
    let entries = fs::read_dir("/proc").expect("Linux").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, process(pid)?))).collect()
}

/// Reads the line of a process; `None` if it has just ended.
fn process(pid: u32) -> Option<Process> {
    let fields = stat(Path::new(&format!("/proc/{pid}")))?;
    let parent = u32::try_from(*fields.get(PARENT)?).ok()?;
    let ticks = [fields.get(OWN_TICKS)?, fields.get(CHILDREN_S_TICKS)?].concat();
    Some(Process { pid, parent, ticks: ticks.iter().sum() })
}

/// The position of a field in `stat`.
const PARENT: usize = 1;
const OWN_TICKS: Range<usize> = 11..13;
const CHILDREN_S_TICKS: Range<usize> = 13..15;

/// The figures that follow the name, which may have spaces and brackets of its own.
fn stat(folder: &Path) -> Option<Vec<u64>> {
    let text = fs::read_to_string(folder.join("stat")).ok()?;
    let fields = text.rsplit_once(") ")?.1.split(' ');
    // The letter and the negative numbers are not needed.
    Some(fields.map(|field| field.trim().parse().unwrap_or_default()).collect())
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

/// Processor, cores, memory and kernel, for readers of the figures on other machines.
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

/// The load average over one, five and fifteen minutes, which shows other work of the machine.
pub(crate) fn load_average() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
