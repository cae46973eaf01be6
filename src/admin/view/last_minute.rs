//! Rates and latencies of the last minute, from counts that only grow. They are sampled once a second by
//! the admin listener, so that the request path has no part in it.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::{Duration, Instant},
};

use super::growth::{Growth, MINUTE, RATES, push};
use crate::admin::view;
use crate::backend::Address;
use crate::config::{HostPattern, PoolName, Route};
use crate::count::{DurationHistogram, DurationSnapshot, StatusClass};
use crate::generation::{Current, Generation};
use crate::pool::Pool;

/// The time between two samples.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);
/// The number of samples in a slice of latencies.
const SLICE: usize = 5;
/// The number of slices that latencies are shown over.
const SLICE_COUNT: usize = 12;

/// The samples of the last minute.
#[derive(Debug, Default)]
pub(in crate::admin) struct LastMinute {
    taken: usize,
    listeners: HashMap<String, ListenerHistory>,
    /// By [`route_key`].
    routes: HashMap<String, Growth<RATES>>,
    pools: HashMap<PoolName, PoolHistory>,
    backends: HashMap<(PoolName, Address), BackendHistory>,
}

/// Requests with errors, and bytes of requests and responses.
#[derive(Debug, Default)]
pub(super) struct ListenerHistory {
    requests: Growth<RATES>,
    bytes: Growth<RATES>,
}

#[derive(Debug, Default)]
pub(super) struct PoolHistory {
    requests: Growth<MINUTE>,
    bytes: Growth<RATES>,
    latency: Slices,
    p99_ms: VecDeque<Option<f64>>,
}

#[derive(Debug, Default)]
pub(super) struct BackendHistory {
    attempts: Growth<RATES>,
    latency: Slices,
    first_byte: Slices,
}

impl LastMinute {
    /// Takes a sample of every count.
    pub(super) fn sample(&mut self, current: &Current, now: Instant) {
        self.taken += 1;
        let is_slice = self.taken.is_multiple_of(SLICE);
        let generation = current.pin();
        self.sample_entrances(current, &generation, now);
        let mut known = HashSet::new();
        for pool in generation.pools() {
            let samples = self.pools.entry(pool.name().clone()).or_default();
            samples.sample(pool, is_slice, now);
            let mut bytes = (0, 0);
            for seen in pool.backends(now) {
                let key = (pool.name().clone(), seen.endpoint.address.clone());
                let counts = seen.backend.counts();
                let samples = self.backends.entry(key.clone()).or_default();
                samples.attempts.sample(counts.attempts(), now);
                bytes = (bytes.0 + counts.sent.get(), bytes.1 + counts.received.get());
                if is_slice {
                    samples.latency.cut(&counts.latency.get());
                    samples.first_byte.cut(&counts.first_byte.get());
                }
                known.insert(key);
            }
            if let Some(samples) = self.pools.get_mut(pool.name()) {
                samples.bytes.sample(bytes, now);
            }
        }
        self.backends.retain(|key, _| known.contains(key));
        self.pools.retain(|name, _| generation.pool(name).is_some());
    }

    /// Takes a sample of the counts of listeners and routes.
    fn sample_entrances(&mut self, current: &Current, generation: &Generation, now: Instant) {
        for counts in current.listeners() {
            let samples = self.listeners.entry(counts.address().to_owned()).or_default();
            samples.requests.sample(all_and_errors(counts.responses()), now);
            samples.bytes.sample((counts.received(), counts.sent()), now);
        }
        let mut known = HashSet::new();
        for (route, target) in generation.targets() {
            let key = route_key(route);
            let samples = self.routes.entry(key.clone()).or_default();
            samples.sample(all_and_errors(target.state().responses()), now);
            known.insert(key);
        }
        self.routes.retain(|key, _| known.contains(key));
    }

    pub(super) fn listener(&self, address: &str) -> Option<&ListenerHistory> {
        self.listeners.get(address)
    }

    /// Requests and errors a second of a route.
    pub(super) fn route(&self, route: &Route) -> (f64, f64) {
        self.routes.get(&route_key(route)).map(Growth::rates).unwrap_or_default()
    }

    pub(super) fn pool(&self, name: &PoolName) -> Option<&PoolHistory> {
        self.pools.get(name)
    }

    pub(super) fn backend(&self, pool: &PoolName, address: &Address) -> Option<&BackendHistory> {
        self.backends.get(&(pool.clone(), address.clone()))
    }
}

/// The key of a route: a host has no slash, and a path begins with one.
fn route_key(route: &Route) -> String {
    let host = route.host.as_ref().map(HostPattern::to_string).unwrap_or_default();
    format!("{host}{}", route.path.as_str())
}

/// Requests that have ended, and those of them that were answered with an error.
pub(super) fn all_and_errors(responses: [u64; StatusClass::ALL.len()]) -> (u64, u64) {
    (responses.iter().sum(), responses[StatusClass::ServerError as usize])
}

impl ListenerHistory {
    /// Requests and errors a second.
    pub(super) fn rates(&self) -> (f64, f64) {
        self.requests.rates()
    }

    /// Bytes of requests and of responses a second.
    pub(super) fn byte_rates(&self) -> (f64, f64) {
        self.bytes.rates()
    }
}

impl PoolHistory {
    fn sample(&mut self, pool: &Pool, is_slice: bool, now: Instant) {
        self.requests.sample(all_and_errors(pool.counts().responses()), now);
        if is_slice {
            self.latency.cut(&pool.counts().latency());
        }
        let slice = self.latency.last().filter(|_| is_slice);
        let p99_ms = match slice {
            Some(slice) => slice.quantile(0.99).map(millis),
            None => self.p99_ms.back().copied().flatten(),
        };
        push(&mut self.p99_ms, p99_ms, MINUTE - 1);
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

    /// Bytes of requests and of responses a second.
    pub(super) fn byte_rates(&self) -> (f64, f64) {
        self.bytes.rates()
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

#[cfg(test)]
mod tests {
    use super::*;

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
