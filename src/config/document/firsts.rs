//! Values that must not be given twice, and the place where each was given first.

use std::{
    collections::{HashMap, hash_map},
    hash::Hash,
};

use super::{cursor::Cursor, tree::Mark};

/// The first place of each value.
#[derive(Debug)]
pub(in crate::config) struct Firsts<T>(HashMap<T, (String, Mark)>);

impl<T> Default for Firsts<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Eq + Hash> Firsts<T> {
    /// Returns the earlier place of this value, in words for a reader of the line of `cursor`; if there is none, notes this one as the
    /// first.
    pub(in crate::config) fn earlier(&mut self, value: T, cursor: &Cursor<'_>) -> Option<String> {
        match self.0.entry(value) {
            hash_map::Entry::Occupied(entry) => {
                let (key, mark) = entry.get();
                Some(format!("{key} on {}", mark.seen_from(cursor.mark())))
            }
            hash_map::Entry::Vacant(entry) => {
                entry.insert((cursor.key().to_owned(), cursor.mark().clone()));
                None
            }
        }
    }
}
