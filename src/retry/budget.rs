//! The number of retries that a pool can afford.
//!
//! When all backends are in trouble, retries multiply the load just when it hurts most. So retries
//! of requests that may have been executed are held to a share of all requests over the last ten
//! seconds, and where there is little traffic, to a fixed number a second. (Finagle's and linkerd's
//! retry budget.)
//!
//! Requests are counted without a lock: each second has a word that holds the second and the number
//! of requests in it. A retry is rare and takes a lock, so that the limit is exact.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use parking_lot::Mutex;

use crate::config::Retry;

/// The length of the window in seconds.
const WINDOW: u64 = 10;
/// The bits of a word that hold the count; the others hold the second.
const COUNT_BITS: u32 = 40;

/// Requests and retries of the last ten seconds.
#[derive(Debug)]
pub struct Budget {
    start: Instant,
    requests: [AtomicU64; WINDOW as usize],
    retries: Mutex<[u64; WINDOW as usize]>,
}

impl Budget {
    /// A budget without requests and retries.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { start: now, requests: Default::default(), retries: Mutex::default() }
    }

    /// Counts a request.
    pub fn note_request(&self, now: Instant) {
        let second = self.second(now);
        let word = &self.requests[slot(second)];
        let seen = word.load(Ordering::Relaxed);
        if second_of(seen) == second {
            word.fetch_add(1, Ordering::Relaxed);
        } else if word
            .compare_exchange(seen, first_of(second), Ordering::Relaxed, Ordering::Relaxed)
            .is_err()
        {
            // Another thread has begun this second.
            word.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether a retry is left at the moment: a cheap check that avoids claiming a backend in vain.
    /// Only [`Budget::try_take`] is authoritative.
    #[must_use]
    pub fn has_left(&self, policy: &Retry, now: Instant) -> bool {
        self.is_within(policy, self.retries.lock().as_slice(), self.second(now))
    }

    /// Takes a retry out of the budget, if one is left.
    #[must_use]
    pub fn try_take(&self, policy: &Retry, now: Instant) -> bool {
        let second = self.second(now);
        let mut retries = self.retries.lock();
        if !self.is_within(policy, retries.as_slice(), second) {
            return false;
        }
        let word = &mut retries[slot(second)];
        *word = if second_of(*word) == second { *word + 1 } else { first_of(second) };
        true
    }

    /// Whether there were fewer retries than are allowed.
    fn is_within(&self, policy: &Retry, retries: &[u64], second: u64) -> bool {
        let requests = self.requests.iter().map(|word| word.load(Ordering::Relaxed));
        let share = recent(requests, second) * u64::from(policy.budget.get()) / 100;
        let floor = u64::from(policy.budget_min) * WINDOW;
        recent(retries.iter().copied(), second) < share.max(floor)
    }

    /// Seconds since the start, counted from 1, so that a word of zero belongs to no second.
    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs() + 1
    }
}

fn slot(second: u64) -> usize {
    usize::try_from(second % WINDOW).unwrap_or_default()
}

fn second_of(word: u64) -> u64 {
    word >> COUNT_BITS
}

fn count_of(word: u64) -> u64 {
    word & ((1 << COUNT_BITS) - 1)
}

/// The word of a second with one request.
fn first_of(second: u64) -> u64 {
    second << COUNT_BITS | 1
}

/// The count in the window that ends with this second.
fn recent(words: impl Iterator<Item = u64>, second: u64) -> u64 {
    let is_recent = |word: &u64| second_of(*word) + WINDOW > second;
    words.filter(is_recent).map(count_of).sum()
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::clock;
    use crate::config::Percent;

    fn policy(budget: u8, budget_min: u32) -> Retry {
        Retry { budget: Percent::new(budget).unwrap(), budget_min, ..Retry::default() }
    }

    fn take_all(budget: &Budget, policy: &Retry, now: Instant) -> usize {
        (0..100_000).take_while(|_| budget.try_take(policy, now)).count()
    }

    #[test]
    fn a_share_of_the_requests_of_ten_seconds_may_be_retried() {
        let start = clock::now();
        let budget = Budget::new(start);
        for second in 0..10 {
            (0..100).for_each(|_| budget.note_request(start + Duration::from_secs(second)));
        }
        let now = start + Duration::from_secs(9);
        assert_eq!(take_all(&budget, &policy(20, 0), now), 200);
    }

    #[test]
    fn asking_whether_a_retry_is_left_takes_nothing() {
        let start = clock::now();
        let budget = Budget::new(start);
        let policy = policy(0, 1);
        for _ in 0..20 {
            assert!(budget.has_left(&policy, start));
        }
        assert_eq!(take_all(&budget, &policy, start), 10);
        assert!(!budget.has_left(&policy, start));
    }

    #[test]
    fn counts_older_than_ten_seconds_are_forgotten() {
        let start = clock::now();
        let budget = Budget::new(start);
        (0..100).for_each(|_| budget.note_request(start));
        assert_eq!(take_all(&budget, &policy(20, 0), start + Duration::from_secs(10)), 0);
        (0..100).for_each(|_| budget.note_request(start + Duration::from_secs(10)));
        assert_eq!(take_all(&budget, &policy(20, 0), start + Duration::from_secs(10)), 20);
        assert_eq!(take_all(&budget, &policy(20, 0), start + Duration::from_secs(19)), 0);
    }

    #[test]
    fn the_minimum_a_second_is_always_allowed() {
        let start = clock::now();
        let budget = Budget::new(start);
        let policy = policy(20, 10);
        assert_eq!(take_all(&budget, &policy, start), 100);
        assert_eq!(take_all(&budget, &policy, start + Duration::from_secs(9)), 0);
        assert_eq!(take_all(&budget, &policy, start + Duration::from_secs(10)), 100);
    }

    #[test]
    fn no_request_is_lost_between_threads_within_a_second() {
        let start = clock::now();
        let budget = Budget::new(start);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| budget.note_request(start)));
            }
        });
        assert_eq!(take_all(&budget, &policy(100, 0), start), 40_000);
    }

    proptest! {
        #![proptest_config(crate::properties::config())]

        /// In each step a number of milliseconds pass, a request comes, and it is retried as often
        /// as the budget allows.
        #[test]
        fn over_any_time_retries_keep_to_the_share_and_the_floor(
            steps in vec((0_u64..2_000, 0_usize..50), 1..200),
            share in 0_u8..=100,
            floor in 0_u32..20,
        ) {
            let start = clock::now();
            let budget = Budget::new(start);
            let policy = policy(share, floor);
            let mut now = start;
            let (mut requests, mut retries) = (0_u64, 0_u64);
            for (later, count) in steps {
                now += Duration::from_millis(later);
                (0..count).for_each(|_| budget.note_request(now));
                requests += count as u64;
                retries += take_all(&budget, &policy, now) as u64;
                let windows = (now - start).as_secs() / WINDOW + 1;
                let least = u64::from(floor) * WINDOW * windows;
                prop_assert!(retries <= requests * u64::from(share) / 100 + least);
            }
        }
    }
}
