//! Backends fail under load in many ways, and clients do not notice.
//!
//! Each scenario runs the built binary over three backends with 32 clients, through at least
//! [`REQUESTS`] requests, a fifth of them orders: POSTs that must not be executed twice. A backend
//! has executed an order when it has received it whole, regardless of its answer.

/// Backends that accept connections and do not serve: connections that break, answers of 503.
mod broken;
/// Retries do not multiply an outage.
mod budget;
/// Backends that are gone, and come back.
mod gone;
/// A client that leaves takes nothing with it.
mod leaving;
/// The clients notice the faults that they look for.
mod noticing;
/// Backends that are late.
mod slow;

use std::{collections::BTreeMap, fs, net::SocketAddr, time::Duration};

use nix::sys::signal::Signal;
use parking_lot::{Condvar, Mutex};
use serde_json::Value;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    load::{Failure, Kind, Load, Report, good_answer, number_in},
    process::LbProcess,
    process_backend::ProcessBackend,
    reply::Reply,
    request::Request,
};

/// The least number of requests in each scenario.
const REQUESTS: usize = 5_000;
/// A number of requests in which every client meets the state.
const SOME: usize = REQUESTS / 5;
/// Short times, so that a test sees a backend come back. `fall` is high, because on a busy machine
/// a check may be late, and in a scenario about traffic the traffic must decide.
const QUICK: &str = "    health_check: { path: /health, interval: 100ms, timeout: 90ms, \
                     rise: 2, fall: 100 }\n    slow_start: off\n";
/// Short ejections, for scenarios without settings of their own.
const BRIEF: &str = "    ejection: { failures: 5, base: 500ms, max: 1s }\n";
/// How long a good answer takes, so that something is always in flight on each backend.
const TAKES: Duration = Duration::from_millis(2);
/// The last of the three, to which things happen.
const C: usize = 2;

/// Three backends, the balancer over them, and its clients.
struct Scene {
    load: Load,
    lb: LbProcess,
    /// The scripted backends, which know what was executed, also for the process in front of the
    /// last one.
    backends: Vec<ScriptedBackend>,
    /// The address of the last one, as the balancer knows it.
    address_of_c: SocketAddr,
    _turn: Turn,
}

impl Scene {
    /// A scene with these lines of YAML below the pool, each indented by four.
    fn new(settings: &str) -> Self {
        Self::replying(settings, answer)
    }

    /// A scene whose backends reply like this from the beginning.
    fn replying(settings: &str, choose: fn(&Request) -> Reply) -> Self {
        let turn = Turn::wait();
        let backends = backends(choose);
        let address_of_c = backends[C].address();
        Self::over(backends, address_of_c, settings, turn)
    }

    /// A scene in which the last of the backends is a process.
    fn with_process(settings: &str) -> (Self, ProcessBackend) {
        let turn = Turn::wait();
        let backends = backends(answer);
        let process = ProcessBackend::before(&backends[C]);
        (Self::over(backends, process.address(), settings, turn), process)
    }

    fn over(
        backends: Vec<ScriptedBackend>,
        address_of_c: SocketAddr,
        settings: &str,
        turn: Turn,
    ) -> Self {
        let [a, b] = [0, 1].map(|index: usize| backends[index].address());
        let ejection = if settings.contains("ejection:") { "" } else { BRIEF };
        let yaml = format!(
            "listeners: [ {{ address: 127.0.0.1:0 }} ]\nroutes: [ {{ pool: web }} ]\npools:\n  \
             web:\n    backends: [ {} ]\n{QUICK}{ejection}{settings}\n\
             access_log: {{ path: access.log }}\n",
            [a, b, address_of_c].map(|it| format!("{{ address: \"{it}\" }}")).join(", ")
        );
        let mut lb = LbProcess::with_config(&yaml, &[]);
        let load = Load::start(lb.address());
        let scene = Self { load, lb, backends, address_of_c, _turn: turn };
        scene.load.reach(SOME);
        scene
    }

    /// The backend to which things happen.
    fn c(&self) -> &ScriptedBackend {
        &self.backends[C]
    }

    /// Returns when a backend has got new requests since this call.
    #[track_caller]
    fn wait_until_used(&self, backend: &ScriptedBackend) {
        let before = backend.count(is_a_clients);
        self.load.until("it is used again", || backend.count(is_a_clients) > before + 10);
    }

    /// Returns when the balancer's log has this message about the last backend.
    #[track_caller]
    fn wait_for_log(&self, message: &str) {
        self.wait_for_logs(message, 1);
    }

    /// Returns when it has this message `count` times.
    #[track_caller]
    fn wait_for_logs(&self, message: &str, count: usize) {
        let lines = || log_lines(&self.lb, message, self.address_of_c).len();
        self.load.until(message, || lines() >= count);
    }

    /// Ends a scenario with the checks that hold for all: enough requests, no request executed
    /// twice, no answer that only looks good, and a balancer that stops in good order.
    #[track_caller]
    fn end(mut self) -> Ended {
        self.load.reach(REQUESTS);
        let report = self.load.finish();
        #[expect(clippy::print_stdout, reason = "how long requests took is told, not judged")]
        {
            println!("{report}");
        }
        assert_executed_once(&self.backends, &report);
        let wrong = report.failures.iter().find(|failed| failed.failure == Failure::Wrong);
        assert_eq!(wrong, None, "{report}");
        self.lb.signal(Signal::SIGTERM);
        assert_eq!(self.lb.wait_for_exit(PATIENCE).code(), Some(0));
        Ended { report, lb: self.lb, backends: self.backends, address_of_c: self.address_of_c }
    }
}

