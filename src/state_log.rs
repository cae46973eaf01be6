//! The log of state changes: each change of a pool or a backend is one line in the process log and
//! one entry in the journal, with the reason.
//!
//! `backend` is pure and returns changes as values; this is where they become visible. Log and
//! journal are written from the same values, so that they cannot disagree.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::backend::{
    Backend, BackendChange, EjectionCause, EjectionEnd, JournalEntry, PoolChange, ReadmissionCause,
    Roster,
};
use crate::clock;

/// The cause of a change, if the change itself does not contain it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeCause<'a> {
    /// The change contains its cause.
    Implied,
    /// The last check failed, for this reason.
    FailedCheck(&'a str),
    /// An operator asked for it, under this name.
    Operator(&'a str),
}

impl<'a> ChangeCause<'a> {
    fn failed_check(self) -> Option<&'a str> {
        if let Self::FailedCheck(reason) = self { Some(reason) } else { None }
    }

    fn operator(self) -> Option<&'a str> {
        if let Self::Operator(name) = self { Some(name) } else { None }
    }
}

/// Logs the changes of a pool, in order, and appends them to its journal.
pub fn record(roster: &Roster, changes: &[PoolChange], cause: ChangeCause<'_>, now: Instant) {
    for change in changes {
        log_change(roster, change, cause, now);
        roster.journal().append(entry(roster, change, cause, now));
    }
}

fn log_change(roster: &Roster, change: &PoolChange, cause: ChangeCause<'_>, now: Instant) {
    let pool = roster.pool();
    match change {
        PoolChange::Backend(backend, change) => log_backend(backend, *change, cause, now),
        PoolChange::PanicBegan { unhealthy, listening } => log::error!(
            pool:% = pool, unhealthy, of = listening;
            "panic: too many backends are unhealthy, health checks are ignored"
        ),
        PoolChange::PanicEnded { unhealthy, listening } => {
            log::info!(pool:% = pool, unhealthy, of = listening; "panic ended");
        }
        PoolChange::Unavailable => log::error!(pool:% = pool; "no backend can take a request"),
        PoolChange::Available => log::info!(pool:% = pool; "a backend can take requests again"),
    }
}

fn log_backend(backend: &Backend, change: BackendChange, cause: ChangeCause<'_>, now: Instant) {
    let names = backend.names();
    let (pool, name, address) = (backend.id().pool.as_str(), &*names.name, &*names.address);
    if let Some(by) = cause.operator() {
        let Event { word, reason, lasts, .. } = event(change, cause, now);
        let (reason, for_ms) = (reason.unwrap_or_default(), lasts.map(millis).unwrap_or_default());
        return log::warn!(
            pool, backend = name, address, event = word, reason, for_ms, by;
            "backend changed by an operator"
        );
    }
    match change {
        BackendChange::BecameUnhealthy(failures) => log::warn!(
            pool, backend = name, address, failures,
            reason = cause.failed_check().unwrap_or("failed checks");
            "backend unhealthy"
        ),
        BackendChange::BecameHealthy(passes) => {
            log::info!(pool, backend = name, address, passes; "backend healthy");
        }
        BackendChange::Ejected(cause, EjectionEnd::ChecksPass, failures) => log::warn!(
            pool, backend = name, address, reason:% = cause, failures, until = "checks_pass";
            "backend ejected"
        ),
        BackendChange::Ejected(cause, EjectionEnd::Probe(at), failures) => log::warn!(
            pool, backend = name, address, reason:% = cause, failures, until = "probe",
            for_ms = millis(at.saturating_duration_since(now));
            "backend ejected"
        ),
        BackendChange::Readmitted(ReadmissionCause::ChecksPassed(passes)) => {
            log::info!(pool, backend = name, address, passes; "backend readmitted");
        }
        BackendChange::Readmitted(cause) => {
            log::info!(pool, backend = name, address, reason:% = cause; "backend readmitted");
        }
        BackendChange::Drained => log::info!(pool, backend = name, address; "backend draining"),
        BackendChange::Undrained => {
            log::info!(pool, backend = name, address; "backend no longer draining");
        }
        BackendChange::WeightChanged(weight) => {
            log::info!(pool, backend = name, address, weight:? = weight; "backend weight changed");
        }
    }
}

