//! Each check on machines of every kind.

mod edges;

use std::{path::PathBuf, time::Duration};

use super::*;
use crate::config::{Flags, Origin, Problem, parse};
use crate::doctor::{
    BackendFacts, ConfigurationFacts, ConnectionTracking, EarlyCloses, Level, Machine, MemoryGroup,
    OpenFiles, PathFacts, RunningFacts, TcpCounts,
};

const MIB: u64 = 1 << 20;

/// A process on a machine where nothing is wrong, with these lines of YAML in its pool and below it.
fn well(pool: &str, rest: &str) -> Facts {
    let text = format!(
        "listeners: [{{ address: 0.0.0.0:80 }}]\nroutes: [{{ pool: web }}]\npools:\n  web:\n    \
         health_check: off\n    {pool}\n{rest}\n"
    );
    let config = parse("lb.yaml", &text, &Flags::default()).unwrap().config;
    let backend = BackendFacts {
        pool: "web".to_owned(),
        name: "app:9001".to_owned(),
        address: "127.0.0.1:9001".parse().unwrap(),
    };
    Facts {
        file: PathBuf::from("lb.yaml"),
        machine: Machine {
            open_files: Some(OpenFiles { limit: Some(100_000), open: Some(50) }),
            backlog: Some(4096),
            tcp: TcpCounts { overflows: Some(0), in_use: Some(5), time_wait: Some(9) },
            local_ports: Some(32768..=60999),
            time_wait_reuse: Some(2),
            clock_source: Some("tsc".to_owned()),
            clock_service: true,
            cores: 4,
            program_is_replaced: Some(false),
            ..Machine::default()
        },
        running: Ok((7, RunningFacts::default())),
        configuration: ConfigurationFacts {
            config: Some(config),
            days_left: Some(60),
            backends: vec![backend],
            paths: Ok(Vec::new()),
            ..ConfigurationFacts::unknown()
        },
    }
}

const ONE_BACKEND: &str = "backends: [{ address: 127.0.0.1:9001 }]";

fn fine() -> Facts {
    well(ONE_BACKEND, "")
}

/// What is not fine, as `level check: says`, with its place and what mends it below.
fn found(facts: &Facts) -> Vec<String> {
    let findings = examine(facts).into_iter().filter(|it| it.level != Level::Fine);
    let text = |it: Finding| {
        let rest: Vec<_> = it.place.into_iter().chain(it.mend).collect();
        format!("{} {}: {} | {}", it.level.word(), it.check, it.says, rest.join(" | "))
    };
    findings.map(text).collect()
}

/// Checks that this change of a machine where nothing is wrong is found, and nothing else.
#[track_caller]
fn finds(expected: &str, change: impl FnOnce(&mut Facts)) {
    let mut facts = fine();
    change(&mut facts);
    assert_eq!(found(&facts), [expected]);
}

#[test]
fn a_machine_where_nothing_is_wrong_has_a_line_for_each_check() {
    assert_eq!(found(&fine()), Vec::<String>::new());
    let findings = examine(&fine());
    let mut checks: Vec<_> = findings.iter().map(|finding| finding.check).collect();
    assert_eq!(checks.len(), 16);
    checks.dedup();
    assert_eq!(checks.len(), 16);
}

#[test]
fn a_machine_that_says_nothing_and_runs_no_process_makes_no_check_fail() {
    let mut facts = fine();
    facts.machine = Machine { cores: 1, ..Machine::default() };
    facts.running = Err("no lb runs from lb.yaml".to_owned());
    facts.configuration.paths = Err("lb runs as lb: try again with sudo".to_owned());
    for finding in examine(&facts) {
        assert!(finding.level <= Level::Skipped, "{finding:?}");
    }
    let skipped = found(&facts);
    assert!(skipped.contains(&"skipped keep-alive: no lb runs from lb.yaml | ".to_owned()));
    assert!(
        skipped.contains(&"skipped permissions: lb runs as lb: try again with sudo | ".to_owned())
    );
}

