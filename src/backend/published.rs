//! What the request path reads of a pool: single words, written whenever an event changes them, so
//! that a request takes no lock.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use crate::count::Changes;

/// No probe is due.
pub(super) const NEVER: u64 = u64::MAX;

/// What the request path reads.
#[derive(Debug)]
pub(super) struct PublishedState {
    /// What instants are counted from.
    pub(super) start: Instant,
    pub(super) changes: Changes,
    pub(super) panic: AtomicBool,
    pub(super) panics: AtomicU64,
    /// Nobody can take a request.
    pub(super) empty: AtomicBool,
    /// Milliseconds after `start` at which the first probe is due, or [`NEVER`].
    pub(super) probe_due: AtomicU64,
    /// As above, for requests that cannot be repeated.
    pub(super) any_probe_due: AtomicU64,
}

impl PublishedState {
    pub(super) fn is_panic(&self) -> bool {
        self.panic.load(Ordering::Relaxed)
    }

    /// Whether this instant, one of the two above, has come.
    pub(super) fn is_due(&self, due: &AtomicU64, now: Instant) -> bool {
        let due = due.load(Ordering::Relaxed);
        due != NEVER && now >= self.start + Duration::from_millis(due)
    }

    /// Rounded up, so that nothing is due before its instant.
    pub(super) fn millis(&self, instant: Instant) -> u64 {
        let after = instant.saturating_duration_since(self.start);
        u64::try_from(after.as_nanos().div_ceil(1_000_000)).unwrap_or(NEVER - 1)
    }
}
