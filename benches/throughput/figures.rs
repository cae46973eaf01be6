//! Figures from samples.

use std::time::Duration;

use crate::round::Sample;

/// Microseconds of CPU time for each request that was answered.
pub(crate) fn cpu(sample: &Sample) -> f64 {
    sample.cpu.as_secs_f64() * 1e6 / float(sample.requests.max(1))
}

pub(crate) fn rate(sample: &Sample) -> f64 {
    float(sample.requests) / sample.took.as_secs_f64()
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[expect(clippy::cast_precision_loss, reason = "for people, who read three digits")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// The middle of the rounds' values, and their spread.
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    pub(crate) fn of(samples: &[Sample], value: impl Fn(&Sample) -> f64) -> Self {
        let mut values: Vec<_> = samples.iter().map(value).collect();
        values.sort_unstable_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or_default();
        Self {
            median: at(values.len() / 2),
            least: at(0),
            most: at(values.len().saturating_sub(1)),
        }
    }
}