#[test]
fn few_open_files_are_found_before_and_when_they_run_out() {
    let limit = |limit, open| {
        move |facts: &mut Facts| {
            facts.machine.open_files = Some(OpenFiles { limit: Some(limit), open: Some(open) });
        }
    };
    let mend = "/proc/7/limits | LimitNOFILE=1048576 in the unit (systemctl edit lb), or ulimit -Hn \
                1048576 before the start, and prlimit --pid 7 --nofile=1048576 at once";
    let few = "warning open files: the limit is 1024, which is about 512 requests at a time";
    finds(&format!("{few} | {mend}"), limit(1024, 50));
    let full = "problem open files: 90 of 100 files are open: beyond the limit no connection is accepted, \
                and no backend is reached";
    finds(&format!("{full} | {mend}"), limit(100, 90));
    let mut facts = well("backends: [{ address: 127.0.0.1:9001, max_connections: 10000 }]", "");
    facts.machine.open_files = Some(OpenFiles { limit: Some(20_000), open: None });
    let says = "warning open files: the limit is 20000, and 10000 requests at a time, which \
                max_connections allows, need 20100 files";
    assert_eq!(found(&facts), [format!("{says} | {mend}")]);
    facts.machine.open_files = Some(OpenFiles { limit: Some(20_100), open: None });
    assert_eq!(found(&facts), Vec::<String>::new());
}

#[test]
fn the_limit_on_memory_is_compared_with_what_is_used_and_with_what_may_be() {
    let group = MemoryGroup {
        limit: Some(64 * MIB),
        used: Some(10 * MIB),
        place: Some("/sys/fs/cgroup/memory.max".into()),
        ..MemoryGroup::default()
    };
    let mut facts = fine();
    facts.machine.memory = group.clone();
    assert_eq!(found(&facts), Vec::<String>::new());
    let mend = "/sys/fs/cgroup/memory.max | raise it: MemoryMax= of the unit (systemctl edit lb), or the \
                container's limit; or lower max_connections and request_buffer";
    let (used, killed) = (group.clone(), group.clone());
    finds(&format!("problem memory: 58 MiB of 64 MiB are in use | {mend}"), |facts| {
        facts.machine.memory = MemoryGroup { used: Some(58 * MIB), ..used };
    });
    finds(
        &format!("problem memory: the limit of 64 MiB has ended 2 processes | {mend}"),
        |facts| {
            facts.machine.memory = MemoryGroup { kills: 2, ..killed };
        },
    );
    let pool = "backends: [{ address: 127.0.0.1:9001, max_connections: 100 }]\n    \
                request_buffer: 1MiB\n    queue: { size: 0 }";
    let mut facts = well(pool, "threads: 2");
    facts.machine.memory = group;
    let says = "warning memory: the limit is 64 MiB, and the requests that max_connections allows may \
                need 133 MiB (64 KiB each, with request_buffer)";
    assert_eq!(found(&facts), [format!("{says} | {mend}")]);
}

#[test]
fn more_threads_than_processors_are_found() {
    let mut facts = well(ONE_BACKEND, "threads: 4");
    facts.machine.memory.cpu_percent = Some(400);
    assert_eq!(found(&facts), Vec::<String>::new());
    facts.machine.memory.cpu_percent = Some(150);
    let says = "warning threads: 4 threads share 2 processors, so that requests wait for each other's \
                turn | threads | leave threads out: there is one for each processor then; it needs lb \
                upgrade";
    assert_eq!(found(&facts), [says]);
}

#[test]
fn a_short_or_full_queue_of_new_connections_is_found() {
    finds(
        "warning backlog: net.core.somaxconn is 128: more new connections at a time than that are \
         refused or delayed | /proc/sys/net/core/somaxconn | sysctl -w net.core.somaxconn=4096, and start \
         lb again: a listener keeps the length that it was opened with",
        |facts| facts.machine.backlog = Some(128),
    );
    finds(
        "warning backlog: 3 connections found a full queue since the machine has started, of lb or of \
         another program | /proc/net/netstat | nstat -az TcpExtListenOverflows shows whether they become \
         more: then more threads, or a larger net.core.somaxconn",
        |facts| facts.machine.tcp.overflows = Some(3),
    );
}

