//! A word in which several small values are packed that belong together, so that threads read and
//! change them together without a lock.

use crate::sync::{AtomicU64, Ordering};

/// The number of times that a change is tried. Each time another thread was quicker, so the word moves on
/// in any case; these are estimates, and to lose one sample of many does no harm.
const TRIES: usize = 4;

/// A word that holds packed values.
#[derive(Debug, Default)]
pub struct PackedWord(AtomicU64);

impl PackedWord {
    /// A word with this content.
    #[must_use]
    pub fn new(word: u64) -> Self {
        Self(AtomicU64::new(word))
    }

    /// Returns the word.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Replaces the word, whatever it is.
    pub fn set(&self, word: u64) {
        self.0.store(word, Ordering::Relaxed);
    }

    /// Replaces the word by what `change` makes of it, and leaves it if `change` returns `None` or the
    /// same word: memory that is not written stays in the caches of all threads. Returns false if other
    /// threads changed the word each time, so that this change is lost.
    pub fn update(&self, change: impl Fn(u64) -> Option<u64>) -> bool {
        let mut word = self.get();
        for _ in 0..TRIES {
            let Some(next) = change(word).filter(|next| *next != word) else { return true };
            let order = Ordering::Relaxed;
            match self.0.compare_exchange(word, next, order, order) {
                Ok(_) => return true,
                Err(other) => word = other,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_made_of_the_word_as_it_is() {
        let word = PackedWord::new(7);
        assert!(word.update(|word| Some(word + 1)) && word.update(|_| None));
        assert_eq!(word.get(), 8);
    }

    #[test]
    fn a_change_that_always_comes_too_late_is_given_up_and_said_to_be() {
        let word = PackedWord::default();
        let is_made = word.update(|seen| {
            word.set(seen + 1);
            Some(100)
        });
        assert!(!is_made);
        assert_eq!(word.get(), TRIES as u64);
    }
}
