//! A key with a mapping from names of the author's choice to values.

use serde_json::Value;

use super::{About, Absent, Content, Row};
use crate::config::values::Kind;

/// Reads a name; the error is the end of a message.
pub(in crate::config) type ReadName = fn(&str) -> Result<Box<str>, String>;

/// A key with a mapping from names of the author's choice to values.
#[derive(Debug)]
pub(in crate::config) struct Pairs<T: 'static> {
    about: About,
    pub(in crate::config) name: ReadName,
    pub(in crate::config) kind: Kind<T>,
    /// The description of the mapping, for messages.
    pub(in crate::config) expected: &'static str,
}

impl<T> Pairs<T> {
    /// An optional mapping; `means` is the meaning of its absence.
    pub(in crate::config) const fn optional(
        path: &'static str,
        (name, kind): (ReadName, Kind<T>),
        (expected, example, means): (&'static str, &'static str, &'static str),
        doc: &'static str,
    ) -> Self {
        let about = About { example, absent: Absent::Means(means), ..About::new(path, doc) };
        Self { about, name, kind, expected }
    }

    pub(in crate::config) const fn secret(self) -> Self {
        Self { about: About { is_secret: true, ..self.about }, ..self }
    }

    /// The name and the mapping as the file has them; `null` for an empty one.
    pub(in crate::config) fn show(&self, pairs: &[(Box<str>, T)]) -> (&'static str, Value) {
        let entries = pairs.iter().map(|(name, value)| (name.to_string(), (self.kind.show)(value)));
        let mapping = Value::Object(entries.collect());
        (self.name(), if pairs.is_empty() { Value::Null } else { mapping })
    }
}

impl<T> Row for Pairs<T> {
    fn check(&self, text: &str) -> Result<(), String> {
        (self.kind.parse)(text).map(drop)
    }

    fn about(&self) -> &About {
        &self.about
    }

    fn content(&self) -> Content {
        Content::Pairs(self.kind.shape)
    }

    fn expected(&self) -> &'static str {
        self.expected
    }

    fn default(&self) -> Option<Value> {
        None
    }
}
