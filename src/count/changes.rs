//! A version number for values that threads read word by word.
//!
//! A reader that keeps a copy takes the version first and the words after it. If the version is
//! still the same later, the copy has every change that was counted by then. A copy may be newer
//! than its version, and is then taken again in vain, but never older.

use crate::sync::{AtomicU64, Ordering};

/// Counts changes, for readers that keep a copy of the values.
#[derive(Debug, Default)]
pub struct Changes(AtomicU64);

impl Changes {
    /// Counts a change. Call it after every word of the change was stored.
    pub fn note(&self) {
        // A reader that sees this count sees the words that were stored before.
        self.0.fetch_add(1, Ordering::Release);
    }

    /// Returns the count. Call it before the words are read that make a copy.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}
