//! Limits on files, memory and processors against what the configuration may need.

use super::or_fine;
use crate::config::Config;
use crate::doctor::{facts::Facts, finding::Finding, machine::OpenFiles};

const OPEN_FILES: &str = "open files";
const MEMORY: &str = "memory";
const THREADS: &str = "threads";

/// A request has a connection to its client and one to its backend.
const FILES_PER_REQUEST: u64 = 2;
/// Files that are no connections: logs, sockets of listeners, the runtime's own.
const OTHER_FILES: u64 = 100;
/// A limit below this one is the default of an old system, and met by ordinary load.
const FEW_FILES: u64 = 8192;
/// The memory of a request that waits for a slow client, as docs/src/limits.md measures it.
const BYTES_PER_REQUEST: u64 = 64 << 10;
/// The memory of a process without requests.
const BYTES_AT_REST: u64 = 24 << 20;
/// Stacks and buffers of one thread.
const BYTES_PER_THREAD: u64 = 1 << 20;

/// The limit on open files.
pub(super) fn open_files(facts: &Facts) -> Vec<Finding> {
    let Some(OpenFiles { limit, open }) = facts.machine.open_files else {
        return vec![Finding::skipped(OPEN_FILES, "the system does not say its limit")];
    };
    let Some(limit) = limit else {
        return vec![Finding::fine(OPEN_FILES, "there is no limit on open files")];
    };
    let pid = facts.running.as_ref().ok().map(|(pid, _)| *pid);
    let process = pid.map_or("self".to_owned(), |pid| pid.to_string());
    let live = pid.map(|pid| format!(", and prlimit --pid {pid} --nofile=1048576 at once"));
    let mend = format!(
        "LimitNOFILE=1048576 in the unit (systemctl edit lb), or ulimit -Hn 1048576 before the start{}",
        live.unwrap_or_default()
    );
    let place = format!("/proc/{process}/limits");
    let most = facts.configuration.config.as_ref().and_then(most_requests);
    let needed = most.map(|requests| requests * FILES_PER_REQUEST + OTHER_FILES);
    let finding = match (open, needed) {
        (Some(open), _) if open * 100 >= limit * 90 => {
            let says = format!(
                "{open} of {limit} files are open: beyond the limit no connection is accepted, and no \
                 backend is reached"
            );
            Finding::problem(OPEN_FILES, says, mend)
        }
        (_, Some(needed)) if needed > limit => {
            let says = format!(
                "the limit is {limit}, and {} requests at a time, which max_connections allows, need \
                 {needed} files",
                most.unwrap_or_default()
            );
            Finding::warning(OPEN_FILES, says, mend)
        }
        _ if limit < FEW_FILES => {
            let requests = limit / FILES_PER_REQUEST;
            let says =
                format!("the limit is {limit}, which is about {requests} requests at a time");
            Finding::warning(OPEN_FILES, says, mend)
        }
        (open, _) => {
            let open = open.map(|open| format!("{open} are open, "));
            return vec![Finding::fine(
                OPEN_FILES,
                format!("{}the limit is {limit}", open.unwrap_or_default()),
            )];
        }
    };
    vec![finding.at(place)]
}

/// The limit on memory of the control group.
pub(super) fn memory(facts: &Facts) -> Vec<Finding> {
    let group = &facts.machine.memory;
    let resident = facts.machine.resident.map(|it| format!("; the process has {}", bytes(it)));
    let resident = resident.unwrap_or_default();
    let Some(limit) = group.limit else {
        let total = facts.machine.total_memory;
        let total = total.map_or("unknown".to_owned(), bytes);
        let says = format!("no limit but that of the machine, {total}{resident}");
        return vec![Finding::fine(MEMORY, says)];
    };
    let place = group.place.as_ref().map(|it| it.display().to_string()).unwrap_or_default();
    let shown = bytes(limit);
    let mend = "raise it: MemoryMax= of the unit (systemctl edit lb), or the container's limit; or lower \
                max_connections and request_buffer";
    let mut found = Vec::new();
    if group.kills > 0 {
        let says = format!("the limit of {shown} has ended {} processes", group.kills);
        found.push(Finding::problem(MEMORY, says, mend).at(place.clone()));
    }
    if let Some(used) = group.used.filter(|used| used.saturating_mul(100) / limit.max(1) >= 90) {
        let says = format!("{} of {shown} are in use{resident}", bytes(used));
        found.push(Finding::problem(MEMORY, says, mend).at(place.clone()));
    }
    let needed =
        facts.configuration.config.as_ref().and_then(|it| most_memory(it, facts.machine.cores));
    if let Some(needed) = needed.filter(|needed| *needed > limit) {
        let says = format!(
            "the limit is {shown}, and the requests that max_connections allows may need {} (64 KiB each, \
             with request_buffer)",
            bytes(needed)
        );
        found.push(Finding::warning(MEMORY, says, mend).at(place));
    }
    let fit = limit.saturating_sub(BYTES_AT_REST) / BYTES_PER_REQUEST;
    or_fine(found, || {
        let says =
            format!("the limit is {shown}, enough for about {fit} requests at a time{resident}");
        Finding::fine(MEMORY, says)
    })
}

/// Threads against processors.
pub(super) fn threads(facts: &Facts) -> Vec<Finding> {
    let cores = facts.machine.cores;
    let threads = facts.configuration.config.as_ref().and_then(|config| config.threads);
    let threads = threads.map_or(cores, usize::from);
    let share = facts.machine.memory.cpu_percent.map(|it| it.div_ceil(100).max(1));
    let available = share.map_or(cores, |share| cores.min(usize::try_from(share).unwrap_or(cores)));
    if threads <= available {
        return vec![Finding::fine(THREADS, format!("{threads} for {available} processors"))];
    }
    let says = format!(
        "{threads} threads share {available} processors, so that requests wait for each other's turn"
    );
    let mend = "leave threads out: there is one for each processor then; it needs lb upgrade";
    vec![Finding::warning(THREADS, says, mend).at("threads")]
}

/// The most requests at a time, if every backend has a limit. A backup has its own.
fn most_requests(config: &Config) -> Option<u64> {
    let backends = config.pools.iter().flat_map(|pool| &pool.backends);
    backends.map(|it| it.max_connections.map(|limit| u64::from(limit.get()))).sum()
}

/// The memory of that many requests.
fn most_memory(config: &Config, cores: usize) -> Option<u64> {
    let threads = config.threads.map_or(cores, usize::from) as u64;
    let of_pools: Option<u64> = config
        .pools
        .iter()
        .map(|pool| {
            let buffer = pool.request_buffer.map_or(0, |size| size.get() as u64);
            let limits = pool.backends.iter().map(|it| it.max_connections);
            let requests: Option<u64> = limits.map(|it| it.map(|it| u64::from(it.get()))).sum();
            let queued = pool.queue.size as u64;
            Some((requests? + queued).saturating_mul(BYTES_PER_REQUEST + buffer))
        })
        .sum();
    Some(of_pools? + BYTES_AT_REST + threads * BYTES_PER_THREAD)
}

/// A number of bytes, as it is written in a unit or a container's limit.
fn bytes(number: u64) -> String {
    let (unit, size) = if number >= 10 << 30 { ("GiB", 1 << 30) } else { ("MiB", 1 << 20) };
    format!("{} {unit}", number.div_ceil(size))
}
