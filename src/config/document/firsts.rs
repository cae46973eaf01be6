//! Values that must not be given twice, and the place where each was given first.

use std::{
    collections::{HashMap, hash_map},
    hash::Hash,
};

use super::cursor::Cursor;

/// The first place of each value.
#[derive(Debug)]
pub(in crate::config) struct Firsts<T>(HashMap<T, String>);

impl<T> Default for Firsts<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Eq + Hash> Firsts<T> {
    /// Returns the earlier place of this value, in words; if there is none, notes this one as the
    /// first.
    pub(in crate::config) fn earlier(&mut self, value: T, cursor: &Cursor<'_>) -> Option<String> {
        match self.0.entry(value) {
            hash_map::Entry::Occupied(entry) => Some(entry.get().clone()),
            hash_map::Entry::Vacant(entry) => {
                entry.insert(cursor.place());
                None
            }
        }
    }
}