fn entry(
    roster: &Roster,
    change: &PoolChange,
    cause: ChangeCause<'_>,
    now: Instant,
) -> JournalEntry {
    let event = match change {
        PoolChange::Backend(_, change) => event(*change, cause, now),
        PoolChange::PanicBegan { unhealthy, listening } => {
            let reason = format!("{unhealthy} of {listening} unhealthy");
            let text = format!(
                "panic: {}, so health checks are ignored",
                unhealthy_of(*unhealthy, *listening)
            );
            Event::new("panic_began", text).because(reason)
        }
        PoolChange::PanicEnded { unhealthy, listening } => {
            let reason = format!("{unhealthy} of {listening} unhealthy");
            let text = format!(
                "panic is over, health checks count again: {}",
                unhealthy_of(*unhealthy, *listening)
            );
            Event::new("panic_ended", text).because(reason)
        }
        PoolChange::Unavailable => Event::new("pool_unavailable", "no backend can take a request"),
        PoolChange::Available => Event::new("pool_available", "a backend can take requests again"),
    };
    let backend = match change {
        PoolChange::Backend(backend, _) => Some(Arc::clone(&backend.names())),
        _ => None,
    };
    JournalEntry {
        time: clock::wall(),
        pool: Some(roster.pool().clone()),
        backend,
        event: event.word,
        text: event.text,
        reason: event.reason,
        lasts: event.lasts,
        by: cause.operator().map(str::to_owned),
    }
}

/// A change as the journal and an operator's log line show it.
struct Event {
    word: &'static str,
    text: String,
    reason: Option<String>,
    lasts: Option<Duration>,
}

impl Event {
    fn new(word: &'static str, text: impl Into<String>) -> Self {
        Self { word, text: text.into(), reason: None, lasts: None }
    }

    fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }
}

fn event(change: BackendChange, cause: ChangeCause<'_>, now: Instant) -> Event {
    match change {
        BackendChange::BecameUnhealthy(failures) => {
            let failed = count(failures, "failed check");
            let reason = match cause.failed_check() {
                Some(reason) => format!("{reason} ({failed})"),
                None => failed,
            };
            Event::new("unhealthy", format!("unhealthy: {reason}")).because(reason)
        }
        BackendChange::BecameHealthy(passes) => {
            let passed = count(passes, "passed check");
            Event::new("healthy", format!("healthy again: {passed}")).because(passed)
        }
        BackendChange::Ejected(cause, end, _) => Event {
            lasts: match end {
                EjectionEnd::ChecksPass => None,
                EjectionEnd::Probe(at) => Some(at.saturating_duration_since(now)),
            },
            ..Event::new("ejected", ejected_in_words(cause)).because(cause.to_string())
        },
        BackendChange::Readmitted(cause) => readmitted(cause),
        BackendChange::Drained => Event::new("drained", "drained: it gets no new requests"),
        BackendChange::Undrained => Event::new("undrained", "undrained: it gets requests again"),
        BackendChange::WeightChanged(weight) => {
            let text = match weight {
                Some(weight) => format!("weight set to {weight}"),
                None => "weight as configured again".to_owned(),
            };
            let weight = weight.map_or("as configured".to_owned(), |weight| weight.to_string());
            Event::new("weight_changed", text).because(weight)
        }
    }
}

/// The operator is named beside it.
fn ejected_in_words(cause: EjectionCause) -> String {
    match cause {
        EjectionCause::Operator => "ejected".to_owned(),
        cause => format!("ejected: {}", cause.in_words()),
    }
}

fn readmitted(cause: ReadmissionCause) -> Event {
    let reason = match cause {
        ReadmissionCause::ChecksPassed(passes) => count(passes, "passed check"),
        _ => cause.to_string(),
    };
    let text = match cause {
        ReadmissionCause::ChecksPassed(_) => format!("readmitted: {reason}"),
        ReadmissionCause::Probe => "readmitted: it answered its probe".to_owned(),
        ReadmissionCause::NoOtherBackend => {
            "readmitted before its time: no other backend can take a request".to_owned()
        }
        ReadmissionCause::Operator => "readmitted".to_owned(),
    };
    Event::new("readmitted", text).because(reason)
}

/// Returns `1 of 4 backends is unhealthy`, `2 of 4 backends are unhealthy`.
fn unhealthy_of(unhealthy: usize, listening: usize) -> String {
    let are = if unhealthy == 1 { "is" } else { "are" };
    let backends = if listening == 1 { "backend" } else { "backends" };
    format!("{unhealthy} of {listening} {backends} {are} unhealthy")
}

/// Returns `1 failed check`, `2 failed checks`.
fn count(number: u32, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
