//! Random numbers for the request path: seeded, shared by all threads, without a lock.
//!
//! Threads share one counter, and each request mixes its own stream from the number it drew. A
//! generator for each thread would be faster by one atomic addition, but then the sequence would
//! depend on which thread ran, and a test could not repeat it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Odd, so that all 2^64 streams come before one repeats, and unlike the generator's own step, so
/// that neighbouring streams do not overlap.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// A source of streams of random numbers.
#[derive(Debug)]
pub(super) struct Random {
    next: AtomicU64,
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self { next: AtomicU64::new(seed) }
    }

    /// A source of the same streams.
    pub(super) fn copy(&self) -> Self {
        Self::new(self.next.load(Ordering::Relaxed))
    }

    /// Numbers for one request.
    pub(super) fn stream(&self) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.next.fetch_add(STEP, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_is_one_sequence() {
        let (a, b, other) = (Random::new(7), Random::new(7), Random::new(8));
        let draw = |random: &Random| -> Vec<u64> {
            (0..100).map(|_| random.stream().u64(..)).collect::<Vec<_>>()
        };
        let first = draw(&a);
        assert_eq!(first, draw(&b));
        assert_ne!(first, draw(&other));
    }

    #[test]
    fn the_first_numbers_of_many_streams_are_spread_evenly() {
        let random = Random::new(7);
        let mut counts = [0_u32; 10];
        for _ in 0..100_000 {
            counts[random.stream().usize(0..10)] += 1;
        }
        assert!(counts.iter().all(|count| (9_500..=10_500).contains(count)), "{counts:?}");
    }
}
