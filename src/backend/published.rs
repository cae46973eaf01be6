//! The state of a pool that the request path reads: single words, written whenever an event changes
//! them, so that a request takes no lock.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use crate::count::Changes;

/// The value of an instant at which no probe will be due.
pub(super) const NEVER: u64 = u64::MAX;

/// The published state of a pool.
#[derive(Debug)]
pub(super) struct PublishedState {
    /// The instant from which the others are counted.
    pub(super) start: Instant,
    pub(super) changes: Changes,
    pub(super) panic: AtomicBool,
    pub(super) panics: AtomicU64,
    /// Whether no backend can take a request.
    pub(super) empty: AtomicBool,
    /// Milliseconds after `start` at which the first probe is due, or [`NEVER`].
    pub(super) probe_due: AtomicU64,
    /// Milliseconds after `start` at which the first probe is due that any request may be, or
    /// [`NEVER`].
    pub(super) any_probe_due: AtomicU64,
    /// Whether an ejected backend may be tried by a request that would fail otherwise.
    pub(super) has_last_resort: AtomicBool,
}

impl PublishedState {
    pub(super) fn is_panic(&self) -> bool {
        self.panic.load(Ordering::Relaxed)
    }

    /// Whether this instant, one of the two in this state, has come.
    pub(super) fn is_due(&self, due: &AtomicU64, now: Instant) -> bool {
        let due = due.load(Ordering::Relaxed);
        due != NEVER && now >= self.start + Duration::from_millis(due)
    }

    /// The instant in milliseconds after `start`, rounded up, so that nothing is due early.
    pub(super) fn millis(&self, instant: Instant) -> u64 {
        let after = instant.saturating_duration_since(self.start);
        u64::try_from(after.as_nanos().div_ceil(1_000_000)).unwrap_or(NEVER - 1)
    }
}
