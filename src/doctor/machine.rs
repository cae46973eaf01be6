//! The limits and counts of the system, from `/proc` and `/sys`.
//!
//! A file that is missing or that this user may not read leaves its fact out: a container, an older kernel
//! or another user shows less.

use std::{
    fs,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    str::FromStr,
};

/// What the system allows, and what of it is in use. `None` wherever the system does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// The open files of the process, or of this command if no process runs.
    pub open_files: Option<OpenFiles>,
    /// The longest queue of connections that wait to be accepted (`net.core.somaxconn`).
    pub backlog: Option<u64>,
    /// Counts of TCP on this machine.
    pub tcp: TcpCounts,
    /// The ports of connections to backends (`net.ipv4.ip_local_port_range`).
    pub local_ports: Option<RangeInclusive<u16>>,
    /// The ports that no connection to a backend gets (`net.ipv4.ip_local_reserved_ports`).
    pub reserved_ports: Vec<RangeInclusive<u16>>,
    /// Whether a port may be used again while the system still waits for late packets
    /// (`net.ipv4.tcp_tw_reuse`): 0 never, 1 always, 2 within this machine.
    pub time_wait_reuse: Option<u64>,
    /// The table of connections of the firewall; `None` if it has none.
    pub connection_tracking: Option<ConnectionTracking>,
    /// The clock that the system reads.
    pub clock_source: Option<String>,
    /// Whether a service that sets the clock has left a sign of itself.
    pub clock_service: bool,
    /// The limits of the process's control group.
    pub memory: MemoryGroup,
    /// The memory of the machine, in bytes.
    pub total_memory: Option<u64>,
    /// The memory that the process has, in bytes; `None` if no process runs.
    pub resident: Option<u64>,
    /// The threads that a process without `threads` would have.
    pub cores: usize,
    /// Whether the program of the process has been replaced on disk.
    pub program_is_replaced: Option<bool>,
}

/// The limit on open files, and their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFiles {
    /// The limit up to which `lb` raises its own; `None` for no limit.
    pub limit: Option<u64>,
    /// The number of open files; `None` if this user may not know it, or no process runs.
    pub open: Option<u64>,
}

/// Counts of TCP on this machine, of all programs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TcpCounts {
    /// Connections that were refused since the machine has started because a queue was full.
    pub overflows: Option<u64>,
    /// Sockets in use.
    pub in_use: Option<u64>,
    /// Closed connections whose ports are not free yet.
    pub time_wait: Option<u64>,
}

/// The table of connections of the firewall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionTracking {
    /// The connections that it knows.
    pub count: u64,
    /// The connections that it can know.
    pub max: u64,
}

/// The limits of a control group, the tightest of those that it is in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryGroup {
    /// The limit in bytes; `None` for none.
    pub limit: Option<u64>,
    /// The bytes in use under that limit.
    pub used: Option<u64>,
    /// How often a process was killed because the limit was reached.
    pub kills: u64,
    /// The share of processors in hundredths of one; `None` for all of them.
    pub cpu_percent: Option<u64>,
    /// The file with the limit.
    pub place: Option<PathBuf>,
}

impl Machine {
    /// Reads the facts below this root, which is `/` except in tests. They are about the process with this
    /// number, and about this one if none runs.
    #[must_use]
    pub fn read(root: &Path, pid: Option<u32>, cores: usize) -> Self {
        let files = Files { root };
        let process = pid.map_or("proc/self".to_owned(), |pid| format!("proc/{pid}"));
        let tracking = |name: &str| files.number(&format!("proc/sys/net/netfilter/{name}"));
        let count = tracking("nf_conntrack_count").zip(tracking("nf_conntrack_max"));
        let ports = |name: &str| files.text(&format!("proc/sys/net/ipv4/{name}"));
        let status = files.text(&format!("{process}/status")).filter(|_| pid.is_some());
        let program = fs::read_link(files.path(&format!("{process}/exe"))).ok();
        let program = program.filter(|_| pid.is_some());
        Self {
            open_files: files.open_files(&process, pid.is_some()),
            backlog: files.number("proc/sys/net/core/somaxconn"),
            tcp: files.tcp(),
            local_ports: ports("ip_local_port_range").and_then(|text| range(&text)),
            reserved_ports: ports("ip_local_reserved_ports")
                .map(|it| ranges(&it))
                .unwrap_or_default(),
            time_wait_reuse: files.number("proc/sys/net/ipv4/tcp_tw_reuse"),
            connection_tracking: count.map(|(count, max)| ConnectionTracking { count, max }),
            clock_source: files.text(CLOCK_SOURCE).map(|text| text.trim().to_owned()),
            clock_service: CLOCK_SERVICES.iter().any(|file| files.path(file).exists()),
            memory: files.memory_group(&process),
            total_memory: files.text("proc/meminfo").and_then(|it| kilobytes(&it, "MemTotal:")),
            resident: status.and_then(|text| kilobytes(&text, "VmRSS:")),
            cores,
            program_is_replaced: program.map(|it| it.to_string_lossy().ends_with(" (deleted)")),
        }
    }
}

