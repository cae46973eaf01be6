//! Weekly work of operators, done twenty times under load: no client notices.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    process::Command,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    failures::{Turn, assert_executed_once},
    support::{
        PATIENCE,
        backend::{ScriptedBackend, claim},
        client::{Connection, ask, get},
        eventually::eventually,
        footprint::Footprint,
        load::{Load, good_answer},
        process::LbProcess,
        reply::Reply,
    },
};

const REQUESTS: usize = 100_000;
/// The number of rounds; each has four reloads, one of them of an invalid file, and an upgrade.
const WEEKS: usize = 5;
const BACKENDS: usize = 6;
/// The number of backends that serve at a time.
const SERVING: usize = 3;
const SLOW: Duration = Duration::from_secs(5);
const STREAM: usize = 5_000;

/// The balancer over all its processes. The last one is killed when dropped.
struct Site {
    lb: LbProcess,
    address: SocketAddr,
    backends: Vec<ScriptedBackend>,
    /// The first backend that serves.
    first: usize,
    /// More listeners.
    others: Vec<SocketAddr>,
}

impl Site {
    fn new() -> Self {
        let backends: Vec<_> = (0..BACKENDS).map(|_| ScriptedBackend::named("x")).collect();
        for backend in &backends {
            backend.reply_with(good_answer);
            backend.reply_to("/health", Reply::ok("well"));
            backend.reply_to("/slow", Reply::ok("slow, and whole").delayed(SLOW));
            let piece = STREAM / 50;
            let stream = Reply::ok("x".repeat(STREAM)).chunked().slowly(piece, SLOW / 50);
            backend.reply_to("/stream", stream);
        }
        let mut site = Self {
            lb: LbProcess::with_config(&yaml(&backends[..SERVING], &[]), &[]),
            address: ([127, 0, 0, 1], 0).into(),
            backends,
            first: 0,
            others: vec![],
        };
        site.address = site.lb.address();
        site
    }

    fn write(&self) {
        let serving = (0..SERVING).map(|nth| &self.backends[(self.first + nth) % BACKENDS]);
        self.write_text(&yaml(serving, &self.others));
    }

    fn write_text(&self, text: &str) {
        fs::write(self.lb.folder().join("lb.yaml"), text).expect("the folder takes a file");
    }

    /// Runs a command; returns whether it succeeded, and its output.
    fn command(&self, word: &str) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
        command.args([word, "-c", "lb.yaml"]).current_dir(self.lb.folder());
        let output = command.output().expect("it runs");
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    fn pid(&self) -> Pid {
        let text = fs::read_to_string(self.lb.folder().join("lb.pid")).expect("a pid file");
        Pid::from_raw(text.trim().parse().expect("a number"))
    }

    #[track_caller]
    fn reload(&mut self) {
        self.first += 1;
        self.write();
        let (is_done, text) = self.command("reload");
        assert!(is_done && text.contains("pool web: +1 backend, -1 ("), "{text}");
    }

    #[track_caller]
    fn reload_nonsense(&self) {
        self.write_text("pools: nonsense");
        let (is_done, text) = self.command("reload");
        assert!(!is_done && text.contains("not reloaded, still serving as before"), "{text}");
        self.write();
    }

    #[track_caller]
    fn upgrade(&self) {
        let before = self.pid();
        let (is_done, text) = self.command("upgrade");
        let pid = self.pid();
        assert!(is_done && text.contains(&format!("handed over to process {pid}")), "{text}");
        assert_ne!(before, pid);
    }

    /// Upgrades to a listener whose port is taken.
    #[track_caller]
    fn upgrade_in_vain(&mut self) {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = taken.local_addr().expect("a bound socket has one");
        self.others.push(address);
        self.write();
        let before = self.pid();
        let (is_done, text) = self.command("upgrade");
        assert!(!is_done && text.contains(&format!("cannot listen on {address}")), "{text}");
        assert_eq!(before, self.pid());
        self.others.pop();
        self.write();
    }

