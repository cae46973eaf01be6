//! Counts of several threads.

use loom::{sync::Arc, thread};

use super::{counter::Counter, shards::Shards};

/// Threads that count in the same place at the same moment.
pub fn no_count_is_lost() {
    let shards: Arc<Shards<Counter>> = Arc::default();
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let shards = Arc::clone(&shards);
            thread::spawn(move || (0..2).for_each(|_| shards.mine().one()))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("it ends"));
    assert_eq!(shards.iter().map(Counter::get).sum::<u64>(), 4);
}
