//! Two durations of one mapping that must be in order, such as a base and its maximum.
//!
//! A default counts as if it were written. Raising one of the two above the other's default is the
//! same mistake, and that default is not visible in the file, so the message names it.

use std::time::Duration;

use super::{section::Section, setting::Setting};
use crate::config::{
    keys::{Preset, Row},
    values::shown_duration as shown,
};

/// One of the two durations.
#[derive(Debug)]
pub(in crate::config) struct Side {
    pub(in crate::config) key: &'static Preset<Duration>,
    /// Its relation to the other: "must be below the interval".
    pub(in crate::config) rule: &'static str,
}

/// The required order of two durations.
#[derive(Debug)]
pub(in crate::config) struct Order {
    /// The duration at which a problem is reported if both are written.
    pub(in crate::config) judged: Side,
    pub(in crate::config) other: Side,
    /// Whether the judged one and the other are in order.
    pub(in crate::config) holds: fn(Duration, Duration) -> bool,
    pub(in crate::config) why: &'static str,
}

impl Side {
    fn default(&self) -> Duration {
        (self.key.default)()
    }
}

impl Order {
    /// Reads the judged one and the other.
    pub(in crate::config) fn read(&self, keys: &mut Section<'_>) -> (Duration, Duration) {
        let other = keys.setting(&self.other.key.key);
        let judged = keys.setting(&self.judged.key.key);
        self.check(keys, &judged, &other);
        let or_default = |setting: Setting<Duration>, side: &Side| {
            setting.given().unwrap_or_else(|| side.default())
        };
        (or_default(judged, &self.judged), or_default(other, &self.other))
    }

    fn check(&self, keys: &Section<'_>, judged: &Setting<Duration>, other: &Setting<Duration>) {
        // A malformed value has been reported already.
        if judged.is_wrong() || other.is_wrong() {
            return;
        }
        let judged_length = judged.copied().unwrap_or_else(|| self.judged.default());
        let other_length = other.copied().unwrap_or_else(|| self.other.default());
        if (self.holds)(judged_length, other_length) {
            return;
        }
        let beside_default = |side: &Side, length, missing: &Side| {
            format!(
                "{}, found {} (without \"{}:\" it is {}: give one)",
                side.rule,
                shown(length),
                missing.key.key.name(),
                shown(missing.default())
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
