//! Counts of several threads.

use loom::{sync::Arc, thread};

use super::{counter::Counter, packed::PackedWord, shards::Shards};

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

/// Threads that change the same word at the same moment: what a change was made of is never outdated.
pub fn every_change_of_a_packed_word_is_made_or_said_to_be_lost() {
    let word: Arc<PackedWord> = Arc::default();
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let word = Arc::clone(&word);
            thread::spawn(move || (0..2).filter(|_| word.update(|it| Some(it + 1))).count())
        })
        .collect();
    let made = threads.into_iter().map(|thread| thread.join().expect("it ends"));
    assert_eq!(made.sum::<usize>() as u64, word.get());
}
