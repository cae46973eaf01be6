//! The backends, and who makes them play their faults when the plan says so.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use lb::clock;
use parking_lot::Mutex;

use super::{
    fault::{bad, good},
    ledger::{Arrival, Bad},
    order::{Asked, content},
    plan::{BACKENDS, Fault, PROCESS, Period, Plan},
};
use crate::support::{
    backend::ScriptedBackend, process_backend::ProcessBackend, reply::Reply, request::Request,
};

/// The path of checks.
pub(super) const CHECK: &str = "/health";

/// The five backends.
pub(super) struct Backends {
    scripted: Vec<ScriptedBackend>,
    /// In front of the last of them.
    process: ProcessBackend,
    notes: Arc<Notes>,
}

/// What the backends note.
struct Notes {
    start: Instant,
    /// What each of them plays at the moment.
    faults: [Mutex<Option<Period>>; BACKENDS],
    arrivals: Mutex<Vec<Arrival>>,
}

impl Notes {
    fn now(&self) -> Duration {
        clock::now().saturating_duration_since(self.start)
    }

    /// A request's header has come; what the backend does.
    fn choose(&self, backend: usize, request: &Request) -> Reply {
        let period = *self.faults[backend].lock();
        let Some(asked) = Asked::by(&request.path) else {
            return match period.filter(|period| !period.passes_checks) {
                // The process in front of it meets them itself.
                Some(period) if !period.fault.is_of_connections() => Reply::status(500),
                _ => Reply::ok("well"),
            };
        };
        let fault = period.map(|period| period.fault);
        self.arrivals.lock().push(Arrival { id: asked.id, backend, fault, at: self.now() });
        match fault {
            // Of a process they are played by the process.
            Some(Fault::Killed | Fault::Stopped) | None => good(backend, asked),
            Some(fault) => bad(backend, fault, asked),
        }
    }
}

impl Backends {
    pub(super) fn new(start: Instant) -> Self {
        let notes = Notes { start, faults: Default::default(), arrivals: Mutex::default() };
        let notes = Arc::new(notes);
        let scripted: Vec<_> = (0..BACKENDS)
            .map(|index| {
                let backend = ScriptedBackend::named("well");
                let notes = Arc::clone(&notes);
                backend.reply_with(move |request| notes.choose(index, request));
                backend
            })
            .collect();
        let process = ProcessBackend::before(&scripted[PROCESS]);
        Self { scripted, process, notes }
    }

    /// The addresses that the balancer knows, in the order of the plan.
    pub(super) fn addresses(&self) -> Vec<String> {
        let own = self.scripted[..PROCESS].iter().map(ScriptedBackend::address);
        own.chain([self.process.address()]).map(|address| address.to_string()).collect()
    }

    /// Plays the plan to its end; what was played in fact, as far as it can be told from here.
    pub(super) fn play(&mut self, plan: &Plan) -> Vec<Bad> {
        let begin = self.notes.now();
        let mut steps: Vec<_> = plan
            .periods
            .iter()
            .flat_map(|it| [(it.from, true, *it), (it.to, false, *it)])
            .collect();
        // An end comes before a beginning.
        steps.sort_by_key(|(at, begins, period)| (*at, *begins, period.backend));
        let mut played = vec![];
        for (at, begins, period) in steps {
            thread::sleep((begin + at).saturating_sub(self.notes.now()));
            if begins {
                let from = self.notes.now();
                let Period { backend, fault, .. } = period;
                played.push(Bad { backend, fault, from, to: Duration::MAX });
                self.begin(period);
            } else {
                self.end(period);
                let open = played.iter_mut().rev().find(|bad| bad.backend == period.backend);
                open.expect("it has begun").to = self.notes.now();
            }
        }
        played.retain(|bad| !bad.fault.is_harmless());
        played
    }

    fn begin(&mut self, period: Period) {
        *self.notes.faults[period.backend].lock() = Some(period);
        let backend = &self.scripted[period.backend];
        match period.fault {
            Fault::Killed if period.backend == PROCESS => self.process.kill(),
            Fault::Killed => backend.stop(),
            Fault::Stopped => self.process.stop(),
            Fault::Closes => backend.on_accept(Reply::close()),
            Fault::Resets => backend.on_accept(Reply::reset()),
            _ => {}
        }
    }

    fn end(&mut self, period: Period) {
        let backend = &self.scripted[period.backend];
        match period.fault {
            Fault::Killed if period.backend == PROCESS => self.process.start(),
            Fault::Killed => backend.start(),
            Fault::Stopped => self.process.resume(),
            Fault::Closes | Fault::Resets => backend.on_accept(None),
            _ => {}
        }
        *self.notes.faults[period.backend].lock() = None;
    }

    /// All requests whose header a backend has read.
    pub(super) fn arrivals(&self) -> Vec<Arrival> {
        self.notes.arrivals.lock().clone()
    }

    /// Requests whose body has come to its end, and was not the one that was sent.
    pub(super) fn changed_bodies(&self) -> Vec<u64> {
        let changed = |request: &Request| {
            let asked = Asked::by(&request.path)?;
            let is_changed = request.is_complete && request.body != content(asked.id, asked.up);
            is_changed.then_some(asked.id)
        };
        self.scripted.iter().flat_map(|backend| backend.of_each(changed)).collect()
    }
}
