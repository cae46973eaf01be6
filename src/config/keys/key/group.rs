//! A key with a mapping of known keys, or with several of these.

use serde_json::{Value, json};

use super::{About, Absent, Content, Presence, Row};

/// A key with a mapping, or with a list of mappings.
#[derive(Debug)]
pub(in crate::config) struct Group {
    about: About,
    content: Content,
    /// The description of the mapping, for messages.
    pub(in crate::config) expected: &'static str,
}

impl Group {
    /// A mapping with known keys.
    pub(in crate::config) const fn new(
        path: &'static str,
        presence: Presence,
        expected: &'static str,
        doc: &'static str,
    ) -> Self {
        let absent = match presence {
            Presence::Always | Presence::UnlessOff => Absent::Default,
            Presence::IfGiven => Absent::Means("off"),
        };
        let about = About { absent, ..About::new(path, doc) };
        Self { about, content: Content::Group(presence), expected }
    }

    /// A list of mappings, or a mapping of mappings.
    pub(in crate::config) const fn several(
        path: &'static str,
        content: Content,
        expected: &'static str,
        doc: &'static str,
    ) -> Self {
        let about = About { absent: Absent::Refused, ..About::new(path, doc) };
        Self { about, content, expected }
    }

    /// A list or mapping that may be left out; `means` is the meaning of its absence.
    pub(in crate::config) const fn unless(self, means: &'static str) -> Self {
        let about = About { absent: Absent::Means(means), ..self.about };
        Self { about, ..self }
    }

    /// The name, and the mapping with these entries, without empty ones.
    pub(in crate::config) fn show(
        &self,
        entries: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> (&'static str, Value) {
        (self.name(), mapping(entries))
    }

    /// Like [`Group::show`], or `off`.
    pub(in crate::config) fn show_or_off<const N: usize>(
        &self,
        entries: Option<[(&'static str, Value); N]>,
    ) -> (&'static str, Value) {
        (self.name(), entries.map_or(json!("off"), mapping))
    }
}

/// A mapping of these entries, without empty ones.
pub(in crate::config) fn mapping(
    entries: impl IntoIterator<Item = (&'static str, Value)>,
) -> Value {
    let there = entries.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(there.map(|(key, value)| (key.to_owned(), value)).collect())
}

impl Row for Group {
    fn about(&self) -> &About {
        &self.about
    }

    fn content(&self) -> Content {
        self.content
    }

    fn expected(&self) -> &'static str {
        self.expected
    }

    fn default(&self) -> Option<Value> {
        None
    }
}
