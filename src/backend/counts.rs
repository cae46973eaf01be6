//! The counts of one backend and of its checks. The request path adds to them; metrics, the API and
//! the status page read them.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::event::EjectionCause;
use crate::count::{Counter, DurationHistogram, Outcome, StatusClass, StatusClassCounts};

/// Counts of one backend, since the roster has known it.
#[derive(Debug, Default)]
pub struct Counts {
    /// Attempts that have ended, by outcome.
    outcomes: [Counter; Outcome::COUNT],
    /// Attempts that have ended, by class of status.
    pub responses: StatusClassCounts,
    /// From the beginning of an attempt to its end.
    pub latency: DurationHistogram,
    /// From the end of the request to the first byte of the answer.
    pub first_byte: DurationHistogram,
    /// Connections made for an attempt.
    pub opened: Counter,
    /// Attempts that reused an open connection.
    pub reused: Counter,
    /// Bytes of request bodies sent to it, counted for requests whose last attempt it had.
    pub sent: Counter,
    /// Bytes of response bodies passed on from it.
    pub received: Counter,
    ejections: [Counter; EjectionCause::WORDS.len()],
    checks_passed: Counter,
    checks_failed: Counter,
    last_check: Mutex<Option<CheckResult>>,
}

/// An active check that has ended.
#[derive(Debug, Clone)]
pub struct CheckResult {
    /// Why the check failed; `None` if it passed.
    pub failure: Option<String>,
    /// How long the check took.
    pub took: Duration,
    /// When the check ended.
    pub at: Instant,
}

impl Counts {
    /// An attempt has ended.
    pub fn attempt_ended(&self, outcome: Outcome, answered: StatusClass, took: Duration) {
        self.outcomes[outcome as usize].one();
        self.responses.one(answered);
        self.latency.observe(took);
    }

    /// Attempts that have ended, in the order of [`Outcome::ALL`].
    #[must_use]
    pub fn outcomes(&self) -> [u64; Outcome::COUNT] {
        self.outcomes.each_ref().map(Counter::get)
    }

    /// Attempts that have ended, and how many of them failed.
    #[must_use]
    pub fn attempts(&self) -> (u64, u64) {
        let outcomes = Outcome::ALL.into_iter().zip(self.outcomes());
        outcomes.fold((0, 0), |(all, failed), (outcome, count)| {
            (all + count, failed + if outcome.is_failure() { count } else { 0 })
        })
    }

    /// Ejections by cause, in the order of [`EjectionCause::WORDS`].
    #[must_use]
    pub fn ejections(&self) -> [u64; EjectionCause::WORDS.len()] {
        self.ejections.each_ref().map(Counter::get)
    }

    pub(super) fn ejected(&self, cause: EjectionCause) {
        self.ejections[cause.place()].one();
    }

    /// A check has ended.
    pub fn checked(&self, check: CheckResult) {
        let count = match check.failure {
            None => &self.checks_passed,
            Some(_) => &self.checks_failed,
        };
        count.one();
        *self.last_check.lock() = Some(check);
    }

    /// Checks passed, and checks failed.
    #[must_use]
    pub fn checks(&self) -> (u64, u64) {
        (self.checks_passed.get(), self.checks_failed.get())
    }

    /// The last check, if there was any.
    #[must_use]
    pub fn last_check(&self) -> Option<CheckResult> {
        self.last_check.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_leaves_is_no_failure_of_the_backend() {
        let counts = Counts::default();
        for outcome in Outcome::ALL {
            counts.attempt_ended(outcome, StatusClass::None, Duration::ZERO);
        }
        assert_eq!(counts.attempts(), (14, 10));
        assert_eq!(counts.latency.get().count(), 14);
    }
}
