//! The selector's snapshot: the words are the backends' states, a copy of them is the snapshot.

use loom::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use super::renewed::Renewed;
use crate::count::Changes;

#[derive(Default)]
struct Backends {
    words: [AtomicU64; 2],
    changes: Changes,
}

#[derive(Clone, Copy)]
struct Snapshot {
    changes: u64,
    words: [u64; 2],
}

impl Backends {
    fn change(&self, word: usize) {
        self.words[word].store(1, Ordering::Relaxed);
        self.changes.note();
    }

    /// In the order of `Members::snapshot`.
    fn snapshot(&self) -> Snapshot {
        let changes = self.changes.get();
        let words = self.words.each_ref().map(|word| word.load(Ordering::Relaxed));
        Snapshot { changes, words }
    }
}

/// A snapshot that is current has every change that was counted, whichever thread renewed it.
pub fn a_current_snapshot_has_every_counted_change() {
    let backends = Arc::new(Backends::default());
    let renewed = Arc::new(Renewed::new(backends.snapshot()));
    let changing = Arc::clone(&backends);
    let roster = thread::spawn(move || (0..2).for_each(|word| changing.change(word)));
    let pick = |backends: &Backends, renewed: &Renewed<Snapshot>| {
        let is_current = |snapshot: &Snapshot| snapshot.changes == backends.changes.get();
        let snapshot = renewed.get(is_current, |_| backends.snapshot());
        // Changes come in order here, so their count says which words they are.
        let seen = usize::try_from(snapshot.changes).expect("two at most");
        assert!(snapshot.words[..seen].iter().all(|word| *word == 1), "a change is missing");
    };
    let (other_backends, other_renewed) = (Arc::clone(&backends), Arc::clone(&renewed));
    let other = thread::spawn(move || pick(&other_backends, &other_renewed));
    pick(&backends, &renewed);
    roster.join().expect("it ends");
    other.join().expect("it ends");
    pick(&backends, &renewed);
    let snapshot = renewed.get(|it| it.changes == backends.changes.get(), |_| backends.snapshot());
    assert_eq!(snapshot.words, [1, 1], "nothing is outdated for good");
}