const CLOCK_SOURCE: &str = "sys/devices/system/clocksource/clocksource0/current_clocksource";
/// What services that set the clock leave while they run.
const CLOCK_SERVICES: [&str; 5] = [
    "run/systemd/timesync/synchronized",
    "run/chrony/chronyd.pid",
    "run/chronyd.pid",
    "run/ntpd.pid",
    "run/openntpd.pid",
];
/// The value that stands for no limit in the older kind of control groups is near the greatest number.
const NO_LIMIT: u64 = 1 << 60;

struct Files<'a> {
    root: &'a Path,
}

impl Files<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn text(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.trim().parse().ok()
    }

    fn open_files(&self, process: &str, runs: bool) -> Option<OpenFiles> {
        let limits = self.text(&format!("{process}/limits"))?;
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
        let mut words = line.split_whitespace();
        // The process raises its soft limit to the hard one when it starts.
        let limit = if runs { words.next() } else { words.nth(1) }?;
        let open = fs::read_dir(self.path(&format!("{process}/fd"))).ok().filter(|_| runs);
        Some(OpenFiles {
            limit: if limit == "unlimited" { None } else { Some(limit.parse().ok()?) },
            open: open.map(|files| files.count() as u64),
        })
    }

    fn tcp(&self) -> TcpCounts {
        let sockets = self.text("proc/net/sockstat").unwrap_or_default();
        let line = sockets.lines().find_map(|line| line.strip_prefix("TCP:"));
        let words: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
        let count = |name| words.iter().position(|word| *word == name);
        let count = |name| words.get(count(name)? + 1)?.parse().ok();
        let overflows = self.text("proc/net/netstat");
        TcpCounts {
            overflows: overflows.and_then(|text| extended(&text, "ListenOverflows")),
            in_use: count("inuse"),
            time_wait: count("tw"),
        }
    }

    /// The tightest limits of the group of this process and of those around it.
    fn memory_group(&self, process: &str) -> MemoryGroup {
        let groups = self.text(&format!("{process}/cgroup")).unwrap_or_default();
        let mut found = MemoryGroup::default();
        for line in groups.lines() {
            let mut parts = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { continue };
            let older = controllers.split(',').find(|it| matches!(*it, "memory" | "cpu"));
            let base = match older {
                None if controllers.is_empty() => "sys/fs/cgroup".to_owned(),
                Some(controller) => format!("sys/fs/cgroup/{controller}"),
                None => continue,
            };
            // In a container the path may be one that is seen from outside of it only.
            for around in Path::new(group.trim_start_matches('/')).ancestors() {
                let folder = Path::new(&base).join(around);
                self.tighten(&mut found, &folder.to_string_lossy());
            }
        }
        found
    }

    fn tighten(&self, found: &mut MemoryGroup, folder: &str) {
        let folder = folder.trim_end_matches('/');
        for (limit, used) in
            [("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")]
        {
            let Some(bytes) = self.number(&format!("{folder}/{limit}")) else { continue };
            if bytes < NO_LIMIT && found.limit.is_none_or(|known| bytes < known) {
                found.limit = Some(bytes);
                found.used = self.number(&format!("{folder}/{used}"));
                found.place = Some(Path::new("/").join(folder).join(limit));
                let events = self.text(&format!("{folder}/memory.events")).unwrap_or_default();
                found.kills = named(&events, "oom_kill").unwrap_or(0);
            }
        }
        let quota = self.text(&format!("{folder}/cpu.max")).or_else(|| {
            let part = |name: &str| self.text(&format!("{folder}/cpu.{name}"));
            Some(format!("{} {}", part("cfs_quota_us")?.trim(), part("cfs_period_us")?.trim()))
        });
        let numbers = quota.and_then(|text| {
            let (quota, period) = text.trim().split_once(' ')?;
            Some((quota.parse::<u64>().ok()?, period.parse::<u64>().ok()?))
        });
        if let Some((quota, period)) = numbers.filter(|(_, period)| *period > 0) {
            let percent = quota * 100 / period;
            found.cpu_percent = Some(found.cpu_percent.map_or(percent, |it| it.min(percent)));
        }
    }
}

