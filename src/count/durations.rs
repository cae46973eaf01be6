//! A histogram of durations, which many threads add to.
//!
//! Its unit is 1/1024 of a millisecond, and its buckets are eight for each power of two. So a
//! quantile is at most an eighth off, and every power of two of a millisecond is the edge of a
//! bucket: the few cumulative buckets that Prometheus is told are exact.

use std::time::Duration;

use histogram::{AtomicHistogram, Config, Histogram};

use super::Counter;

/// Ticks in a millisecond.
const TICKS: u64 = 1024;
/// The number of buckets for each power of two, as a power of two.
const GROUPING: u8 = 3;
/// The longest duration, as a power of two of ticks: 131 seconds. A longer one counts as this.
const LONGEST: u8 = 27;
const CONFIG: Config = match Config::new(GROUPING, LONGEST) {
    Ok(config) => config,
    Err(_) => panic!("a histogram cannot be like this"),
};
const MAX: u64 = (1 << LONGEST) - 1;

/// A histogram of durations, and their sum.
#[derive(Debug)]
pub struct DurationHistogram {
    ticks: AtomicHistogram,
    micros: Counter,
}

impl Default for DurationHistogram {
    fn default() -> Self {
        Self { ticks: AtomicHistogram::with_config(&CONFIG), micros: Counter::default() }
    }
}

impl DurationHistogram {
    /// Counts a duration.
    pub fn observe(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let ticks = (micros.saturating_mul(TICKS) / 1000).min(MAX);
        // No value is above the histogram's range.
        let _ = self.ticks.increment(ticks);
        self.micros.add(micros);
    }

    /// Returns everything observed until now.
    #[must_use]
    pub fn get(&self) -> DurationSnapshot {
        DurationSnapshot { ticks: self.ticks.load(), micros: self.micros.get() }
    }
}

/// The durations observed up to a moment, or between two moments.
#[derive(Debug, Clone)]
pub struct DurationSnapshot {
    ticks: Histogram,
    micros: u64,
}

impl Default for DurationSnapshot {
    fn default() -> Self {
        Self { ticks: Histogram::with_config(&CONFIG), micros: 0 }
    }
}

impl DurationSnapshot {
    /// Adds the durations of another snapshot.
    pub fn add(&mut self, other: &Self) {
        // All histograms have the same buckets, and no sum comes near 2^64.
        let _ = self.ticks.checked_add_assign(&other.ticks);
        self.micros = self.micros.wrapping_add(other.micros);
    }

    /// Returns what was added since `earlier`, or everything if `earlier` has more: counting has then
    /// begun again.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            ticks: self.ticks.checked_sub(&earlier.ticks).unwrap_or_else(|_| self.ticks.clone()),
            micros: self.micros.saturating_sub(earlier.micros),
        }
    }

    /// Returns the number of durations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.ticks.as_slice().iter().sum()
    }

    /// Returns the sum of all durations.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.micros)
    }

    /// For each of these powers of two of a millisecond, returns how many durations are no longer.
    #[must_use]
    pub fn up_to<const N: usize>(&self, powers: [i8; N]) -> [u64; N] {
        let mut counts = [0; N];
        for bucket in &self.ticks {
            let bounds = powers.iter().zip(&mut counts);
            for (_, count) in bounds.filter(|(power, _)| bucket.end() < edge(**power)) {
                *count += bucket.count();
            }
        }
        counts
    }

    /// The duration that this share of all durations does not exceed, at most an eighth too long;
    /// `None` if there is no duration.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let bucket = self.ticks.quantile_bucket(share).ok().flatten()?;
        let middle = (bucket.start() + bucket.end()) as f64 / 2.0;
        Some(Duration::from_secs_f64(middle / TICKS as f64 / 1000.0))
    }

    /// The buckets that are not empty: the index of each, and its count.
    pub fn filled(&self) -> impl Iterator<Item = (usize, u64)> {
        let counts = self.ticks.as_slice().iter().copied().enumerate();
        counts.filter(|(_, count)| *count > 0)
    }

    /// Puts together what [`DurationSnapshot::filled`] returned; the sum of the durations is unknown.
    #[must_use]
    pub fn of(filled: impl Iterator<Item = (usize, u64)>) -> Self {
        let mut observed = Self::default();
        let counts = observed.ticks.as_mut_slice();
        for (place, count) in filled {
            if let Some(bucket) = counts.get_mut(place) {
                *bucket += count;
            }
        }
        observed
    }
}

/// The first tick above this power of two of a millisecond.
fn edge(power: i8) -> u64 {
    let ticks = TICKS.trailing_zeros().saturating_add_signed(i32::from(power));
    1_u64.checked_shl(ticks).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(micros: &[u64]) -> DurationSnapshot {
        let durations = DurationHistogram::default();
        micros.iter().for_each(|micros| durations.observe(Duration::from_micros(*micros)));
        durations.get()
    }

    #[test]
    fn a_duration_longer_than_a_bound_is_not_counted_below_it() {
        let observed = of(&[0, 400, 600, 900, 1_100, 2_100, 3_000, 70_000_000, 4_000_000_000]);
        assert_eq!(observed.up_to([-1, 0, 1, 2, 16]), [2, 4, 5, 7, 7]);
        assert_eq!(observed.count(), 9);
        assert_eq!(observed.sum(), Duration::from_micros(4_070_008_100));
    }

    #[test]
    fn quantiles_are_an_eighth_off_at_most() {
        assert_eq!(of(&[]).quantile(0.5), None);
        let all: Vec<u64> = (1..=1000).map(|millis| millis * 1000).collect();
        for (share, expected) in [(0.5, 500.0), (0.95, 950.0), (0.99, 990.0)] {
            let found = of(&all).quantile(share).unwrap().as_secs_f64() * 1000.0;
            assert!((found / expected - 1.0).abs() <= 0.125, "{share}: {found}");
        }
    }

    #[test]
    fn a_part_and_the_rest_add_up() {
        let durations = DurationHistogram::default();
        durations.observe(Duration::from_millis(3));
        let before = durations.get();
        durations.observe(Duration::from_millis(700));
        let mut since = durations.get().since(&before);
        assert_eq!((since.count(), since.sum()), (1, Duration::from_millis(700)));
        assert_eq!(DurationSnapshot::of(since.filled()).quantile(1.0), since.quantile(1.0));
        assert_eq!(
            DurationHistogram::default().get().since(&before).count(),
            0,
            "counting began again"
        );
        since.add(&before);
        assert_eq!((since.count(), since.sum()), (2, Duration::from_millis(703)));
    }
}
