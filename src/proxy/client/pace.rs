//! How slowly a client may send or take a body: neither with a long pause, nor for long below a rate.
//!
//! Only time in which `lb` was waiting for the client counts, and only bytes of the body itself:
//! chunk lines, extensions and trailers are no progress. A pause that the backend causes is not the
//! client's. The requests that a connection has under way share its line, and the rate with it: a slow
//! line brings each of many bodies more slowly than one.

use std::{
    task::{Context, Poll},
    time::{Duration, Instant},
};

use super::super::watch::Timer;
use crate::clock;
use crate::config::PaceLimits;
use crate::http1::Refusal;

/// The answer to a request whose body comes too slowly.
pub(in super::super) const BODY_LATE: Refusal =
    Refusal { status: 408, why: "the request body did not come in time" };

/// The progress of one body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    limits: PaceLimits,
    /// Bytes of the body that have moved.
    bytes: u64,
    /// How long `lb` has waited for the client in all.
    waited: Duration,
    /// When the current wait began.
    since: Option<Instant>,
    /// How long `lb` has waited since the last byte of the body.
    paused: Duration,
}

impl Pace {
    pub(super) fn new(limits: PaceLimits) -> Self {
        Self { limits, bytes: 0, waited: Duration::ZERO, since: None, paused: Duration::ZERO }
    }

    /// Notes that no byte moves. Returns when the client, which has this number of `requests` under way
    /// on the connection, will be too slow if nothing more does; `None` for never.
    pub(super) fn wait(&mut self, now: Instant, requests: usize) -> Option<Instant> {
        let since = *self.since.get_or_insert(now);
        let pause = self.limits.idle.map(|idle| since + idle.saturating_sub(self.paused));
        let rate = self.limits.min_rate.map(|rate| {
            let bytes = self.bytes as f64 * requests as f64;
            let enough_for = Duration::from_secs_f64(bytes / rate.bytes.get() as f64);
            since + enough_for.max(rate.after).saturating_sub(self.waited)
        });
        match (pause, rate) {
            (Some(pause), Some(rate)) => Some(pause.min(rate)),
            (one, other) => one.or(other),
        }
    }

    /// Notes that the client could not move any byte before this time. Returns whether it makes a difference.
    pub(super) fn could_not_before(&mut self, at: Instant) -> bool {
        let is_later = self.since.is_some_and(|since| since < at);
        if is_later {
            self.since = Some(at);
        }
        is_later
    }

    /// Notes that bytes have moved, `body` of which belong to the body. The clock is read only if a
    /// wait was under way.
    pub(super) fn came(&mut self, body: u64, now: impl FnOnce() -> Instant) {
        self.bytes += body;
        if let Some(since) = self.since.take() {
            let waited = now().duration_since(since);
            self.waited += waited;
            self.paused = if body > 0 { Duration::ZERO } else { self.paused + waited };
        }
    }

    /// Notes that no byte moves. Ready once the client has been too slow; see [`Self::wait`].
    pub(super) fn poll_too_slow(
        &mut self,
        requests: usize,
        timer: &mut Timer,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let Some(at) = self.wait(clock::now(), requests) else { return Poll::Pending };
        timer.poll(at, cx)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;
    use crate::clock;
    use crate::config::MinRate;

    const SECOND: Duration = Duration::from_secs(1);

    fn limits(idle: Option<u32>, rate: Option<(u64, u32)>) -> PaceLimits {
        PaceLimits {
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
        assert_eq!(pace.wait(start, 1), Some(start + SECOND * 30));
        // A chunk extension, byte by byte.
        pace.came(0, || start + SECOND * 20);
        assert_eq!(pace.wait(start + SECOND * 20, 1), Some(start + SECOND * 30));
        pace.came(1, || start + SECOND * 25);
        assert_eq!(pace.wait(start + SECOND * 25, 1), Some(start + SECOND * 55));
    }

    #[test]
    fn time_in_which_the_body_was_not_awaited_does_not_count() {
        let start = clock::now();
        let mut pace = Pace::new(limits(Some(30), Some((100, 10))));
        pace.wait(start, 1);
        pace.came(1, || start + SECOND);
        // The backend took its time.
        let later = start + SECOND * 100;
        assert_eq!(pace.wait(later, 1), Some(later + SECOND * 9));
    }

    #[test]
    fn the_minimum_rate_applies_after_a_while_and_to_the_whole_body() {
        let start = clock::now();
        let mut pace = Pace::new(limits(None, Some((100, 10))));
        assert_eq!(pace.wait(start, 1), Some(start + SECOND * 10));
        // Two seconds' worth each second.
        for second in 1..20 {
            pace.came(200, || start + SECOND * second);
            pace.wait(start + SECOND * second, 1);
        }
        assert_eq!(pace.wait(start + SECOND * 19, 1), Some(start + SECOND * 38));
        pace.came(100, || start + SECOND * 19);
        assert_eq!(pace.wait(start + SECOND * 19, 1), Some(start + SECOND * 39));
    }

    #[test]
    fn requests_that_share_a_line_share_the_rate() {
        let start = clock::now();
        for (requests, seconds) in [(1, 20), (2, 40), (128, 2560)] {
            let mut pace = Pace::new(limits(None, Some((100, 10))));
            pace.wait(start, requests);
            pace.came(2000, || start + SECOND);
            let later = start + SECOND;
            assert_eq!(pace.wait(later, requests), Some(start + SECOND * seconds), "{requests}");
        }
        // Without a byte it makes no difference.
        let mut pace = Pace::new(limits(None, Some((100, 10))));
        assert_eq!(pace.wait(start, 128), Some(start + SECOND * 10));
    }

    #[test]
    fn without_limits_nothing_is_due() {
        assert_eq!(Pace::new(limits(None, None)).wait(clock::now(), 1), None);
    }
}
