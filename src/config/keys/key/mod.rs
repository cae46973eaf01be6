//! The definition of a key of the file.
//!
//! A key is defined once. The reader takes the definition and returns the value; the view of the
//! effective configuration takes it and shows the value; the difference of two configurations, the
//! reference, the schema and the documents go through the table of all definitions.

mod group;
mod pairs;

use serde_json::Value;

pub(in crate::config) use group::{Group, mapping};
pub(in crate::config) use pairs::{Pairs, ReadName};

use crate::config::values::{Kind, Shape};

/// The part of a definition that does not depend on the type of its value.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) struct About {
    /// The path, such as `pools.*.backends[].weight`: `*` is any name, `[]` any item.
    pub(in crate::config) path: &'static str,
    /// The purpose of the key, as the comment beside it says it; a whole sentence for keys at the
    /// top of the file.
    pub(in crate::config) doc: &'static str,
    /// A value that documents show if there is no default.
    pub(in crate::config) example: &'static str,
    /// The meaning of a missing value, if there is no default.
    pub(in crate::config) absent: Absent,
    /// Whether a reload is enough to change it.
    pub(in crate::config) apply: Apply,
    /// Whether the value is never shown.
    pub(in crate::config) is_secret: bool,
}

/// The meaning of a key that is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Absent {
    /// The key is required.
    Refused,
    /// Its default holds.
    Default,
    /// It means this, in words.
    Means(&'static str),
}

/// The step that a change of a key's value needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Apply {
    /// A reload.
    Reload,
    /// An upgrade: the value is read once, at the start of a process.
    Upgrade,
}

/// The content that may be written under a key.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) enum Content {
    /// One value.
    Value(Shape),
    /// A list of values, or one of the alternatives to a list.
    List(Shape, Instead),
    /// A mapping with known keys.
    Group(Presence),
    /// A list of mappings with known keys; it must not be empty.
    Items,
    /// A mapping from names to mappings with known keys.
    Names,
    /// A mapping with the optional keys of the mappings at this path.
    Shared(&'static str),
    /// A mapping from names of the author's choice to values.
    Pairs(Shape),
}

/// The alternatives to a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Instead {
    Nothing,
    /// `off`, or a single item.
    OffOrItem,
    /// A single item may replace the list, and the list must not be empty.
    OneItem,
}

/// The meaning of a mapping that is left out, and whether it can be switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Presence {
    /// The defaults of its keys hold.
    Always,
    /// The defaults of its keys hold, unless it is `off`.
    UnlessOff,
    /// It is off.
    IfGiven,
}

/// A row of the table of keys.
pub(in crate::config) trait Row: Sync {
    fn about(&self) -> &About;

    fn content(&self) -> Content;

    /// The description of a value in messages, with an example.
    fn expected(&self) -> &'static str;

    /// The default as the file would have it; `None` without a default.
    fn default(&self) -> Option<Value>;

    /// Whether a text is a value of the key, or an item of its list; the error continues the key.
    fn check(&self, _text: &str) -> Result<(), String> {
        Ok(())
    }

    /// The last part of the path.
    fn name(&self) -> &'static str {
        let path = self.about().path;
        path.rsplit_once('.').map_or(path, |(_, name)| name)
    }
}

/// A key that is required, or whose absence has a meaning of its own.
#[derive(Debug)]
pub(in crate::config) struct Key<T: 'static> {
    pub(in crate::config) about: About,
    pub(in crate::config) kind: Kind<T>,
}

/// A key with a default.
#[derive(Debug)]
pub(in crate::config) struct Preset<T: 'static> {
    pub(in crate::config) key: Key<T>,
    pub(in crate::config) default: fn() -> T,
}

/// A key with a list of values.
#[derive(Debug)]
pub(in crate::config) struct List<T: 'static> {
    about: About,
    pub(in crate::config) kind: Kind<T>,
    /// The description of the list's content, for messages.
    pub(in crate::config) expected: &'static str,
    pub(in crate::config) instead: Instead,
    pub(in crate::config) default: fn() -> Vec<T>,
}

impl About {
    const fn new(path: &'static str, doc: &'static str) -> Self {
        Self {
            path,
            doc,
            example: "",
            absent: Absent::Default,
            apply: Apply::Reload,
            is_secret: false,
        }
    }
}

