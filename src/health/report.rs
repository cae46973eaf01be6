//! State changes in the process log: one line each, with the reason.

use std::time::Instant;

use crate::backend::{Backend, Change, Notice, Readmission, Until};
use crate::config::PoolName;

/// Logs what happened in a pool. `why` is the last failed check, where there is one.
pub fn report(pool: &PoolName, notices: &[Notice], why: Option<&str>, now: Instant) {
    for notice in notices {
        match notice {
            Notice::Backend(backend, change) => report_change(backend, *change, why, now),
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
}

fn report_change(backend: &Backend, change: Change, why: Option<&str>, now: Instant) {
    let (pool, address) = (backend.id().pool.as_str(), backend.id().address);
    match change {
        Change::BecameUnhealthy(failures) => log::warn!(
            pool, backend:% = address, failures, reason = why.unwrap_or("failed checks");
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
    }
}
