//! When a certificate is asked for: a pure function of what is known, and of a seed.
//!
//! Instances that share a folder have the same seed for the same certificate, so all of them say the
//! same of the next renewal, and one of them does it.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// The wait after the first failure. Authorities allow a few failures in an hour.
const FIRST_WAIT: Duration = Duration::from_secs(60);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(6 * 60 * 60);
/// The wait after the authority has said that there were too many requests.
const LIMITED_WAIT: Duration = Duration::from_secs(60 * 60);
/// The shortest wait, in case a certificate lives for seconds.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// The life of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    /// Its beginning.
    pub(super) from: SystemTime,
    /// Its end.
    pub(super) until: SystemTime,
}

impl Validity {
    fn life(self) -> Duration {
        self.until.duration_since(self.from).unwrap_or_default()
    }
}

/// The failures since the last certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    /// How many there were, one after another; at least 1.
    pub count: u32,
    /// When the last one was, in seconds since 1970.
    pub last: u64,
    /// The words of the authority, or of the system.
    pub error: String,
    /// Whether the authority has said that there were too many requests.
    pub is_limited: bool,
}

impl Failures {
    /// The failures with one more, at this moment.
    #[must_use]
    pub fn with(before: Option<Self>, error: String, is_limited: bool, now: SystemTime) -> Self {
        let count = before.map_or(0, |before| before.count).saturating_add(1);
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { count, last: since.as_secs(), error, is_limited }
    }

    /// When the last one was.
    #[must_use]
    pub fn at(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.last)
    }
}

/// When a certificate is to be asked for, which may be in the past.
///
/// A failure that is further in the future than the longest wait was noted while a clock was wrong, and
/// delays nothing: the attempt that follows notes another one in its place. The clocks of instances that
/// share a folder differ by less than that.
#[must_use]
pub(super) fn due(
    validity: Option<Validity>,
    failures: Option<&Failures>,
    (seed, now): (u64, SystemTime),
) -> SystemTime {
    let renewal = validity.map_or(SystemTime::UNIX_EPOCH, |validity| renewal(validity, seed));
    let failures = failures.filter(|it| it.at() <= now + LONGEST_WAIT);
    let again = failures.map(|it| it.at() + back_off(it, validity, seed));
    again.map_or(renewal, |again| again.max(renewal))
}

/// When a third of its life is left, or up to a thirtieth of its life earlier, so that certificates
/// which were made together are not renewed together.
fn renewal(validity: Validity, seed: u64) -> SystemTime {
    let life = validity.life();
    validity.until - life / 3 - (life / 30).mul_f64(fraction(seed))
}

/// The wait after failures: twice as long after each, and a quarter more by chance. While there is a
/// certificate, the wait is no longer than an eighth of what is left of it, so that a short-lived one is
/// renewed in time; but not so short that a long-lived one near its end makes the authority refuse us.
fn back_off(failures: &Failures, validity: Option<Validity>, seed: u64) -> Duration {
    let doubled = FIRST_WAIT.saturating_mul(1 << (failures.count - 1).min(16)).min(LONGEST_WAIT);
    let wait = if failures.is_limited { doubled.max(LIMITED_WAIT) } else { doubled };
    let wait = validity.map_or(wait, |validity| {
        let left = validity.until.duration_since(failures.at()).unwrap_or_default();
        wait.min((left / 8).max(validity.life() / 10_000).max(SHORTEST_WAIT))
    });
    wait + (wait / 4).mul_f64(fraction(seed.wrapping_add(failures.count.into())))
}

/// A number from 0 to 1 for each seed.
fn fraction(seed: u64) -> f64 {
    fastrand::Rng::with_seed(seed).f64()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::properties;

    const DAY: u64 = 24 * 60 * 60;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn days(days: u64) -> Option<Validity> {
        Some(Validity { from: at(0), until: at(days * DAY) })
    }

    fn failed(count: u32, last: u64) -> Failures {
        Failures { count, last, error: "no".to_owned(), is_limited: false }
    }

    #[test]
    fn without_a_certificate_one_is_due_at_once() {
        assert_eq!(due(None, None, (7, at(0))), SystemTime::UNIX_EPOCH);
    }

    #[test]
    fn waits_double_without_a_certificate_and_end_at_six_hours() {
        for (count, least) in
            [(1, 60), (2, 120), (3, 240), (9, 15_360), (10, 21_600), (400, 21_600)]
        {
            let again = due(None, Some(&failed(count, 1000)), (7, at(1000)));
            let most = least + least / 4;
            assert!(again >= at(1000 + least) && again <= at(1000 + most), "{count}: {again:?}");
        }
    }

    #[test]
    fn a_failure_of_a_clock_that_was_wrong_delays_nothing() {
        let now = at(1000 * DAY);
        let failed = |last: u64| due(None, Some(&failed(9, last)), (7, now));
        assert!(failed(1000 * DAY + 60) > now, "the clocks of two instances differ a little");
        assert_eq!(failed(2000 * DAY), SystemTime::UNIX_EPOCH);
    }

    #[test]
    fn certificates_that_were_made_together_are_not_renewed_together() {
        let renewals: std::collections::BTreeSet<_> =
            (0..100).map(|seed| due(days(90), None, (seed, at(0)))).collect();
        assert!(renewals.len() > 90, "{}", renewals.len());
        let (first, last) = (renewals.first().unwrap(), renewals.last().unwrap());
        assert!(last.duration_since(*first).unwrap() > Duration::from_secs(2 * DAY));
    }

    #[test]
    fn a_limit_of_the_authority_is_waited_for() {
        let limited = Failures { is_limited: true, ..failed(1, 0) };
        assert!(due(None, Some(&limited), (7, at(0))) >= at(60 * 60));
    }

    #[test]
    fn a_short_lived_certificate_is_tried_for_more_often_than_a_long_lived_one() {
        let short = Some(Validity { from: at(0), until: at(30) });
        let again = due(short, Some(&failed(3, 22)), (7, at(22)));
        assert!(again >= at(23) && again <= at(24), "{again:?}");
        // A minute before its end, and after it, the authority is not asked every second.
        for last in [90 * DAY - 60, 90 * DAY + DAY] {
            let again = due(days(90), Some(&failed(9, last)), (7, at(last)));
            assert!(again >= at(last + 777), "{again:?}");
        }
    }

    proptest! {
        #![proptest_config(properties::config())]

        #[test]
        fn a_renewal_comes_when_about_a_third_is_left(life in 30..4000 * DAY, seed: u64) {
            let validity = Validity { from: at(DAY), until: at(DAY + life) };
            let renewal = due(Some(validity), None, (seed, at(DAY)));
            let left = validity.until.duration_since(renewal).unwrap().as_secs_f64() / life as f64;
            prop_assert!((0.333..0.368).contains(&left), "{}", left);
        }

        #[test]
        fn no_attempt_comes_before_the_renewal_or_right_after_a_failure(
            life in 1..4000 * DAY, last in 0..4000 * DAY, count in 1..100_u32, seed: u64,
        ) {
            let validity = Validity { from: at(0), until: at(life) };
            let when = (seed, at(last));
            let again = due(Some(validity), Some(&failed(count, last)), when);
            prop_assert!(again >= due(Some(validity), None, when));
            prop_assert!(again >= at(last + 1));
        }
    }
}
