//! What an attacker can cause at will is not logged at will: once a second, with how often it was not.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use super::Counter;

const SECOND: Duration = Duration::from_secs(1);

/// Lets one event a second through, and counts the others.
#[derive(Debug)]
pub struct OncePerSecond {
    began: Instant,
    /// When the next event is let through, in microseconds from the beginning.
    next: AtomicU64,
    held_back: Counter,
    reported: AtomicU64,
}

impl OncePerSecond {
    /// From this moment on; the first event is let through.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        let (next, reported) = Default::default();
        Self { began: now, next, held_back: Counter::default(), reported }
    }

    /// Whether an event of this moment is let through: if so, with the number of those that have been
    /// held back since the last one that was.
    pub fn lets_through(&self, now: Instant) -> Option<u64> {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let at = micros(now.saturating_duration_since(self.began));
        let next = self.next.load(Ordering::Relaxed);
        let after = at.saturating_add(micros(SECOND));
        let is_due = at >= next
            && self
                .next
                .compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if !is_due {
            self.held_back.one();
            return None;
        }
        let held_back = self.held_back.get();
        Some(held_back - self.reported.swap(held_back, Ordering::Relaxed).min(held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn one_event_a_second_is_let_through_and_the_others_are_counted() {
        let began = clock::now();
        let gate = OncePerSecond::new(began);
        let at = |millis| gate.lets_through(began + Duration::from_millis(millis));
        assert_eq!([at(0), at(1), at(999), at(1000)], [Some(0), None, None, Some(2)]);
        assert_eq!([at(1500), at(9000), at(9001), at(10_000)], [None, Some(1), None, Some(1)]);
    }
}
