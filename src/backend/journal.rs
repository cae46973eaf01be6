//! What has happened lately, for whoever wants to see it happen: the same as the log says, as values.
//!
//! So many of the last are kept, each with a number, so that a reader who comes back is told what it
//! has missed.

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

/// So many are kept.
const KEPT: usize = 256;

/// Something that has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// When.
    pub time: SystemTime,
    /// In which pool.
    pub pool: Option<PoolName>,
    /// To which backend.
    pub backend: Option<Arc<BackendNames>>,
    /// What, in one word.
    pub event: &'static str,
    /// Why, or to what.
    pub reason: Option<String>,
    /// For how long.
    pub lasts: Option<Duration>,
    /// Who asked for it.
    pub by: Option<String>,
}

/// The last things that happened.
#[derive(Debug, Default)]
pub struct Journal {
    /// The number of the last one.
    last: AtomicU64,
    entries: Mutex<VecDeque<(u64, JournalEntry)>>,
}

impl Journal {
    /// Something has happened.
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

    /// Everything after this number that is still known, oldest first, each with its number.
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
    fn the_last_are_kept_and_told_once() {
        let journal = Journal::default();
        assert_eq!((journal.last(), journal.after(0)), (0, vec![]));
        for _ in 0..KEPT + 3 {
            journal.append(JournalEntry {
                time: SystemTime::UNIX_EPOCH,
                pool: None,
                backend: None,
                event: "reloaded",
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
