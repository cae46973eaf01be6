//! Mappings with known keys, which are read by their definitions.
//!
//! A key is read by its definition; at the end the keys that were not read are unknown. A misspelt
//! key is reported and then read as the key that was meant, so that its value is checked in the same
//! run. A mapping that is left out is read as an empty one, so that each default is written once, in
//! the definition of its key.

use std::sync::Arc;

use super::{
    cursor::Cursor,
    report::Report,
    setting::Setting,
    tree::{Mark, Node, Value},
    written::without_colon,
};
use crate::config::{
    advice::{Meaning, meaning},
    keys::{Group, Instead, Key, List, Pairs, Preset, Row, is_free, is_known},
    origin::Origin,
    values::{ON_IS_DEFAULT, is_off, is_on},
    wording::{LINE, escaped},
};

/// A mapping being read.
#[derive(Debug)]
pub(in crate::config) struct Section<'a> {
    pub(super) cursor: Cursor<'a>,
    pub(super) entries: Vec<(&'a str, Cursor<'a>)>,
    /// The paths of the keys that were read.
    pub(super) asked: Vec<&'static str>,
    /// The numbers of misspelt entries, and the paths of the keys that they were read as.
    pub(super) misspelt: Vec<(usize, &'static str)>,
}

impl<'a> Section<'a> {
    /// Reports a problem at a place that was read before.
    pub(in crate::config) fn problem_at(&self, origin: &Origin, message: impl Into<String>) {
        self.cursor.report.add(origin.clone(), message);
    }

    /// Reports a warning about a place that was read before.
    pub(in crate::config) fn warning_at(&self, origin: &Origin, message: impl Into<String>) {
        self.cursor.report.warn(origin.clone(), message);
    }

    /// Reports a warning about the mapping.
    pub(in crate::config) fn warning(&self, message: impl Into<String>) {
        self.cursor.warning(message);
    }

    fn new(cursor: Cursor<'a>, entries: Vec<(&'a str, Cursor<'a>)>) -> Self {
        Self { cursor, entries, asked: Vec::new(), misspelt: Vec::new() }
    }

    /// The value of a key, if there is one. A misspelt key is reported, and has the value too.
    pub(in crate::config) fn optional(&mut self, row: &dyn Row) -> Option<Cursor<'a>> {
        let (key, path) = (row.name(), row.about().path);
        if !self.asked.contains(&path) {
            self.asked.push(path);
        }
        #[cfg(test)]
        self.cursor.report.read.borrow_mut().insert(path);
        let found = self.entries.iter().position(|(name, _)| *name == key);
        let found = found.or_else(|| self.find_misspelt(row))?;
        Some(self.entries[found].1.clone())
    }

    /// The entry whose key was meant to be this one.
    fn find_misspelt(&mut self, row: &dyn Row) -> Option<usize> {
        let path = row.about().path;
        if let Some((index, _)) = self.misspelt.iter().find(|(_, known)| *known == path) {
            return Some(*index);
        }
        let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
        let is_meant = |(index, (name, cursor)): &(usize, &(&str, Cursor<'a>))| {
            let is_read = self.misspelt.iter().any(|(read, _)| read == index);
            !is_read
                && is_unknown(parent, name)
                && without_colon(parent, name, cursor).is_none()
                && cursor.is_like(row)
                && !cursor.is_lost_pool()
                && matches!(meaning(parent, name, |key| self.has(key), |row| cursor.is_like(row)),
                    Meaning::Missing(meant) if meant.about().path == path)
        };
        let (index, (_, cursor)) = self.entries.iter().enumerate().find(is_meant)?;
        cursor.problem(format!("is not a known key (did you mean \"{}\"?)", row.name()));
        self.misspelt.push((index, path));
        Some(index)
    }

    /// The value of a required key; `hint` says what to write.
    pub(in crate::config) fn required(&mut self, row: &dyn Row, hint: &str) -> Option<Cursor<'a>> {
        let found = self.optional(row);
        if found.is_none() {
            let key = self.cursor.key_below(row.name()).into();
            let origin = Origin { key, ..self.cursor.origin() };
            self.cursor.report.add(origin, format!("is missing ({hint})"));
        }
        found
    }

    /// The setting of a key: left out, wrong, or given.
    pub(in crate::config) fn setting<T>(&mut self, key: &Key<T>) -> Setting<T> {
        let Some(cursor) = self.optional(key) else { return Setting::LeftOut };
        match cursor.value(&key.kind) {
            Some(value) => Setting::Given(value, cursor.origin()),
            None => Setting::Wrong,
        }
    }

    /// The value of a key, if it is given and valid.
    pub(in crate::config) fn given<T>(&mut self, key: &Key<T>) -> Option<T> {
        self.setting(key).given()
    }

    /// The value of a key with a default; the default also stands in for an invalid value.
    pub(in crate::config) fn get<T>(&mut self, preset: &Preset<T>) -> T {
        self.given(&preset.key).unwrap_or_else(preset.default)
    }

    /// The values of a list, or its default; invalid items are left out.
    pub(in crate::config) fn list<T>(&mut self, list: &List<T>) -> Vec<T> {
        match self.items(list) {
            Some(items) => items.iter().filter_map(|item| item.value(&list.kind)).collect(),
            None => (list.default)(),
        }
    }

    /// The items of a list that is written.
    pub(in crate::config) fn items<T>(&mut self, list: &List<T>) -> Option<Vec<Cursor<'a>>> {
        let cursor = self.optional(list)?;
        let items = match list.instead {
            Instead::OffOrItem if cursor.text().is_some_and(is_off) => None,
            Instead::OneItem | Instead::OffOrItem if cursor.text().is_some() => Some(vec![cursor]),
            Instead::OneItem => cursor.filled_list(list.expected),
            Instead::OffOrItem | Instead::Nothing => cursor.list(list.expected),
        };
        Some(items.unwrap_or_default())
    }

    /// The pairs of a mapping with names of the author's choice; invalid ones are left out.
    pub(in crate::config) fn pairs<T>(&mut self, pairs: &Pairs<T>) -> Vec<(Box<str>, T)> {
        let entries = self.optional(pairs).and_then(|cursor| cursor.entries(pairs.expected));
        let pair = |(name, cursor): (&str, Cursor<'_>)| {
            let name = (pairs.name)(name).map_err(|message| cursor.problem(message));
            let value = cursor.value(&pairs.kind);
            Some((name.ok()?, value?))
        };
        entries.into_iter().flatten().filter_map(pair).collect()
    }

    /// A mapping whose keys have defaults.
    pub(in crate::config) fn group<T>(
        &mut self,
        group: &Group,
        mut read: impl FnMut(&mut Section<'_>) -> T,
    ) -> T {
        let found = self.optional(group);
        let value = found.and_then(|cursor| cursor.section(group.expected, &mut read));
        value.unwrap_or_else(|| self.absent(&mut read))
    }

    /// Like [`Section::group`], for a mapping that can be switched off: `None` if it is off or
    /// invalid.
    pub(in crate::config) fn switch<T>(
        &mut self,
        group: &Group,
        mut read: impl FnMut(&mut Section<'_>) -> T,
    ) -> Option<T> {
        let Some(cursor) = self.optional(group) else { return Some(self.absent(read)) };
        match cursor.text() {
            Some(text) if is_off(text) => None,
            Some(text) if is_on(text) => {
                let (expected, found) = (group.expected, cursor.found());
                cursor.problem(format!("must be {expected}, {found} ({ON_IS_DEFAULT})"));
                None
            }
            _ => cursor.section(group.expected, &mut read),
        }
    }

    /// Reads a missing mapping, to get the defaults of its keys.
    fn absent<T>(&self, read: impl FnOnce(&mut Section<'_>) -> T) -> T {
        read(&mut Section::new(self.cursor.clone(), Vec::new()))
    }

    /// Whether this key is written, valid or not.
    pub(in crate::config) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(name, _)| *name == key)
    }
}

