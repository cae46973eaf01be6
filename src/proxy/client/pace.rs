//! How slowly a client may send a body: neither with a long pause, nor for long below a rate.
//!
//! Only time in which `lb` was waiting for the body counts, and only bytes of the body itself:
//! chunk lines, extensions and trailers are no progress. A pause that the backend causes by taking
//! nothing is not the client's.

use std::{
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use pingora_core::{Error, ErrorType};

use super::super::watch::Timer;
use crate::clock;
use crate::config::BodyLimits;

/// The progress of one body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    limits: BodyLimits,
    /// Bytes of the body that have come.
    bytes: u64,
    /// How long `lb` has waited for the body in all.
    waited: Duration,
    /// When the current wait began.
    since: Option<Instant>,
    /// How long `lb` has waited since the last byte of the body.
    paused: Duration,
}

impl Pace {
    pub(super) fn new(limits: BodyLimits) -> Self {
        Self { limits, bytes: 0, waited: Duration::ZERO, since: None, paused: Duration::ZERO }
    }

    /// Notes that no byte is there. Returns when the client will be too slow if nothing more comes;
    /// `None` for never.
    pub(super) fn wait(&mut self, now: Instant) -> Option<Instant> {
        let since = *self.since.get_or_insert(now);
        let pause = self.limits.idle.map(|idle| since + idle.saturating_sub(self.paused));
        let rate = self.limits.min_rate.map(|rate| {
            let enough_for = Duration::from_secs_f64(self.bytes as f64 / rate.bytes.get() as f64);
            since + enough_for.max(rate.after).saturating_sub(self.waited)
        });
        match (pause, rate) {
            (Some(pause), Some(rate)) => Some(pause.min(rate)),
            (one, other) => one.or(other),
        }
    }

    /// Notes that bytes have come, `body` of which belong to the body. The clock is read only if a
    /// wait was under way.
    pub(super) fn came(&mut self, body: u64, now: impl FnOnce() -> Instant) {
        self.bytes += body;
        if let Some(since) = self.since.take() {
            let waited = now().duration_since(since);
            self.waited += waited;
            self.paused = if body > 0 { Duration::ZERO } else { self.paused + waited };
        }
    }

    /// Notes that no byte is there. Ready with an error once the client has been too slow.
    pub(super) fn poll_too_slow(
        &mut self,
        timer: &mut Timer,
        cx: &mut Context<'_>,
    ) -> Poll<Box<Error>> {
        let Some(at) = self.wait(clock::now()) else { return Poll::Pending };
        ready!(timer.poll(at, cx));
        let why = "the client sends the request's body too slowly";
        Poll::Ready(Error::explain(ErrorType::ReadTimedout, why).into_down())
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;
    use crate::clock;
    use crate::config::MinRate;

    const SECOND: Duration = Duration::from_secs(1);

    fn limits(idle: Option<u32>, rate: Option<(u64, u32)>) -> BodyLimits {
        BodyLimits {
            idle: idle.map(|seconds| SECOND * seconds),
            min_rate: rate.map(|(bytes, after)| MinRate {
                bytes: NonZeroU64::new(bytes).unwrap(),
                after: SECOND * after,
            }),
        }
    }

    #[test]
    fn a_pause_ends_with_bytes_of_the_body_alone() {
        let start = clock::now();
        let mut pace = Pace::new(limits(Some(30), None));
        assert_eq!(pace.wait(start), Some(start + SECOND * 30));
        // A chunk extension, byte by byte.
        pace.came(0, || start + SECOND * 20);
        assert_eq!(pace.wait(start + SECOND * 20), Some(start + SECOND * 30));
        pace.came(1, || start + SECOND * 25);
        assert_eq!(pace.wait(start + SECOND * 25), Some(start + SECOND * 55));
    }

    #[test]
    fn time_in_which_the_body_was_not_awaited_does_not_count() {
        let start = clock::now();
        let mut pace = Pace::new(limits(Some(30), Some((100, 10))));
        pace.wait(start);
        pace.came(1, || start + SECOND);
        // The backend took its time.
        let later = start + SECOND * 100;
        assert_eq!(pace.wait(later), Some(later + SECOND * 9));
    }

    #[test]
    fn the_minimum_rate_applies_after_a_while_and_to_the_whole_body() {
        let start = clock::now();
        let mut pace = Pace::new(limits(None, Some((100, 10))));
        assert_eq!(pace.wait(start), Some(start + SECOND * 10));
        // Two seconds' worth each second.
        for second in 1..20 {
            pace.came(200, || start + SECOND * second);
            pace.wait(start + SECOND * second);
        }
        assert_eq!(pace.wait(start + SECOND * 19), Some(start + SECOND * 38));
        pace.came(100, || start + SECOND * 19);
        assert_eq!(pace.wait(start + SECOND * 19), Some(start + SECOND * 39));
    }

    #[test]
    fn without_limits_nothing_is_due() {
        assert_eq!(Pace::new(limits(None, None)).wait(clock::now()), None);
    }
}