#[test]
fn few_ports_and_ports_that_others_may_have_are_found() {
    finds(
        "warning ports: net.ipv4.ip_local_port_range is 50000 to 60000: at most 10001 connections to each \
         backend | /proc/sys/net/ipv4/ip_local_port_range | sysctl -w \
         net.ipv4.ip_local_port_range='10240 65535'",
        |facts| facts.machine.local_ports = Some(50000..=60000),
    );
    let pool = "backends: [{ address: 127.0.0.1:9001, max_connections: 30000 }]";
    let mut facts = well(pool, "");
    facts.machine.open_files = None;
    assert!(
        found(&facts)[1].contains("is 30000, and there are 28232 ports"),
        "{:?}",
        found(&facts)
    );
    let mut facts = well(ONE_BACKEND, "admin: { address: 127.0.0.1:40000 }");
    let says = "warning ports: 127.0.0.1:40000 is among the ports of outgoing connections (32768 to \
                60999): one of those may have the port when lb starts | admin | sysctl -w \
                net.ipv4.ip_local_reserved_ports=40000 (it is a list)";
    assert_eq!(found(&facts), [says]);
    facts.machine.reserved_ports = vec![39999..=40001];
    assert_eq!(found(&facts), Vec::<String>::new());
}

#[test]
fn ports_that_wait_are_found_if_they_may_not_be_used_again() {
    let waiting = |reuse| {
        move |facts: &mut Facts| {
            facts.machine.tcp.time_wait = Some(10_000);
            facts.machine.time_wait_reuse = Some(reuse);
        }
    };
    for reuse in [0, 2] {
        let says = format!(
            "warning tcp_tw_reuse: 10000 closed connections hold their ports, 28232 ports are there for \
             each backend, and net.ipv4.tcp_tw_reuse is {reuse} | /proc/sys/net/ipv4/tcp_tw_reuse | sysctl \
             -w net.ipv4.tcp_tw_reuse=1; and see that backends keep connections alive"
        );
        finds(&says, waiting(reuse));
    }
    let mut facts = fine();
    waiting(1)(&mut facts);
    assert_eq!(found(&facts), Vec::<String>::new());
}

#[test]
fn a_table_of_connections_that_fills_is_found() {
    let rest = "connections: packets of new ones are dropped when it is full | \
                /proc/sys/net/netfilter/nf_conntrack_max | sysctl -w net.netfilter.nf_conntrack_max=2000";
    for (count, level) in [(700, "warning"), (899, "warning"), (900, "problem")] {
        let says = format!("{level} conntrack: the firewall's table has {count} of 1000 {rest}");
        finds(&says, |facts| {
            facts.machine.connection_tracking = Some(ConnectionTracking { count, max: 1000 });
        });
    }
    let mut facts = fine();
    facts.machine.connection_tracking = Some(ConnectionTracking { count: 699, max: 1000 });
    assert_eq!(found(&facts), Vec::<String>::new());
}

#[test]
fn a_clock_that_is_wrong_slow_or_left_alone_is_found() {
    finds(
        "problem clock: lb.yaml was changed 90s in the future, so the clock is behind | lb.yaml | \
         timedatectl set-ntp true",
        |facts| facts.configuration.changed_in_future = Some(Duration::from_secs(90)),
    );
    finds(
        "warning clock: the clock is hpet, and each of several looks per request is a system call | \
         /sys/devices/system/clocksource/clocksource0/current_clocksource | choose tsc at boot, if the \
         machine has it (clocksource=tsc)",
        |facts| facts.machine.clock_source = Some("hpet".to_owned()),
    );
    finds(
        "skipped clock: no service that sets the clock has left a sign here (a container has the clock of \
         its host: ask there, with timedatectl) | ",
        |facts| facts.machine.clock_service = false,
    );
}

#[test]
fn a_process_that_runs_something_else_than_what_is_on_disk_is_found() {
    let says = |running: RunningFacts| move |facts: &mut Facts| facts.running = Ok((7, running));
    let outdated = |names: &[&str]| RunningFacts {
        outdated: names.iter().map(PathBuf::from).collect(),
        ..RunningFacts::default()
    };
    let rest = "changed since it was loaded";
    let expected =
        format!("warning newer file: lb.yaml has {rest} | lb.yaml | lb reload -c lb.yaml");
    finds(&expected, says(outdated(&["lb.yaml"])));
    let expected = format!(
        "warning newer file: a.pem and 2 others have {rest} | a.pem | lb reload -c lb.yaml"
    );
    finds(&expected, says(outdated(&["a.pem", "b.pem", "c.pem"])));
    finds(
        "problem newer file: the last reload failed, and the configuration before it is in force | lb -t \
         -c lb.yaml shows why; then lb reload -c lb.yaml",
        says(RunningFacts { last_reload_failed: true, ..outdated(&["lb.yaml"]) }),
    );
    finds(
        "warning newer program: process 7 runs a program that was replaced or removed since | \
         /proc/7/exe | lb upgrade -c lb.yaml",
        |facts| facts.machine.program_is_replaced = Some(true),
    );
}

