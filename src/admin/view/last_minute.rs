//! Rates and latencies of the last minute, from counts that only grow. They are sampled once a second by
//! the admin listener, so that the request path has no part in it.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::{Duration, Instant},
};

use crate::admin::view;
use crate::backend::Address;
use crate::config::PoolName;
use crate::count::{DurationHistogram, DurationSnapshot, StatusClass};
use crate::generation::Current;
use crate::pool::Pool;

/// The time between two samples.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);
/// The samples of a minute, and the one before it.
const SAMPLES: usize = 61;
/// The number of samples that a rate spans.
const RATE_SAMPLES: usize = 10;
/// The number of samples in a slice of latencies.
const SLICE: usize = 5;
/// The number of slices that latencies are shown over.
const SLICE_COUNT: usize = 12;

/// The samples of the last minute.
#[derive(Debug, Default)]
pub(in crate::admin) struct LastMinute {
    taken: usize,
    pools: HashMap<PoolName, PoolHistory>,
    backends: HashMap<(PoolName, Address), BackendHistory>,
}

#[derive(Debug, Default)]
pub(super) struct PoolHistory {
    requests: Growth,
    latency: Slices,
    p99_ms: VecDeque<Option<f64>>,
}

#[derive(Debug, Default)]
pub(super) struct BackendHistory {
    attempts: Growth,
    latency: Slices,
    first_byte: Slices,
}

impl LastMinute {
    /// Takes a sample of every count.
    pub(super) fn sample(&mut self, current: &Current, now: Instant) {
        self.taken += 1;
        let is_slice = self.taken.is_multiple_of(SLICE);
        let generation = current.pin();
        let mut known = HashSet::new();
        for pool in generation.pools() {
            let samples = self.pools.entry(pool.name().clone()).or_default();
            samples.sample(pool, is_slice, now);
            for seen in pool.backends(now) {
                let key = (pool.name().clone(), seen.endpoint.address.clone());
                let counts = seen.backend.counts();
                let samples = self.backends.entry(key.clone()).or_default();
                samples.attempts.sample(counts.attempts(), now);
                if is_slice {
                    samples.latency.cut(&counts.latency.get());
                    samples.first_byte.cut(&counts.first_byte.get());
                }
                known.insert(key);
            }
        }
        self.backends.retain(|key, _| known.contains(key));
        self.pools.retain(|name, _| generation.pool(name).is_some());
    }

    pub(super) fn pool(&self, name: &PoolName) -> Option<&PoolHistory> {
        self.pools.get(name)
    }

    pub(super) fn backend(&self, pool: &PoolName, address: &Address) -> Option<&BackendHistory> {
        self.backends.get(&(pool.clone(), address.clone()))
    }
}

/// A pool's requests that have ended, and those of them that were answered with an error.
pub(super) fn requests_and_errors(pool: &Pool) -> (u64, u64) {
    let responses = pool.counts().responses();
    (responses.iter().sum(), responses[StatusClass::ServerError as usize])
}

impl PoolHistory {
    fn sample(&mut self, pool: &Pool, is_slice: bool, now: Instant) {
        self.requests.sample(requests_and_errors(pool), now);
        if is_slice {
            self.latency.cut(&pool.counts().latency());
        }
        let slice = self.latency.last().filter(|_| is_slice);
        let p99_ms = match slice {
            Some(slice) => slice.quantile(0.99).map(millis),
            None => self.p99_ms.back().copied().flatten(),
        };
        push(&mut self.p99_ms, p99_ms, SAMPLES - 1);
        if is_slice {
            // The slice covers the samples before this one, too.
            let recent = self.p99_ms.iter_mut().rev().take(SLICE);
            recent.for_each(|earlier| *earlier = p99_ms);
        }
    }

    /// Requests and errors a second.
    pub(super) fn rates(&self) -> (f64, f64) {
        self.requests.rates()
    }

    pub(super) fn latency(&self, up_to_now: &DurationSnapshot) -> view::Quantiles {
        self.latency.quantiles(up_to_now)
    }

