//! State changes in the process log: one line each, with the reason.

use std::time::Instant;

use crate::backend::{Backend, Change, Until};

/// Logs a change of a backend's state. `why` is the last failure, where there is one.
pub fn report(backend: &Backend, change: Change, why: Option<&str>, now: Instant) {
    let (pool, address) = (backend.id().pool.as_str(), backend.id().address);
    match change {
        Change::BecameUnhealthy(failures) => log::warn!(
            pool, backend:% = address, failures, reason = why.unwrap_or("failed checks");
            "backend unhealthy"
        ),
        Change::BecameHealthy(passes) => {
            log::info!(pool, backend:% = address, passes; "backend healthy");
        }
        Change::Ejected(cause, Until::ChecksPass) => log::warn!(
            pool, backend:% = address, reason:% = cause, until = "checks_pass";
            "backend ejected"
        ),
        Change::Ejected(cause, Until::Instant(until)) => log::warn!(
            pool, backend:% = address, reason:% = cause,
            for_ms = until.saturating_duration_since(now).as_millis();
            "backend ejected"
        ),
        Change::Readmitted(passes) => {
            log::info!(pool, backend:% = address, passes; "backend readmitted");
        }
    }
}
