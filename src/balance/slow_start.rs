//! Slow start: a backend that comes back gets its share gradually.
//!
//! Its caches are cold and its connection pools empty; its full share at once may well take it out
//! again. So its weight grows linearly with the time since its return, starting at a tenth, because
//! with less it would not warm up. It grows in steps: each one costs a new snapshot, and finer ones
//! would make no difference.

use std::time::{Duration, Instant};

/// The number of parts of a full share.
pub(super) const FULL: u64 = 20;
/// The number of parts of the least share, a tenth.
const FLOOR: u64 = 2;

/// The current part of a backend's share, and when it grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    /// The current number of parts, of [`FULL`].
    pub(super) parts: u64,
    /// When the next part is added; `None` if the share is full.
    pub(super) until: Option<Instant>,
}

impl Share {
    /// The share of a backend that returned at this time, or (`None`) was never away.
    pub(super) fn of(since: Option<Instant>, window: Duration, now: Instant) -> Self {
        let back = since.map(|since| (since, now.saturating_duration_since(since)));
        match back.filter(|(_, elapsed)| *elapsed < window) {
            None => Self { parts: FULL, until: None },
            Some((since, elapsed)) => {
                let parts = elapsed.as_nanos() * u128::from(FULL) / window.as_nanos();
                let parts = u64::try_from(parts).unwrap_or(FULL).max(FLOOR);
                Self { parts, until: Some(since + after(parts + 1, window)) }
            }
        }
    }
}

/// The time after which a share has this many parts; rounded up, so that it has them by then.
fn after(parts: u64, window: Duration) -> Duration {
    let nanos = (window.as_nanos() * u128::from(parts)).div_ceil(u128::from(FULL));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(30);

    fn parts_after(elapsed: Duration) -> u64 {
        let since = crate::clock::now();
        Share::of(Some(since), WINDOW, since + elapsed).parts
    }

    #[test]
    fn it_grows_from_a_tenth_to_all_in_proportion_to_time() {
        let parts = [0.0, 1.0, 4.4, 4.5, 7.5, 15.0, 29.9, 30.0, 3600.0]
            .map(|seconds| parts_after(Duration::from_secs_f64(seconds)));
        assert_eq!(parts, [2, 2, 2, 3, 5, 10, 19, 20, 20]);
    }

    #[test]
    fn a_backend_that_was_never_away_has_its_full_share() {
        let now = crate::clock::now();
        assert_eq!(Share::of(None, WINDOW, now), Share { parts: FULL, until: None });
    }

    #[test]
    fn without_a_window_the_full_share_is_there_at_once() {
        let now = crate::clock::now();
        assert_eq!(Share::of(Some(now), Duration::ZERO, now).parts, FULL);
    }

    proptest! {
        #![proptest_config(crate::properties::config())]

        #[test]
        fn each_step_holds_until_its_instant_and_not_longer(
            window in 1_u64..100_000_000_000,
            elapsed in 0.0_f64..1.0,
        ) {
            let since = crate::clock::now();
            let window = Duration::from_nanos(window);
            let share = |now| Share::of(Some(since), window, now);
            let mut now = since + window.mul_f64(elapsed);
            let mut steps = 0;
            while let Share { parts, until: Some(until) } = share(now) {
                prop_assert_eq!(share(until - Duration::from_nanos(1)).parts, parts);
                prop_assert!(share(until).parts > parts);
                now = until;
                steps += 1;
            }
            prop_assert_eq!(share(now), Share { parts: FULL, until: None });
            prop_assert!(steps <= FULL);
        }
    }
}
