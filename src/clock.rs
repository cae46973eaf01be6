//! The only reads of the clock in the crate.
//!
//! Decisions take `now` as an argument, so that tests hold time still. The edges read it here, once for
//! each thing that they handle.

use std::time::{Instant, SystemTime};

/// Monotonic time, for durations and deadlines.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}

/// Wall-clock time, for what a person reads.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
#[must_use]
pub fn wall() -> SystemTime {
    SystemTime::now()
}
