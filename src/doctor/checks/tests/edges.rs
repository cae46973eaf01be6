//! The values between which findings change, and what is said where nothing is wrong.

use super::*;

/// What a check says where nothing is wrong.
#[track_caller]
fn fine_says(facts: &Facts, check: &str) -> String {
    let of_check = |it: &Finding| it.check == check && it.level == Level::Fine;
    examine(facts).into_iter().find(of_check).expect("it is fine").says
}

/// The findings of a machine where nothing else is wrong.
fn after(change: impl FnOnce(&mut Facts)) -> Vec<String> {
    let mut facts = fine();
    change(&mut facts);
    found(&facts)
}

#[test]
fn what_is_fine_is_said_with_its_numbers() {
    let mut facts = fine();
    assert_eq!(fine_says(&facts, "names"), "backends in the file: 1, with addresses: 1");
    let says = "the first one to end is valid for 60 days";
    assert_eq!(fine_says(&facts, "certificates"), says);
    assert_eq!(fine_says(&facts, "open files"), "50 are open, the limit is 100000");
    assert_eq!(fine_says(&facts, "memory"), "no limit but that of the machine, unknown");
    facts.machine.total_memory = Some(16 << 30);
    facts.machine.resident = Some(30 * MIB);
    let says = "no limit but that of the machine, 16 GiB; the process has 30 MiB";
    assert_eq!(fine_says(&facts, "memory"), says);
    facts.machine.memory.limit = Some(64 * MIB);
    let says =
        "the limit is 64 MiB, enough for about 640 requests at a time; the process has 30 MiB";
    assert_eq!(fine_says(&facts, "memory"), says);
    facts.machine.open_files = Some(OpenFiles { limit: None, open: None });
    assert_eq!(fine_says(&facts, "open files"), "there is no limit on open files");
}

#[test]
fn limits_of_the_network_begin_where_they_should() {
    let backlog = |length| after(|facts| facts.machine.backlog = Some(length)).len();
    assert_eq!([backlog(1023), backlog(1024)], [1, 0]);
    let waiting = |count| after(|facts| facts.machine.tcp.time_wait = Some(count)).len();
    assert_eq!([waiting(7057), waiting(7058)], [0, 1], "a quarter of 28232 ports");
    let ports = |last| after(|facts| facts.machine.local_ports = Some(40_000..=last)).len();
    assert_eq!([ports(56_382), ports(56_383)], [1, 0], "16384 ports are enough");
    let looking_up = |millis| {
        after(|facts| facts.configuration.looking_up = Duration::from_millis(millis)).len()
    };
    assert_eq!([looking_up(2000), looking_up(2001)], [0, 1]);
}

#[test]
fn the_listener_and_the_backend_that_ports_trouble_are_named() {
    let says = after(|facts| facts.machine.local_ports = Some(80..=60_999));
    assert!(says[0].starts_with("warning ports: 0.0.0.0:80 is among the ports of outgoing"));
    assert!(says[0].contains(" | listeners | "), "{says:?}");
    let pool = "backends: [{ address: 127.0.0.1:9001, max_connections: 1 }, { address: 127.0.0.1:9002, \
                max_connections: 30000 }]";
    let mut facts = well(pool, "");
    facts.machine.open_files = None;
    let says = &found(&facts)[1];
    assert!(says.contains("max_connections of 127.0.0.1:9002 is 30000"), "{says}");
    assert!(says.contains(" | lb.yaml:6: pools.web.backends[1].address | "), "{says}");
}

#[test]
fn threads_are_those_of_the_file_or_one_for_each_processor() {
    let says = |facts: &Facts| found(facts).join("").chars().take(47).collect::<String>();
    let mut facts = well(ONE_BACKEND, "threads: 6");
    facts.machine.memory.cpu_percent = Some(800);
    assert_eq!(says(&facts), "warning threads: 6 threads share 4 processors, ");
    let mut facts = fine();
    facts.machine.memory.cpu_percent = Some(150);
    assert_eq!(says(&facts), "warning threads: 4 threads share 2 processors, ");
}

#[test]
fn requests_that_wait_in_a_queue_need_memory_too() {
    let pool = |size: u32| {
        let pool = format!(
            "backends: [{{ address: 127.0.0.1:9001, max_connections: 100 }}]\n    queue: {{ size: {size} }}"
        );
        let mut facts = well(&pool, "threads: 1");
        facts.machine.memory.limit = Some(32 * MIB);
        found(&facts)
    };
    assert_eq!(pool(0), Vec::<String>::new());
    assert!(pool(1000)[0].contains("may need 94 MiB"), "{:?}", pool(1000));
}

#[test]
fn every_clock_that_is_read_without_a_call_is_fine() {
    for source in ["tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", "xen"] {
        let says = after(|facts| facts.machine.clock_source = Some(source.to_owned()));
        assert_eq!(says, Vec::<String>::new());
    }
    let wrong = after(|facts| {
        facts.machine.clock_service = false;
        facts.configuration.changed_in_future = Some(Duration::from_secs(90));
    });
    assert!(wrong[0].starts_with("problem clock: "), "{wrong:?}");
}

#[test]
fn two_newer_files_are_both_named() {
    let says = after(|facts| {
        let outdated = ["a.pem", "b.pem"].map(PathBuf::from).to_vec();
        facts.running = Ok((7, RunningFacts { outdated, ..RunningFacts::default() }));
    });
    assert!(says[0].starts_with("warning newer file: a.pem and b.pem have changed"), "{says:?}");
}

#[test]
fn what_another_user_may_not_know_is_skipped_and_no_process_has_the_limits_of_the_next() {
    let says = after(|facts| facts.machine.program_is_replaced = None);
    let skipped = "skipped newer program: only root and the user of the process may know | ";
    assert_eq!(says, [skipped]);
    let says = after(|facts| {
        facts.running = Err("no lb runs".to_owned());
        facts.machine.open_files = Some(OpenFiles { limit: Some(1024), open: None });
    });
    let expected = "warning open files: the limit is 1024, which is about 512 requests at a time | \
                    /proc/self/limits | LimitNOFILE=1048576 in the unit (systemctl edit lb), or ulimit \
                    -Hn 1048576 before the start";
    assert!(says.iter().any(|it| it == expected), "{says:?}");
}
