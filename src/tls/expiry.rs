//! How long certificates are still valid.

use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A certificate that ends within this time is warned of: one that renews itself has been renewed long
/// before.
const NEAR_END: Duration = Duration::from_secs(20 * 24 * 60 * 60);

/// The whole days until this end; negative once a day has passed since.
#[must_use]
pub fn days_left(until: SystemTime, now: SystemTime) -> i64 {
    let days = |span: Duration| i64::try_from(span.as_secs() / DAY.as_secs()).unwrap_or(i64::MAX);
    match until.duration_since(now) {
        Ok(left) => days(left),
        Err(passed) => -days(passed.duration()),
    }
}

/// Whether a certificate with this end is to be warned of.
#[must_use]
pub fn ends_soon(until: SystemTime, now: SystemTime) -> bool {
    until.duration_since(now).is_ok_and(|left| left < NEAR_END) || until < now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_whole_and_a_warning_begins_twenty_days_before_the_end() {
        let end = SystemTime::UNIX_EPOCH + DAY * 1000;
        let second = Duration::from_secs(1);
        for (now, days, is_soon) in [
            (end - DAY * 21, 21, false),
            (end - DAY * 20, 20, false),
            (end - DAY * 20 + second, 19, true),
            (end - DAY, 1, true),
            (end - second, 0, true),
            (end, 0, true),
            (end + second, 0, true),
            (end + DAY * 2, -2, true),
        ] {
            assert_eq!(days_left(end, now), days, "{now:?}");
            assert_eq!(ends_soon(end, now), is_soon, "{now:?}");
        }
    }
}
