//! Two durations of one mapping that must be in order, such as a base and its maximum.
//!
//! A default counts as if it were written: who raises one of the two over the other's default has
//! made the same mistake, and cannot see the other in the file. So the message names it.

use std::time::Duration;

use super::{cursor::Section, setting::Setting, values::DURATION};

/// One of the two.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) key: &'static str,
    /// What holds when it is left out.
    pub(super) default: Duration,
    /// What it must be to the other: "must be below the interval".
    pub(super) rule: &'static str,
}

/// What must hold between the two.
#[derive(Debug)]
pub(super) struct Order {
    /// Told when both are written.
    pub(super) judged: Side,
    pub(super) other: Side,
    /// Of the judged one and the other.
    pub(super) holds: fn(Duration, Duration) -> bool,
    pub(super) why: &'static str,
}

impl Order {
    /// Reads the judged one and the other.
    pub(super) fn read(&self, keys: &mut Section<'_>) -> (Duration, Duration) {
        let other = keys.setting(self.other.key, &DURATION);
        let judged = keys.setting(self.judged.key, &DURATION);
        self.check(keys, &judged, &other);
        (judged.or(self.judged.default), other.or(self.other.default))
    }

    fn check(&self, keys: &Section<'_>, judged: &Setting<Duration>, other: &Setting<Duration>) {
        // A wrong one has its problem already.
        if judged.is_wrong() || other.is_wrong() {
            return;
        }
        let judged_length = judged.copied().unwrap_or(self.judged.default);
        let other_length = other.copied().unwrap_or(self.other.default);
        if (self.holds)(judged_length, other_length) {
            return;
        }
        let shown = humantime::format_duration;
        let beside_default = |side: &Side, length, missing: &Side| {
            format!(
                "{}, found {} (without \"{}:\" it is {}: give one)",
                side.rule,
                shown(length),
                missing.key,
                shown(missing.default)
            )
        };
        match (judged.origin(), other.origin()) {
            (Some(origin), Some(_)) => {
                let (rule, why) = (self.judged.rule, self.why);
                let (found, limit) = (shown(judged_length), shown(other_length));
                keys.problem_at(origin, format!("{rule} of {limit}, found {found} ({why})"));
            }
            (Some(origin), None) => {
                keys.problem_at(origin, beside_default(&self.judged, judged_length, &self.other));
            }
            (None, Some(origin)) => {
                keys.problem_at(origin, beside_default(&self.other, other_length, &self.judged));
            }
            (None, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::defaults;

    #[test]
    fn the_defaults_are_in_order() {
        assert!(defaults::CHECK_TIMEOUT < defaults::CHECK_INTERVAL);
        assert!(defaults::BACKOFF.base <= defaults::BACKOFF.max);
        assert!(defaults::EJECTION.base <= defaults::EJECTION.max);
        assert!(defaults::TIMEOUTS.connect <= defaults::TIMEOUTS.request);
        assert!(defaults::TIMEOUTS.response.ceiling() < defaults::TIMEOUTS.request);
    }
}
