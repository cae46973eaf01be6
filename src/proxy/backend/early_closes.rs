//! Counts of idle connections that a backend has closed before `lb` would have.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    time::Duration,
};

use parking_lot::Mutex;

use crate::doctor::EarlyCloses;

/// The latest ages that are kept for each backend: enough to see a pattern.
const LATEST: usize = 16;
/// The most backends that are counted, so that a configuration which changes for years costs no memory.
const MOST: usize = 4096;

/// The counts of all backends. A note takes a lock, which is no burden, because such an end is rare.
#[derive(Debug, Default)]
pub(super) struct EarlyClosesByBackend(Mutex<BTreeMap<SocketAddr, Ages>>);

#[derive(Debug, Default)]
struct Ages {
    count: u64,
    kept: Duration,
    latest: VecDeque<Duration>,
}

impl EarlyClosesByBackend {
    /// Notes that a backend has closed a connection which had been idle for `age`, and which would have
    /// been kept for `kept`.
    pub(super) fn note(&self, backend: SocketAddr, age: Duration, kept: Duration) {
        let mut backends = self.0.lock();
        if backends.len() >= MOST && !backends.contains_key(&backend) {
            return;
        }
        let ages = backends.entry(backend).or_default();
        ages.count += 1;
        ages.kept = kept;
        ages.latest.truncate(LATEST - 1);
        ages.latest.push_front(age);
    }

    /// The counts, by address.
    pub(super) fn all(&self) -> Vec<EarlyCloses> {
        let millis = |time: &Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let backends = self.0.lock();
        let counts = backends.iter().map(|(address, ages)| EarlyCloses {
            address: *address,
            count: ages.count,
            kept_ms: millis(&ages.kept),
            latest_ms: ages.latest.iter().map(millis).collect(),
        });
        counts.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_latest_are_known() {
        let counts = EarlyClosesByBackend::default();
        let backend: SocketAddr = "127.0.0.1:9001".parse().unwrap();
        for age in 1..=20 {
            counts.note(backend, Duration::from_secs(age), Duration::from_secs(60));
        }
        let latest_ms = (5..=20).rev().map(|age| age * 1000).collect();
        let expected = EarlyCloses { address: backend, count: 20, kept_ms: 60_000, latest_ms };
        assert_eq!(counts.all(), [expected]);
    }
}