    pub(super) fn history(&self) -> view::History {
        let (requests, errors): (Vec<_>, Vec<_>) = self.requests.steps().unzip();
        let p99_ms = self.p99_ms.iter().copied();
        let surplus = self.p99_ms.len().saturating_sub(requests.len());
        view::History { requests, errors, p99_ms: p99_ms.skip(surplus).collect() }
    }
}

impl BackendHistory {
    /// Attempts, and those that failed, a second.
    pub(super) fn rates(&self) -> (f64, f64) {
        self.attempts.rates()
    }

    pub(super) fn latency(&self, up_to_now: &DurationHistogram) -> view::Quantiles {
        self.latency.quantiles(&up_to_now.get())
    }

    pub(super) fn first_byte(&self, up_to_now: &DurationHistogram) -> view::Quantiles {
        self.first_byte.quantiles(&up_to_now.get())
    }
}

/// Two counts at each sample of the last minute.
#[derive(Debug, Default)]
struct Growth(VecDeque<(Instant, (u64, u64))>);

impl Growth {
    fn sample(&mut self, counts: (u64, u64), now: Instant) {
        push(&mut self.0, (now, counts), SAMPLES);
    }

    /// The growth of each count per second.
    fn rates(&self) -> (f64, f64) {
        let then = self.0.get(self.0.len().saturating_sub(RATE_SAMPLES + 1));
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
    fn steps(&self) -> impl Iterator<Item = (u64, u64)> {
        let pairs = self.0.iter().zip(self.0.iter().skip(1));
        pairs.map(|((_, before), (_, after))| {
            (after.0.saturating_sub(before.0), after.1.saturating_sub(before.1))
        })
    }
}

/// Buckets of a histogram that are not empty.
type Filled = Vec<(usize, u64)>;

/// A minute of durations, in slices. Most buckets are empty, so only the others are kept.
#[derive(Debug, Default)]
struct Slices {
    slices: VecDeque<Filled>,
    /// Everything before the current slice.
    before: Filled,
}

impl Slices {
    fn cut(&mut self, up_to_now: &DurationSnapshot) {
        let slice = self.current(up_to_now).filled().collect();
        push(&mut self.slices, slice, SLICE_COUNT);
        self.before = up_to_now.filled().collect();
    }

    /// The current slice.
    fn current(&self, up_to_now: &DurationSnapshot) -> DurationSnapshot {
        up_to_now.since(&DurationSnapshot::of(self.before.iter().copied()))
    }

    fn last(&self) -> Option<DurationSnapshot> {
        self.slices.back().map(|slice| DurationSnapshot::of(slice.iter().copied()))
    }

    fn quantiles(&self, up_to_now: &DurationSnapshot) -> view::Quantiles {
        let mut all = DurationSnapshot::of(self.slices.iter().flatten().copied());
        all.add(&self.current(up_to_now));
        let millis = |share| all.quantile(share).map(millis);
        view::Quantiles { p50_ms: millis(0.5), p95_ms: millis(0.95), p99_ms: millis(0.99) }
    }
}

/// Rounded to a microsecond, which is far below what is known.
pub(super) fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

/// Rounded to thousandths; smaller parts are noise.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn push<T>(ring: &mut VecDeque<T>, value: T, most: usize) {
    if ring.len() == most {
        ring.pop_front();
    }
    ring.push_back(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn rates_are_over_the_last_ten_seconds() {
        let start = clock::now();
        let mut growth = Growth::default();
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
    fn quantiles_are_of_the_last_minute_and_the_slice_that_has_begun() {
        let durations = DurationHistogram::default();
        let mut slices = Slices::default();
        assert_eq!(slices.quantiles(&durations.get()), view::Quantiles::default());
        durations.observe(Duration::from_millis(1000));
        let p99 = |slices: &Slices| slices.quantiles(&durations.get()).p99_ms.unwrap();
        assert!((p99(&slices) / 1000.0 - 1.0).abs() < 0.125);
        slices.cut(&durations.get());
        for _ in 0..SLICE_COUNT {
            durations.observe(Duration::from_millis(10));
            assert!(p99(&slices) > 800.0);
            slices.cut(&durations.get());
        }
        durations.observe(Duration::from_millis(10));
        assert!((p99(&slices) / 10.0 - 1.0).abs() < 0.125);
    }
}
