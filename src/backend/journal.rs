//! The most recent state changes, as values: the source of the event stream. The process log has
//! the same changes as text.
//!
//! The last [`KEPT`] entries are kept, each with a number, so that a reader that comes back gets
//! the entries it has missed.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;

use super::id::BackendNames;
use crate::config::PoolName;

/// The number of entries that are kept.
const KEPT: usize = 256;

/// One state change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// When it happened.
    pub time: SystemTime,
    /// The pool, if it concerns one.
    pub pool: Option<PoolName>,
    /// The backend, if it concerns one.
    pub backend: Option<Arc<BackendNames>>,
    /// The kind of change, in one word.
    pub event: &'static str,
    /// What happened, as a person would say it.
    pub text: String,
    /// The reason, or the new value, as a word or a number for programs.
    pub reason: Option<String>,
    /// How long it lasts, if that is limited.
    pub lasts: Option<Duration>,
    /// The operator who asked for it, if one did.
    pub by: Option<String>,
}

/// The most recent state changes.
#[derive(Debug, Default)]
pub struct Journal {
    /// The number of the last entry.
    last: AtomicU64,
    entries: Mutex<VecDeque<(u64, JournalEntry)>>,
}

impl Journal {
    /// Appends a state change.
    pub fn append(&self, entry: JournalEntry) {
        let mut entries = self.entries.lock();
        let number = self.last() + 1;
        if entries.len() == KEPT {
            entries.pop_front();
        }
        entries.push_back((number, entry));
        self.last.store(number, Ordering::Release);
    }

    /// The number of the last entry; 0 before the first.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// The entries after this number that are still kept, oldest first, each with its number.
    #[must_use]
    pub fn after(&self, number: u64) -> Vec<(u64, JournalEntry)> {
        let entries = self.entries.lock();
        entries.iter().filter(|(own, _)| *own > number).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_entries_are_kept_and_returned_once() {
        let journal = Journal::default();
        assert_eq!((journal.last(), journal.after(0)), (0, vec![]));
        for _ in 0..KEPT + 3 {
            journal.append(JournalEntry {
                time: SystemTime::UNIX_EPOCH,
                pool: None,
                backend: None,
                event: "reloaded",
                text: "configuration reloaded".to_owned(),
                reason: None,
                lasts: None,
                by: None,
            });
        }
        let numbers = |after| journal.after(after).iter().map(|(own, _)| *own).collect::<Vec<_>>();
        let last = journal.last();
        assert_eq!(last, KEPT as u64 + 3);
        assert_eq!(numbers(0).len(), KEPT);
        assert_eq!(numbers(0)[0], 4);
        assert_eq!(numbers(last - 2), [last - 1, last]);
        assert!(numbers(last).is_empty());
    }
}
