//! State changes: each is one line in the process log and one entry in the journal, with the reason.

use std::time::Instant;

use crate::backend::{Backend, Change, Entry, Notice, Readmission, Roster, Until};
use crate::clock;

/// What a change came from, where the change itself does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because<'a> {
    /// It does.
    Itself,
    /// The last check failed, for this reason.
    Check(&'a str),
    /// Somebody asked for it.
    Asked(&'a str),
}

impl Because<'_> {
    fn check(&self) -> Option<&str> {
        if let Self::Check(why) = self { Some(why) } else { None }
    }

    fn by(&self) -> Option<&str> {
        if let Self::Asked(by) = self { Some(by) } else { None }
    }
}

/// Says what happened in a pool.
pub fn report(roster: &Roster, notices: &[Notice], because: Because<'_>, now: Instant) {
    for notice in notices {
        log_notice(roster, notice, because, now);
        roster.journal().append(entry(roster, notice, because, now));
    }
}

fn log_notice(roster: &Roster, notice: &Notice, because: Because<'_>, now: Instant) {
    let pool = roster.pool();
    match notice {
        Notice::Backend(backend, change) => log_change(backend, *change, because, now),
        Notice::Panic { on: true, unhealthy, of } => log::error!(
            pool:% = pool, unhealthy, of;
            "panic: so many backends are unhealthy that unhealthy ones are used too"
        ),
        Notice::Empty(true) => {
            log::error!(pool:% = pool; "no backend can take a request");
        }
        Notice::Empty(false) => log::info!(pool:% = pool; "a backend can take requests again"),
        Notice::Panic { on: false, unhealthy, of } => {
            log::info!(pool:% = pool, unhealthy, of; "panic is over");
        }
    }
}

fn log_change(backend: &Backend, change: Change, because: Because<'_>, now: Instant) {
    let (pool, address) = (backend.id().pool.as_str(), backend.id().address);
    if let Some(by) = because.by() {
        let (event, reason, lasts) = told(change, because, now);
        let (reason, for_ms) =
            (reason.unwrap_or_default(), lasts.map(|lasts| lasts.as_millis() as u64));
        return log::warn!(
            pool, backend:% = address, event, reason, for_ms:? = for_ms.unwrap_or_default(), by;
            "changed by an operator"
        );
    }
    match change {
        Change::BecameUnhealthy(failures) => log::warn!(
            pool, backend:% = address, failures,
            reason = because.check().unwrap_or("failed checks");
            "backend unhealthy"
        ),
        Change::BecameHealthy(passes) => {
            log::info!(pool, backend:% = address, passes; "backend healthy");
        }
        Change::Ejected(cause, Until::ChecksPass, failures) => log::warn!(
            pool, backend:% = address, reason:% = cause, failures, until = "checks_pass";
            "backend ejected"
        ),
        Change::Ejected(cause, Until::Probe(at), failures) => log::warn!(
            pool, backend:% = address, reason:% = cause, failures, until = "probe",
            for_ms = at.saturating_duration_since(now).as_millis() as u64;
            "backend ejected"
        ),
        Change::Readmitted(Readmission::ChecksPassed(passes)) => {
            log::info!(pool, backend:% = address, passes; "backend readmitted");
        }
        Change::Readmitted(why) => {
            log::info!(pool, backend:% = address, reason:% = why; "backend readmitted");
        }
        Change::Drained => log::info!(pool, backend:% = address; "backend draining"),
        Change::Undrained => log::info!(pool, backend:% = address; "backend no longer draining"),
        Change::Weighted(weight) => {
            log::info!(pool, backend:% = address, weight:? = weight; "backend has another weight");
        }
    }
}

fn entry(roster: &Roster, notice: &Notice, because: Because<'_>, now: Instant) -> Entry {
    let mut entry = Entry {
        time: clock::wall(),
        pool: Some(roster.pool().clone()),
        backend: None,
        event: "",
        reason: None,
        lasts: None,
        by: because.by().map(str::to_owned),
    };
    match notice {
        Notice::Backend(backend, change) => {
            entry.backend = Some(backend.id().address);
            (entry.event, entry.reason, entry.lasts) = told(*change, because, now);
        }
        Notice::Panic { on, unhealthy, of } => {
            entry.event = if *on { "panic_began" } else { "panic_ended" };
            entry.reason = Some(format!("{unhealthy} of {of} unhealthy"));
        }
        Notice::Empty(empty) => {
            entry.event = if *empty { "nobody_left" } else { "somebody_left" };
        }
    }
    entry
}

/// A change in one word, why, and for how long.
fn told(
    change: Change,
    because: Because<'_>,
    now: Instant,
) -> (&'static str, Option<String>, Option<std::time::Duration>) {
    let times =
        |count: u32, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    match change {
        Change::BecameUnhealthy(failures) => {
            let failed = times(failures, "failed check");
            let why = because.check().map_or(failed.clone(), |why| format!("{why} ({failed})"));
            ("unhealthy", Some(why), None)
        }
        Change::BecameHealthy(passes) => ("healthy", Some(times(passes, "passed check")), None),
        Change::Ejected(cause, Until::ChecksPass, _) => ("ejected", Some(cause.to_string()), None),
        Change::Ejected(cause, Until::Probe(at), _) => {
            ("ejected", Some(cause.to_string()), Some(at.saturating_duration_since(now)))
        }
        Change::Readmitted(Readmission::ChecksPassed(passes)) => {
            ("readmitted", Some(times(passes, "passed check")), None)
        }
        Change::Readmitted(why) => ("readmitted", Some(why.to_string()), None),
        Change::Drained => ("drained", None, None),
        Change::Undrained => ("undrained", None, None),
        Change::Weighted(weight) => {
            let weight = weight.map_or("as configured".to_owned(), |weight| weight.to_string());
            ("weight_changed", Some(weight), None)
        }
    }
}
