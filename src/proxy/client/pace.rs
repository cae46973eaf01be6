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

/// While a client has no room, it is looked again after this time.
const LOOK: Duration = Duration::from_secs(1);

/// For how long a client has had no room for what it would send, because of what `lb` does not take of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Blocked {
    /// All such time so far.
    pub(super) total: Duration,
    /// Whether it has none now.
    pub(super) is_now: bool,
}

impl Blocked {
    /// There always was room, or it is the client's own doing.
    pub(super) const NEVER: Self = Self { total: Duration::ZERO, is_now: false };
}

/// The progress of one body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    limits: PaceLimits,
    /// Bytes of the body that have moved.
    bytes: u64,
    /// How long `lb` has waited for the client in all.
    waited: Duration,
    /// When the current wait began, and for how long the client had been blocked then.
    since: Option<(Instant, Duration)>,
    /// How long `lb` has waited since the last byte of the body.
    paused: Duration,
}

impl Pace {
    pub(super) fn new(limits: PaceLimits) -> Self {
        Self { limits, bytes: 0, waited: Duration::ZERO, since: None, paused: Duration::ZERO }
    }

    /// Notes that no byte moves. Returns when the client, which has this number of `requests` under way
    /// on the connection and was `blocked` for so long in all, will be too slow if nothing more does; `None`
    /// for never.
    fn wait(&mut self, now: Instant, requests: usize, blocked: Duration) -> Option<Instant> {
        let (since, before) = *self.since.get_or_insert((now, blocked));
        let since = since + blocked.saturating_sub(before);
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

    /// Notes that bytes have moved, `body` of which belong to the body. The clock is read only if a
    /// wait was under way.
    pub(super) fn came(&mut self, body: u64, now: impl FnOnce() -> Instant) {
        self.came_beside(body, now, || Blocked::NEVER);
    }

    /// The same of a client that may have been `blocked`.
    pub(super) fn came_beside(
        &mut self,
        body: u64,
        now: impl FnOnce() -> Instant,
        blocked: impl FnOnce() -> Blocked,
    ) {
        self.bytes += body;
        if let Some((since, before)) = self.since.take() {
            let blocked = blocked().total.saturating_sub(before);
            let waited = now().duration_since(since).saturating_sub(blocked);
            self.waited += waited;
            self.paused = if body > 0 { Duration::ZERO } else { self.paused + waited };
        }
    }

    /// Notes that no byte moves. Ready once the client has been too slow; see [`Self::wait`].
    pub(super) fn poll_too_slow(
        &mut self,
        requests: usize,
        blocked: Blocked,
        timer: &mut Timer,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let now = clock::now();
        let Some(at) = self.wait(now, requests, blocked.total) else { return Poll::Pending };
        timer.poll(if blocked.is_now { at.max(now + LOOK) } else { at }, cx)
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
        assert_eq!(pace.wait(start, 1, Duration::ZERO), Some(start + SECOND * 30));
        // A chunk extension, byte by byte.
        pace.came(0, || start + SECOND * 20);
        assert_eq!(pace.wait(start + SECOND * 20, 1, Duration::ZERO), Some(start + SECOND * 30));
        pace.came(1, || start + SECOND * 25);
        assert_eq!(pace.wait(start + SECOND * 25, 1, Duration::ZERO), Some(start + SECOND * 55));
    }

    #[test]
    fn time_in_which_the_body_was_not_awaited_does_not_count() {
        let start = clock::now();
        let mut pace = Pace::new(limits(Some(30), Some((100, 10))));
        pace.wait(start, 1, Duration::ZERO);
        pace.came(1, || start + SECOND);
        // The backend took its time.
        let later = start + SECOND * 100;
        assert_eq!(pace.wait(later, 1, Duration::ZERO), Some(later + SECOND * 9));
    }

    #[test]
    fn the_minimum_rate_applies_after_a_while_and_to_the_whole_body() {
        let start = clock::now();
        let mut pace = Pace::new(limits(None, Some((100, 10))));
        assert_eq!(pace.wait(start, 1, Duration::ZERO), Some(start + SECOND * 10));
        // Two seconds' worth each second.
        for second in 1..20 {
            pace.came(200, || start + SECOND * second);
            pace.wait(start + SECOND * second, 1, Duration::ZERO);
        }
        assert_eq!(pace.wait(start + SECOND * 19, 1, Duration::ZERO), Some(start + SECOND * 38));
        pace.came(100, || start + SECOND * 19);
        assert_eq!(pace.wait(start + SECOND * 19, 1, Duration::ZERO), Some(start + SECOND * 39));
    }

    #[test]
    fn requests_that_share_a_line_share_the_rate() {
        let start = clock::now();
        for (requests, seconds) in [(1, 20), (2, 40), (128, 2560)] {
            let mut pace = Pace::new(limits(None, Some((100, 10))));
            pace.wait(start, requests, Duration::ZERO);
            pace.came(2000, || start + SECOND);
            let later = start + SECOND;
            assert_eq!(
                pace.wait(later, requests, Duration::ZERO),
                Some(start + SECOND * seconds),
                "{requests}"
            );
        }
        // Without a byte it makes no difference.
        let mut pace = Pace::new(limits(None, Some((100, 10))));
        assert_eq!(pace.wait(start, 128, Duration::ZERO), Some(start + SECOND * 10));
    }

    #[test]
    fn time_in_which_there_was_no_room_does_not_count() {
        let start = clock::now();
        let at = |seconds| start + SECOND * seconds;
        for limits in [limits(Some(30), None), limits(None, Some((1, 30)))] {
            let mut pace = Pace::new(limits);
            assert_eq!(pace.wait(start, 1, SECOND * 5), Some(at(30)));
            // All of the time before it does.
            assert_eq!(pace.wait(at(29), 1, SECOND * 12), Some(at(37)));
            pace.came_beside(0, || at(29), || Blocked { total: SECOND * 13, is_now: true });
            assert_eq!(pace.wait(at(40), 1, SECOND * 13), Some(at(40 + 30 - 29 + 8)));
        }
    }

    #[test]
    fn without_limits_nothing_is_due() {
        assert_eq!(Pace::new(limits(None, None)).wait(clock::now(), 1, Duration::ZERO), None);
    }
}