#[test]
fn a_backend_that_keeps_connections_for_a_shorter_time_is_found_by_the_pattern() {
    let says = |latest_ms: &[u64]| {
        let mut facts = fine();
        let early = EarlyCloses {
            address: "127.0.0.1:9001".parse().unwrap(),
            count: 40,
            kept_ms: 60_000,
            latest_ms: latest_ms.to_vec(),
        };
        facts.running = Ok((7, RunningFacts { early_closes: vec![early], ..Default::default() }));
        found(&facts)
    };
    let expected = "warning keep-alive: backend app:9001 closes idle connections after about 5s, and lb \
                    keeps them for 60s: 40 were closed so; a request that is sent just then fails, or \
                    costs another try | pools.web.timeouts.keepalive | let the backend keep them for \
                    longer than 60s, or write timeouts: { keepalive: 4s } in pool web; then lb reload -c \
                    lb.yaml";
    assert_eq!(says(&[5000, 5900, 5100]), [expected]);
    assert_eq!(says(&[5000, 300, 5900, 5100, 5500]), [expected.to_owned()]);
    // One second less than two is none that could be written.
    assert!(says(&[2000, 2000, 2000])[0].contains("after about 2s"));
    assert!(says(&[1999, 1999, 1999])[0].contains("at once or within a second"));
    // Too few, or of no common age, as when a backend was restarted.
    for ages in [
        &[][..],
        &[5000, 5000],
        &[100, 9000, 20_000, 45_000, 2000],
        &[1, 1, 9000, 9000],
        &[100, 5000, 5000, 5000, 9000, 20_000, 45_000],
    ] {
        assert_eq!(says(ages), Vec::<String>::new(), "{ages:?}");
    }
}

#[test]
fn what_a_load_finds_has_its_place_and_its_level() {
    let origin = |line, key: &str| Origin { key: key.into(), ..Origin::file("lb.yaml", line) };
    let mend = "mend it there, and see that it is: lb -t -c lb.yaml";
    let problem = || vec![Problem::new(origin(3, "pools.web"), "is wrong")];
    type Place = fn(&mut ConfigurationFacts) -> &mut Vec<Problem>;
    let places: [(Place, &str, &str); 5] = [
        (|it| &mut it.problems, "problem", "configuration"),
        (|it| &mut it.warnings, "warning", "configuration"),
        (|it| &mut it.names, "problem", "names"),
        (|it| &mut it.certificates, "problem", "certificates"),
        (|it| &mut it.certificate_warnings, "warning", "certificates"),
    ];
    for (place, level, check) in places {
        let expected = format!("{level} {check}: pools.web: is wrong | lb.yaml:3 | {mend}");
        finds(&expected, |facts| *place(&mut facts.configuration) = problem());
    }
    finds(
        "warning names: looking up the names of backends took 2.5s, and a start or a reload waits for \
         that | /etc/resolv.conf | see the name servers in it",
        |facts| facts.configuration.looking_up = Duration::from_millis(2500),
    );
    let mut facts = fine();
    facts.configuration.config = None;
    facts.configuration.problems = problem();
    let skipped: Vec<_> =
        found(&facts).into_iter().filter(|it| it.starts_with("skipped")).collect();
    assert_eq!(skipped.len(), 2, "{skipped:?}");
}

#[test]
fn a_path_that_the_user_of_the_process_cannot_use_is_found() {
    let path = |error: Option<&str>| PathFacts {
        key: "error_log",
        path: "/var/log/lb/lb.log".into(),
        error: error.map(ToOwned::to_owned),
    };
    finds(
        "problem permissions: error_log: the user that lb runs as cannot use /var/log/lb/lb.log: \
         permission denied | /var/log/lb/lb.log | ls -ld /var/log/lb/lb.log shows its owner: chown it, or \
         run lb as that user",
        |facts| facts.configuration.paths = Ok(vec![path(None), path(Some("permission denied"))]),
    );
    let mut facts = well(ONE_BACKEND, "user: www");
    facts.configuration.paths = Ok(vec![path(Some("permission denied"))]);
    assert!(found(&facts)[0].ends_with("| chown www /var/log/lb/lb.log"), "{:?}", found(&facts));
}
