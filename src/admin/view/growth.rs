//! The growth of counts from sample to sample.

use std::{collections::VecDeque, time::Instant};

/// The samples that a rate spans: ten seconds, and the one before them.
pub(super) const RATES: usize = 11;
/// The samples of a minute, and the one before it.
pub(super) const MINUTE: usize = 61;

/// Two counts at each of the last samples.
#[derive(Debug, Default)]
pub(super) struct Growth<const KEPT: usize>(VecDeque<(Instant, (u64, u64))>);

impl<const KEPT: usize> Growth<KEPT> {
    pub(super) fn sample(&mut self, counts: (u64, u64), now: Instant) {
        push(&mut self.0, (now, counts), KEPT);
    }

    /// The growth of each count per second.
    pub(super) fn rates(&self) -> (f64, f64) {
        let then = self.0.get(self.0.len().saturating_sub(RATES));
        let (Some((then, before)), Some((now, after))) = (then, self.0.back()) else {
            return (0.0, 0.0);
        };
        let seconds = now.saturating_duration_since(*then).as_secs_f64();
        if seconds <= 0.0 {
            return (0.0, 0.0);
        }
        let rate = |before: u64, after: u64| rounded(after.saturating_sub(before) as f64 / seconds);
        (rate(before.0, after.0), rate(before.1, after.1))
    }

    /// The growth of each count from sample to sample.
    pub(super) fn steps(&self) -> impl Iterator<Item = (u64, u64)> {
        let pairs = self.0.iter().zip(self.0.iter().skip(1));
        pairs.map(|((_, before), (_, after))| {
            (after.0.saturating_sub(before.0), after.1.saturating_sub(before.1))
        })
    }
}

/// Rounded to thousandths; smaller parts are noise.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

pub(super) fn push<T>(ring: &mut VecDeque<T>, value: T, most: usize) {
    if ring.len() == most {
        ring.pop_front();
    }
    ring.push_back(value);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;

    #[test]
    fn rates_are_over_the_last_ten_seconds() {
        let start = clock::now();
        let mut growth = Growth::<MINUTE>::default();
        assert_eq!(growth.rates(), (0.0, 0.0));
        for second in 0..100 {
            // Ten a second for a minute, then a hundred.
            let requests = if second <= 80 { second * 10 } else { 800 + (second - 80) * 100 };
            growth.sample((requests, requests / 10), start + Duration::from_secs(second));
        }
        assert_eq!(growth.rates(), (100.0, 10.0));
        let steps: Vec<_> = growth.steps().collect();
        assert_eq!((steps.len(), steps[0], steps[59]), (60, (10, 1), (100, 10)));
    }

    #[test]
    fn a_rate_needs_no_more_samples_than_it_spans() {
        let start = clock::now();
        let mut growth = Growth::<RATES>::default();
        for second in 0..100 {
            growth.sample((second * second, 0), start + Duration::from_secs(second));
        }
        assert_eq!(growth.rates(), (188.0, 0.0));
    }
}
