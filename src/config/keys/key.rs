//! What a key of the file is.
//!
//! A key is defined once. The reader takes the definition and gives the value; the view of what
//! serves takes it and shows the value; the difference of two configurations, the reference, the
//! schema and its documents go through the table of all definitions.

use serde_json::{Value, json};

use crate::config::values::{Kind, Shape};

/// What every definition says, whatever the type of its value.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) struct About {
    /// `pools.*.backends[].weight`: `*` is any name, `[]` any item.
    pub(in crate::config) path: &'static str,
    /// What it is for, in the words of the comment beside it; a whole sentence at the top of the file.
    pub(in crate::config) doc: &'static str,
    /// A value, where documents show one and there is no default.
    pub(in crate::config) example: &'static str,
    /// What holds without a value, where there is no default.
    pub(in crate::config) absent: Absent,
    /// Whether a reload is enough to change it.
    pub(in crate::config) apply: Apply,
    /// Whether the value is never shown.
    pub(in crate::config) is_secret: bool,
}

/// What it means that a key is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Absent {
    /// That is an error.
    Refused,
    /// Its default holds.
    Default,
    /// This holds, in words.
    Means(&'static str),
}

/// What it takes to change the value of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Apply {
    /// A reload.
    Reload,
    /// A new process: the value is read once, at the start.
    Upgrade,
}

/// What may be written under a key.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) enum Content {
    /// One value.
    Value(Shape),
    /// A list of values, or what else.
    List(Shape, Instead),
    /// A mapping with known keys.
    Group(Presence),
    /// A list of mappings with known keys; without an item nothing works.
    Items,
    /// A mapping from names to mappings with known keys.
    Names,
}

/// What may stand in place of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Instead {
    Nothing,
    Off,
    /// One of its items, and the list must not be empty.
    OneItem,
}

/// What holds where a mapping is left out, and whether it can be switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Presence {
    /// The defaults of its keys hold.
    Always,
    /// As [`Presence::Always`], unless it is `off`.
    UnlessOff,
    /// It is off.
    IfGiven,
}

/// A row of the table of keys.
pub(in crate::config) trait Row: Sync {
    fn about(&self) -> &About;

    fn content(&self) -> Content;

    /// What a value is called in messages, with an example.
    fn expected(&self) -> &'static str;

    /// The default, as the file would have it; `None` where there is none.
    fn default(&self) -> Option<Value>;

    /// The last part of the path.
    fn name(&self) -> &'static str {
        let path = self.about().path;
        path.rsplit_once('.').map_or(path, |(_, name)| name)
    }
}

/// A key that has to be given, or whose absence has a meaning of its own.
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
    /// What it is a list of, for messages.
    pub(in crate::config) expected: &'static str,
    pub(in crate::config) instead: Instead,
    pub(in crate::config) default: fn() -> Vec<T>,
}

/// A key with a mapping, or with a list of mappings.
#[derive(Debug)]
pub(in crate::config) struct Group {
    about: About,
    content: Content,
    /// What has to be there, for messages.
    pub(in crate::config) expected: &'static str,
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
    /// A key that has to be given.
    pub(in crate::config) const fn required(
        path: &'static str,
        kind: Kind<T>,
        example: &'static str,
        doc: &'static str,
    ) -> Self {
        let about = About { example, absent: Absent::Refused, ..About::new(path, doc) };
        Self { about, kind }
    }

    /// A key that may be left out, which `means` something.
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

    /// The name and the value as the file has them; nothing where there is none.
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

    /// A list in whose place something else may stand, with its default.
    pub(in crate::config) const fn or(self, instead: Instead, default: fn() -> Vec<T>) -> Self {
        Self { instead, default, ..self }
    }

    /// A list that may be left out, which `means` something.
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

    /// The name, and the mapping with the entries that are there.
    pub(in crate::config) fn show(
        &self,
        entries: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> (&'static str, Value) {
        (self.name(), mapping(entries))
    }

    /// As [`Group::show`], or that it is off.
    pub(in crate::config) fn show_or_off<const N: usize>(
        &self,
        entries: Option<[(&'static str, Value); N]>,
    ) -> (&'static str, Value) {
        (self.name(), entries.map_or(json!("off"), mapping))
    }
}

/// A mapping of the entries that are there.
pub(in crate::config) fn mapping(
    entries: impl IntoIterator<Item = (&'static str, Value)>,
) -> Value {
    let there = entries.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(there.map(|(key, value)| (key.to_owned(), value)).collect())
}

impl<T> Row for Key<T> {
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
        is_default.then(|| self.show(&(self.default)()).1)
    }
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