impl<T> Key<T> {
    /// A required key.
    pub(in crate::config) const fn required(
        path: &'static str,
        kind: Kind<T>,
        example: &'static str,
        doc: &'static str,
    ) -> Self {
        let about = About { example, absent: Absent::Refused, ..About::new(path, doc) };
        Self { about, kind }
    }

    /// An optional key; `means` is the meaning of its absence.
    pub(in crate::config) const fn optional(
        path: &'static str,
        kind: Kind<T>,
        (example, means): (&'static str, &'static str),
        doc: &'static str,
    ) -> Self {
        let about = About { example, absent: Absent::Means(means), ..About::new(path, doc) };
        Self { about, kind }
    }

    pub(in crate::config) const fn needs_upgrade(self) -> Self {
        Self { about: About { apply: Apply::Upgrade, ..self.about }, kind: self.kind }
    }

    pub(in crate::config) const fn secret(self) -> Self {
        Self { about: About { is_secret: true, ..self.about }, kind: self.kind }
    }

    /// The name and the value as the file has them; `null` without a value.
    pub(in crate::config) fn show(&self, value: Option<&T>) -> (&'static str, Value) {
        (self.name(), value.map_or(Value::Null, self.kind.show))
    }
}

impl<T> Preset<T> {
    pub(in crate::config) const fn new(
        path: &'static str,
        kind: Kind<T>,
        default: fn() -> T,
        doc: &'static str,
    ) -> Self {
        Self { key: Key { about: About::new(path, doc), kind }, default }
    }

    pub(in crate::config) const fn needs_upgrade(self) -> Self {
        Self { key: self.key.needs_upgrade(), default: self.default }
    }

    /// The name and the value as the file has them.
    pub(in crate::config) fn show(&self, value: &T) -> (&'static str, Value) {
        self.key.show(Some(value))
    }
}

impl<T> List<T> {
    pub(in crate::config) const fn new(
        path: &'static str,
        kind: Kind<T>,
        expected: &'static str,
        doc: &'static str,
    ) -> Self {
        let about = About::new(path, doc);
        Self { about, kind, expected, instead: Instead::Nothing, default: Vec::new }
    }

    /// The list with an alternative and a default.
    pub(in crate::config) const fn or(self, instead: Instead, default: fn() -> Vec<T>) -> Self {
        Self { instead, default, ..self }
    }

    /// An optional list; `means` is the meaning of its absence.
    pub(in crate::config) const fn optional(
        self,
        example: &'static str,
        means: &'static str,
    ) -> Self {
        let about = About { example, absent: Absent::Means(means), ..self.about };
        Self { about, ..self }
    }

    /// The name and the values as the file has them.
    pub(in crate::config) fn show(&self, values: &[T]) -> (&'static str, Value) {
        (self.name(), values.iter().map(self.kind.show).collect())
    }
}

impl<T> Row for Key<T> {
    fn check(&self, text: &str) -> Result<(), String> {
        (self.kind.parse)(text).map(drop)
    }

    fn about(&self) -> &About {
        &self.about
    }

    fn content(&self) -> Content {
        Content::Value(self.kind.shape)
    }

    fn expected(&self) -> &'static str {
        self.kind.expected
    }

    fn default(&self) -> Option<Value> {
        None
    }
}

impl<T> Row for Preset<T> {
    fn check(&self, text: &str) -> Result<(), String> {
        self.key.check(text)
    }

    fn about(&self) -> &About {
        &self.key.about
    }

    fn content(&self) -> Content {
        self.key.content()
    }

    fn expected(&self) -> &'static str {
        self.key.kind.expected
    }

    fn default(&self) -> Option<Value> {
        Some((self.key.kind.show)(&(self.default)()))
    }
}

impl<T> Row for List<T> {
    fn check(&self, text: &str) -> Result<(), String> {
        (self.kind.parse)(text).map(drop)
    }

    fn about(&self) -> &About {
        &self.about
    }

    fn content(&self) -> Content {
        Content::List(self.kind.shape, self.instead)
    }

    fn expected(&self) -> &'static str {
        self.expected
    }

    fn default(&self) -> Option<Value> {
        let is_default = self.about.absent == Absent::Default;
        let values = self.show(&(self.default)()).1;
        is_default.then(|| match (self.instead, values) {
            (Instead::OneItem, Value::Array(mut values)) if values.len() == 1 => values.remove(0),
            (_, values) => values,
        })
    }
}
