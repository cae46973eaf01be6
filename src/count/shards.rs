//! One count in several places, so that threads that add to it do not contend for one cache line.
//!
//! Used for counts that every request adds to. Counts of one backend are not worth it: requests are
//! spread over backends already, and there may be ten thousand backends.

use std::{
    cell::Cell,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// The most shards; more threads than this share them.
const MOST: usize = 8;

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static PLACE: Cell<usize> = Cell::new(THREADS.fetch_add(1, Ordering::Relaxed));
}

/// The same counts, once for each of a few groups of threads.
#[derive(Debug)]
pub struct Shards<T>(Box<[CacheAligned<T>]>);

/// A value in cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct CacheAligned<T>(T);

impl<T: Default> Default for Shards<T> {
    fn default() -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        Self((0..threads.min(MOST)).map(|_| CacheAligned::default()).collect())
    }
}

impl<T> Shards<T> {
    /// Returns the shard that this thread adds to.
    #[must_use]
    pub fn mine(&self) -> &T {
        &self.0[PLACE.get() % self.0.len()].0
    }

    /// Returns every shard.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|apart| &apart.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::Counter;

    #[test]
    fn nothing_is_lost_between_threads() {
        let shards: Shards<Counter> = Shards::default();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| shards.mine().one()));
            }
        });
        assert_eq!(shards.iter().map(Counter::get).sum::<u64>(), 4000);
    }
}