impl<'a> Cursor<'a> {
    /// Reads a mapping with known keys; keys that `read` does not read are reported.
    pub(in crate::config) fn section<T>(
        &self,
        expected: &str,
        read: impl FnOnce(&mut Section<'a>) -> T,
    ) -> Option<T> {
        if let Some(written) = self.as_mapping(expected) {
            self.problem(format!("must be {expected}, {} (write \"{written}\")", self.found()));
            return None;
        }
        let entries = self.entries(expected)?;
        let mut section = Section::new(self.clone(), entries);
        let result = read(&mut section);
        section.refuse_the_rest();
        Some(result)
    }

    /// Like [`Cursor::section`], for an item in whose place people write the value of its `main`
    /// key. `instead` is the item to write for a text that is found in its place.
    pub(in crate::config) fn item<T>(
        &self,
        (main, instead): (&dyn Row, fn(&str) -> String),
        expected: &str,
        read: impl FnOnce(&mut Section<'a>) -> T,
    ) -> Option<T> {
        let Some(text) = self.text() else { return self.section(expected, read) };
        if let Err(message) = main.check(text)
            && message.starts_with("not yet:")
        {
            self.problem(message);
            return None;
        }
        let main = main.name();
        let glued = text.strip_prefix(main).and_then(|rest| rest.strip_prefix(':'));
        let write = escaped(&instead(glued.unwrap_or(text)), LINE);
        let why = if glued.is_some() { "; a space is missing after the ':'" } else { "" };
        let found = self.found();
        self.problem(format!("must be {expected}, {found} (write \"- {write}\"{why})"));
        None
    }
}

/// Whether a key is neither known in the mapping at this path nor free for the author's own use.
fn is_unknown(parent: &str, key: &str) -> bool {
    !is_free(key) && !is_known(parent, key)
}

/// Reads an empty mapping, to get the defaults of its keys.
pub(in crate::config) fn from_nothing<T>(read: impl FnOnce(&mut Section<'_>) -> T) -> T {
    let mark = Mark { file: Arc::from(""), line: 0 };
    let node = Node { mark, value: Value::Mapping(Vec::new()), source: None };
    let report = Report::default();
    let cursor = Cursor::root(&node, &report);
    read(&mut Section::new(cursor, Vec::new()))
}