/// A scenario that is over.
struct Ended {
    report: Report,
    /// The balancer, which has ended; its logs are complete.
    lb: LbProcess,
    backends: Vec<ScriptedBackend>,
    address_of_c: SocketAddr,
}

impl Ended {
    /// Asserts that from the request with this number on, no GET has failed.
    #[track_caller]
    fn assert_no_get_failed(&self, from: usize) {
        let failures = self.report.failures_of(Kind::Get, from);
        assert!(failures.is_empty(), "{}\n{}", self.report, self.lb.stderr().join("\n"));
    }

    /// Asserts that orders have failed only in ways that a client can recognise.
    #[track_caller]
    fn assert_orders_failed_plainly(&self) {
        let failures = self.report.failures_of(Kind::Order, 0);
        assert!(failures.iter().all(is_plain), "{}", self.report);
        assert!(!self.report.orders.is_empty(), "{}", self.report);
    }

    /// Asserts that no request has failed.
    #[track_caller]
    fn assert_nothing_failed(&self) {
        assert!(self.report.failures.is_empty(), "{}", self.report);
    }

    /// Every line of the access log.
    fn access_log(&self) -> Vec<Logged> {
        let path = self.lb.folder().join("access.log");
        let text = fs::read_to_string(path).expect("an access log");
        let lines = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        let lines: Vec<_> = lines.filter_map(Logged::new).collect();
        assert_eq!(lines.len(), self.report.requests(), "a line for each request");
        lines
    }
}

/// A client's request in the access log.
struct Logged {
    number: usize,
    method: String,
    /// The backend and the outcome of each try.
    tries: Vec<(String, String)>,
}

impl Logged {
    fn new(line: Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().map(str::to_owned).unwrap_or_default();
        let tries = line["tries"].as_array().unwrap_or_else(|| panic!("no tries in {line}"));
        Some(Self {
            number: number_in(line["path"].as_str()?)?,
            method: text(&line["method"]),
            tries: tries.iter().map(|it| (text(&it["backend"]), text(&it["outcome"]))).collect(),
        })
    }

    /// Whether a try was made on this backend.
    fn was_on(&self, backend: SocketAddr) -> bool {
        let backend = backend.to_string();
        self.tries.iter().any(|(it, _)| *it == backend)
    }

    /// Whether a try on this backend was given up because it took too long.
    /// Whether the learned limit has ended an attempt there.
    fn was_late_on(&self, backend: SocketAddr) -> bool {
        self.ended_as(backend, "learned_timeout")
    }

    fn ended_as(&self, backend: SocketAddr, outcome: &str) -> bool {
        self.tries.contains(&(backend.to_string(), outcome.to_owned()))
    }
}

/// The lines of the balancer's log with this message about this backend.
fn log_lines(lb: &LbProcess, message: &str, backend: SocketAddr) -> Vec<String> {
    let backend = backend.to_string();
    let is_it = |line: &String| line.contains(message) && line.contains(&backend);
    lb.stderr().into_iter().filter(is_it).collect()
}

fn backends(choose: fn(&Request) -> Reply) -> Vec<ScriptedBackend> {
    let backend = || {
        let backend = ScriptedBackend::named("fine");
        backend.reply_with(choose);
        backend.reply_to("/health", Reply::ok("fine"));
        backend
    };
    (0..3).map(|_| backend()).collect()
}

/// The answer of a healthy backend.
fn answer(request: &Request) -> Reply {
    good_answer(request).delayed(TAKES)
}

fn is_a_clients(request: &Request) -> bool {
    number_in(&request.path).is_some()
}

/// How often each order was executed.
fn executed(backends: &[ScriptedBackend]) -> BTreeMap<usize, usize> {
    let mut times = BTreeMap::new();
    for request in backends.iter().flat_map(ScriptedBackend::requests) {
        let is_executed = request.method == "POST" && request.is_complete;
        if let Some(number) = number_in(&request.path).filter(|_| is_executed) {
            *times.entry(number).or_default() += 1;
        }
    }
    times
}

#[track_caller]
pub(crate) fn assert_executed_once(backends: &[ScriptedBackend], report: &Report) {
    let times = executed(backends);
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "executed more than once: {twice:?}\n{report}");
    let made_up: Vec<_> = report.orders.iter().filter(|it| !times.contains_key(it)).collect();
    assert!(made_up.is_empty(), "answered and never executed: {made_up:?}\n{report}");
}

/// Whether it is an error that a client can recognise.
fn is_plain(failure: &Failure) -> bool {
    matches!(failure, Failure::Status(502..=504))
}

/// A permit to run a scenario. Two at once are enough for a small machine; on a large one the test
/// runner would start them all, and checks and limits would miss their time.
pub(crate) struct Turn;

static RUNNING: Mutex<usize> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();
const RUNNING_MAX: usize = 2;

impl Turn {
    pub(crate) fn wait() -> Self {
        let mut running = RUNNING.lock();
        ENDED.wait_while(&mut running, |running| *running >= RUNNING_MAX);
        *running += 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *RUNNING.lock() -= 1;
        ENDED.notify_one();
    }
}