/// The number behind a word at the beginning of a line.
fn named<T: FromStr>(text: &str, name: &str) -> Option<T> {
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// A line of `/proc/meminfo` or of a process's status, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    named::<u64>(text, name)?.checked_mul(1024)
}

/// A count of `TcpExt`, whose names are in one line and whose values are in the next.
fn extended(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let at = names.split_whitespace().position(|it| it == name)?;
    values.split_whitespace().nth(at)?.parse().ok()
}

/// `32768 60999`, or `32768-60999`.
fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let mut ends = text.split(|c: char| c.is_whitespace() || c == '-').filter(|it| !it.is_empty());
    let first = ends.next()?.parse().ok()?;
    let last = ends.next().map_or(Some(first), |last| last.parse().ok())?;
    Some(first..=last)
}

/// `8080,9000-9100`.
fn ranges(text: &str) -> Vec<RangeInclusive<u16>> {
    text.trim().split(',').filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root with these files.
    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn read(files: &[(&str, &str)], pid: Option<u32>) -> Machine {
        Machine::read(root(files).path(), pid, 2)
    }

    #[test]
    fn a_machine_that_says_nothing_has_no_facts() {
        assert_eq!(read(&[], None), Machine { cores: 2, ..Machine::default() });
        let broken: Vec<_> = ["proc/net/netstat", "proc/net/sockstat", "proc/self/limits"]
            .into_iter()
            .chain(["proc/self/cgroup", "proc/sys/net/ipv4/ip_local_port_range"])
            .map(|name| (name, "TcpExt: ListenOverflows\nTCP: tw\nMax open files\n0::\n:\n"))
            .collect();
        let machine = read(&broken, None);
        assert_eq!(machine.tcp, TcpCounts::default());
        assert_eq!((machine.open_files, machine.local_ports), (None, None));
    }

    #[test]
    fn the_limits_of_the_network_are_read() {
        let machine = read(
            &[
                ("proc/sys/net/core/somaxconn", "4096\n"),
                ("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n"),
                ("proc/sys/net/ipv4/ip_local_reserved_ports", "8080,9000-9100\n"),
                ("proc/sys/net/ipv4/tcp_tw_reuse", "2\n"),
                ("proc/sys/net/netfilter/nf_conntrack_count", "7\n"),
                ("proc/sys/net/netfilter/nf_conntrack_max", "65536\n"),
                (
                    "proc/net/sockstat",
                    "sockets: used 9\nTCP: inuse 5 orphan 0 tw 3 alloc 7 mem 1\n",
                ),
                (
                    "proc/net/netstat",
                    "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 1 12 13\n\
                     IpExt: ListenOverflows\nIpExt: 99\n",
                ),
                (CLOCK_SOURCE, "tsc\n"),
                ("run/chrony/chronyd.pid", "1"),
            ],
            None,
        );
        assert_eq!(machine.backlog, Some(4096));
        assert_eq!(machine.local_ports, Some(32768..=60999));
        assert_eq!(machine.reserved_ports, [8080..=8080, 9000..=9100]);
        assert_eq!(machine.time_wait_reuse, Some(2));
        let tracking = ConnectionTracking { count: 7, max: 65536 };
        assert_eq!(machine.connection_tracking, Some(tracking));
        let tcp = TcpCounts { overflows: Some(12), in_use: Some(5), time_wait: Some(3) };
        assert_eq!(machine.tcp, tcp);
        assert_eq!((machine.clock_source.as_deref(), machine.clock_service), (Some("tsc"), true));
    }

    #[test]
    fn open_files_are_those_of_the_process_or_the_limit_of_the_next_one() {
        let limits = "Limit  Soft Limit  Hard Limit  Units\n\
                      Max processes  1  2  processes\nMax open files  1024  524288  files\n";
        let files = [
            ("proc/self/limits", limits),
            ("proc/7/limits", limits),
            ("proc/7/fd/0", ""),
            ("proc/7/fd/1", ""),
            ("proc/8/limits", "Max open files  unlimited  unlimited  files\n"),
        ];
        let of = |pid| read(&files, pid).open_files.unwrap();
        assert_eq!(of(None), OpenFiles { limit: Some(524_288), open: None });
        assert_eq!(of(Some(7)), OpenFiles { limit: Some(1024), open: Some(2) });
        assert_eq!(of(Some(8)), OpenFiles { limit: None, open: None });
    }

    #[test]
    fn the_tightest_limit_of_the_groups_around_counts() {
        let memory = read(
            &[
                ("proc/7/cgroup", "0::/system.slice/lb.service\n"),
                ("sys/fs/cgroup/system.slice/lb.service/memory.max", "max\n"),
                ("sys/fs/cgroup/system.slice/memory.max", "1048576\n"),
                ("sys/fs/cgroup/system.slice/memory.current", "4096\n"),
                ("sys/fs/cgroup/system.slice/memory.events", "low 0\noom 2\noom_kill 1\n"),
                ("sys/fs/cgroup/memory.max", "2097152\n"),
                ("sys/fs/cgroup/system.slice/cpu.max", "150000 100000\n"),
                ("sys/fs/cgroup/cpu.max", "200000 100000\n"),
            ],
            Some(7),
        )
        .memory;
        let place = PathBuf::from("/sys/fs/cgroup/system.slice/memory.max");
        let expected = MemoryGroup {
            limit: Some(1_048_576),
            used: Some(4096),
            kills: 1,
            cpu_percent: Some(150),
            place: Some(place),
        };
        assert_eq!(memory, expected);
        let older = read(
            &[
                ("proc/self/cgroup", "4:memory:/a\n3:cpu,cpuacct:/a\n1:name=systemd:/\n"),
                ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1048576\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "50000\n"),
                ("sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n"),
            ],
            None,
        )
        .memory;
        assert_eq!((older.limit, older.cpu_percent), (Some(1_048_576), Some(50)));
        let none = read(
            &[
                ("proc/self/cgroup", "4:memory:/\n0::/\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ("sys/fs/cgroup/memory.max", "max\n"),
                ("sys/fs/cgroup/cpu.max", "100000 0\n"),
            ],
            None,
        );
        assert_eq!(none.memory, MemoryGroup::default());
    }

    #[test]
    fn each_service_that_sets_the_clock_is_known() {
        for sign in [
            "run/systemd/timesync/synchronized",
            "run/chrony/chronyd.pid",
            "run/chronyd.pid",
            "run/ntpd.pid",
            "run/openntpd.pid",
        ] {
            assert!(read(&[(sign, "")], None).clock_service, "{sign}");
        }
    }

    /// What is known of the command itself is not said of the process.
    #[test]
    fn without_a_process_only_the_machine_has_memory() {
        let root = root(&[
            ("proc/meminfo", "MemTotal:  2048 kB\nMemFree:  1024 kB\n"),
            ("proc/self/status", "VmRSS:\t  512 kB\n"),
            ("proc/self/limits", "Max open files  1024  2048  files\n"),
            ("proc/self/fd/0", ""),
        ]);
        std::os::unix::fs::symlink("/lb (deleted)", root.path().join("proc/self/exe")).unwrap();
        let machine = Machine::read(root.path(), None, 2);
        assert_eq!((machine.total_memory, machine.resident), (Some(2048 * 1024), None));
        assert_eq!(machine.open_files.unwrap().open, None);
        assert_eq!(machine.program_is_replaced, None);
    }

    #[test]
    fn a_program_that_was_replaced_is_marked_by_the_system() {
        for (link, is_replaced) in [("/usr/bin/lb", false), ("/usr/bin/lb (deleted)", true)] {
            let root = root(&[("proc/7/status", "Name:\tlb\nVmRSS:\t   2048 kB\n")]);
            std::os::unix::fs::symlink(link, root.path().join("proc/7/exe")).unwrap();
            let machine = Machine::read(root.path(), Some(7), 2);
            assert_eq!(machine.program_is_replaced, Some(is_replaced));
            assert_eq!(machine.resident, Some(2048 * 1024));
        }
    }
}
