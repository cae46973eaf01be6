//! The only reads of the clock in the crate.
//!
//! Decisions take `now` as an argument, so that tests control time. The edges read the clock here,
//! once for each event that they handle.

use std::time::{Instant, SystemTime};

/// Returns monotonic time, for durations and deadlines.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}

/// Returns wall-clock time, for logs and other texts that people read.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
#[must_use]
pub fn wall() -> SystemTime {
    SystemTime::now()
}