    #[track_caller]
    fn upgrade_with_another_listener(&mut self) {
        let (address, claimed) = claim().expect("a free port");
        drop(claimed);
        self.others.push(address);
        self.write();
        self.upgrade();
        assert_eq!(get(address, "/item/0").text(), "the answer to /item/0");
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // The process has ended already, unless the test failed.
        if let Ok(text) = fs::read_to_string(self.lb.folder().join("lb.pid"))
            && let Ok(pid) = text.trim().parse()
        {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

fn yaml<'a>(
    backends: impl IntoIterator<Item = &'a ScriptedBackend>,
    others: &[SocketAddr],
) -> String {
    let listeners = others.iter().map(|it| format!(", {{ address: {it} }}")).collect::<String>();
    let backends: Vec<_> = backends
        .into_iter()
        .map(|backend| format!("{{ address: {} }}", backend.address()))
        .collect();
    format!(
        "listeners: [ {{ address: 127.0.0.1:0 }}{listeners} ]\nroutes: [ {{ pool: web }} ]\n\
         pid_file: lb.pid\naccess_log: off\npools:\n  web:\n    backends: [ {} ]\n    \
         health_check: {{ path: /health, interval: 200ms, timeout: 190ms, fall: 100 }}\n",
        backends.join(", ")
    )
}

/// Long answers that began before a change.
struct Long {
    slow: Connection,
    stream: Connection,
}

impl Long {
    fn begin(address: SocketAddr) -> Self {
        Self { slow: ask(address, "/slow"), stream: ask(address, "/stream") }
    }

    #[track_caller]
    fn assert_whole(mut self) {
        let slow = self.slow.read_response("GET").expect("an answer");
        assert_eq!(slow.text(), "slow, and whole");
        let stream = self.stream.read_response("GET").expect("an answer");
        assert_eq!(stream.text().len(), STREAM);
    }
}

#[test]
fn reloads_upgrades_and_changing_backends_cost_no_request() {
    let _turn = Turn::wait();
    let mut site = Site::new();
    let load = Load::of_all_habits(site.address);
    let mut long = vec![];
    let steps = WEEKS * 5;
    for step in 0..steps {
        load.reach(REQUESTS * step / steps);
        long.push(Long::begin(site.address));
        match (step % 5, step / 5) {
            (2, _) => site.reload_nonsense(),
            (4, 1) => site.upgrade_with_another_listener(),
            (4, 3) => site.upgrade_in_vain(),
            (4, _) => site.upgrade(),
            _ => site.reload(),
        }
    }
    load.reach(REQUESTS);
    let report = load.finish();
    println!("{report}");
    assert!(report.failures.is_empty(), "{report}\n{:?}", report.failures);
    assert_eq!(report.statuses.keys().collect::<Vec<_>>(), [&200], "{report}");
    assert_executed_once(&site.backends, &report);
    long.into_iter().for_each(Long::assert_whole);

    kill(site.pid(), Signal::SIGTERM).expect("it runs");
    eventually(PATIENCE, "the port is closed", || Connection::open(site.address).is_err());
    assert_eq!(site.lb.wait_for_exit(PATIENCE).code(), Some(0));
    assert!(!site.lb.stderr().iter().any(|line| line.contains("cut_off")));
    assert!(!site.lb.folder().join("lb.pid").exists());
}

#[test]
fn a_hundred_reloads_leave_nothing_behind() {
    const RELOADS: usize = 50;
    /// The number of rounds. The allocator takes memory by the megabyte now and then, but a leak
    /// grows in every round.
    const ROUNDS: usize = 4;
    let mut site = Site::new();
    let round = |site: &mut Site| -> Vec<Footprint> {
        let reload = |_| {
            site.reload();
            (0..20).for_each(|nth| drop(get(site.address, &format!("/item/{nth}"))));
            Footprint::of(site.pid())
        };
        (0..RELOADS).map(reload).collect()
    };
    round(&mut site);
    let median = |part: &[Footprint]| {
        let mut memory: Vec<u64> = part.iter().map(|footprint| footprint.memory).collect();
        memory.sort_unstable();
        memory[memory.len() / 2]
    };
    // A connection that is being made is not in the system's tables yet.
    let fewest = |part: &[Footprint]| part.iter().map(|footprint| footprint.files).min();
    let mut seen = vec![];
    for _ in 0..ROUNDS {
        let footprints = round(&mut site);
        let (before, after) = footprints.split_at(RELOADS / 2);
        assert_eq!(fewest(before), fewest(after));
        let (before, after) = (median(before), median(after));
        seen.push(format!("{before} kB, then {after} kB"));
        // A configuration of this size takes about ten kilobytes, so 25 leaked ones would show.
        if after <= before + 200 {
            return;
        }
    }
    panic!("{seen:?}");
}
