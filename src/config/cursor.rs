//! Reading the tree key by key, and keeping the list of what is wrong.
//!
//! Whoever reads a mapping asks for each key by name; at the end the keys nobody asked for are
//! unknown, and the ones asked for are the words to compare them with. So the reader itself is the
//! table of keys, and no second one can disagree with it.

#[cfg(test)]
use std::collections::BTreeSet;
use std::{
    cell::RefCell,
    collections::{HashMap, hash_map},
    hash::Hash,
    sync::Arc,
};

use super::{
    model::Origin,
    problem::Problem,
    setting::Setting,
    tree::{Entry, Node, Value},
    values::{Kind, ON_IS_DEFAULT, is_off, is_on},
    wording::{is_same_word, nearest, quoted, visible},
};

/// What has been found wrong so far.
#[derive(Debug)]
pub(super) struct Report {
    file: Arc<str>,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
    /// Keys that were asked for and not written, without their indexes.
    #[cfg(test)]
    pub(super) left_out: RefCell<BTreeSet<String>>,
}

impl Report {
    pub(super) fn new(file: Arc<str>) -> Self {
        Self {
            file,
            problems: RefCell::default(),
            warnings: RefCell::default(),
            #[cfg(test)]
            left_out: RefCell::default(),
        }
    }

    pub(super) fn add(&self, origin: Origin, message: impl Into<String>) {
        self.problems.borrow_mut().push(Problem::new(origin, message));
    }

    /// Something about a line, whatever key it has.
    pub(super) fn add_line(&self, line: usize, message: impl Into<String>) {
        self.add(Origin::file(Arc::clone(&self.file), line), message);
    }

    /// Something that is odd without being wrong.
    pub(super) fn warn(&self, origin: Origin, message: impl Into<String>) {
        self.warnings.borrow_mut().push(Problem::new(origin, message));
    }

    /// Problems as they were found, and warnings in file order.
    pub(super) fn into_parts(self) -> (Vec<Problem>, Vec<Problem>) {
        let mut warnings = self.warnings.into_inner();
        warnings.sort_by_key(|warning| warning.origin.line);
        (self.problems.into_inner(), warnings)
    }
}

/// A place in the tree.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    node: &'a Node,
    /// Of the key, where there is one: what is missing is missing under its key.
    line: usize,
    key: String,
    report: &'a Report,
}

impl<'a> Cursor<'a> {
    pub(super) fn root(node: &'a Node, report: &'a Report) -> Self {
        Self { node, line: node.line, key: String::new(), report }
    }

    pub(super) fn origin(&self) -> Origin {
        Origin { key: self.key.as_str().into(), ..self.line_origin(self.line) }
    }

    /// Says what is wrong here.
    pub(super) fn problem(&self, message: impl Into<String>) {
        self.report.add(self.origin(), message);
    }

    /// Says what is odd here.
    pub(super) fn warning(&self, message: impl Into<String>) {
        self.report.warn(self.origin(), message);
    }

    /// The text of a scalar.
    pub(super) fn text(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// `found …`, the end of most messages.
    pub(super) fn found(&self) -> String {
        match &self.node.value {
            Value::Nothing => "found nothing".to_owned(),
            Value::Text(text) => format!("found {}", quoted(text)),
            Value::List(nodes) if nodes.is_empty() => "found an empty list".to_owned(),
            Value::List(_) => "found a list".to_owned(),
            Value::Mapping(entries) if entries.is_empty() => "found an empty mapping".to_owned(),
            Value::Mapping(_) => "found a mapping".to_owned(),
        }
    }

    /// A scalar of this kind.
    pub(super) fn value<T>(&self, kind: &Kind<T>) -> Option<T> {
        let Some(text) = self.text() else {
            self.problem(format!("must be {}, {}", kind.expected, self.found()));
            return None;
        };
        (kind.parse)(text).map_err(|message| self.problem(message)).ok()
    }

    /// The items of a list; `expected` says what it is a list of, with an example.
    pub(super) fn list(&self, expected: &str) -> Option<Vec<Cursor<'a>>> {
        let Value::List(nodes) = &self.node.value else {
            self.problem(format!("must be {expected}, {}", self.found()));
            return None;
        };
        let item = |(index, node): (usize, &'a Node)| Cursor {
            node,
            line: node.line,
            key: format!("{}[{index}]", self.key),
            report: self.report,
        };
        Some(nodes.iter().enumerate().map(item).collect())
    }

    /// The items of a list that must have some.
    pub(super) fn filled_list(&self, expected: &str) -> Option<Vec<Cursor<'a>>> {
        let items = self.list(expected)?;
        if items.is_empty() {
            self.problem(format!("must be {expected}, {}", self.found()));
            return None;
        }
        Some(items)
    }

    /// The entries of a mapping whose keys are names; a repeated key is reported and left out.
    pub(super) fn entries(&self, expected: &str) -> Option<Vec<(&'a str, Cursor<'a>)>> {
        let Value::Mapping(entries) = &self.node.value else {
            self.problem(format!("must be {expected}, {}", self.found()));
            return None;
        };
        let mut lines: HashMap<&str, usize> = HashMap::new();
        let mut distinct = Vec::with_capacity(entries.len());
        for entry in entries {
            let cursor = self.below(entry);
            match lines.get(entry.key.as_str()) {
                Some(line) => cursor.problem(format!(
                    "is already given on line {line} (a key can be given once: remove one)"
                )),
                None => {
                    lines.insert(&entry.key, entry.line);
                    distinct.push((entry.key.as_str(), cursor));
                }
            }
        }
        Some(distinct)
    }

    /// Reads a mapping whose keys are known; those that `read` does not ask for are reported.
    pub(super) fn section<T>(
        &self,
        expected: &str,
        read: impl FnOnce(&mut Section<'a>) -> T,
    ) -> Option<T> {
        let entries = self.entries(expected)?;
        let mut section = Section { cursor: self.clone(), entries, asked: Vec::new() };
        let result = read(&mut section);
        section.finish();
        Some(result)
    }

    /// As [`Cursor::section`], of a list's item that people write as the value of its main key
    /// alone.
    pub(super) fn section_with<T>(
        &self,
        main: &str,
        expected: &str,
        read: impl FnOnce(&mut Section<'a>) -> T,
    ) -> Option<T> {
        let Some(text) = self.text() else { return self.section(expected, read) };
        let glued = text.strip_prefix(main).and_then(|rest| rest.strip_prefix(':'));
        let value = visible(glued.unwrap_or(text));
        let why = if glued.is_some() { "; a space is missing after the ':'" } else { "" };
        let found = self.found();
        self.problem(format!("must be {expected}, {found} (write \"- {main}: {value}\"{why})"));
        None
    }

    fn below(&self, entry: &'a Entry) -> Cursor<'a> {
        let key = self.key_below(&entry.key);
        Cursor { node: &entry.node, line: entry.line, key, report: self.report }
    }

    fn key_below(&self, key: &str) -> String {
        let key = visible(key);
        if self.key.is_empty() { key } else { format!("{}.{key}", self.key) }
    }

    fn line_origin(&self, line: usize) -> Origin {
        Origin::file(Arc::clone(&self.report.file), line)
    }
}

/// A mapping being read.
#[derive(Debug)]
pub(super) struct Section<'a> {
    cursor: Cursor<'a>,
    entries: Vec<(&'a str, Cursor<'a>)>,
    asked: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// Says what is wrong at a place that was read before.
    pub(super) fn problem_at(&self, origin: &Origin, message: impl Into<String>) {
        self.cursor.report.add(origin.clone(), message);
    }

    /// Says what is odd about a place that was read before.
    pub(super) fn warning_at(&self, origin: &Origin, message: impl Into<String>) {
        self.cursor.report.warn(origin.clone(), message);
    }

    /// Says what is odd about the mapping.
    pub(super) fn warning(&self, message: impl Into<String>) {
        self.cursor.warning(message);
    }

    /// The value of a key that may be left out.
    pub(super) fn optional(&mut self, key: &'static str) -> Option<Cursor<'a>> {
        self.asked.push(key);
        let found = self.entries.iter().find(|(name, _)| *name == key);
        #[cfg(test)]
        if found.is_none() {
            let key = without_indexes(&self.cursor.key_below(key));
            self.cursor.report.left_out.borrow_mut().insert(key);
        }
        found.map(|(_, cursor)| cursor.clone())
    }

    /// The value of a key that must be there; `hint` says what to write.
    pub(super) fn required(&mut self, key: &'static str, hint: &str) -> Option<Cursor<'a>> {
        let found = self.optional(key);
        if found.is_none() {
            let key = self.cursor.key_below(key).into();
            let origin = Origin { key, ..self.cursor.origin() };
            self.cursor.report.add(origin, format!("is missing ({hint})"));
        }
        found
    }

    /// A scalar that may be left out.
    pub(super) fn setting<T>(&mut self, key: &'static str, kind: &Kind<T>) -> Setting<T> {
        let Some(cursor) = self.optional(key) else { return Setting::LeftOut };
        match cursor.value(kind) {
            Some(value) => Setting::Given(value, cursor.origin()),
            None => Setting::Wrong,
        }
    }

    /// A mapping that holds unless it is switched off: `None` when it is off, or wrong.
    pub(super) fn switch<T>(
        &mut self,
        key: &'static str,
        default: T,
        expected: &str,
        read: impl FnOnce(&mut Section<'a>) -> T,
    ) -> Option<T> {
        let Some(cursor) = self.optional(key) else { return Some(default) };
        match cursor.text() {
            Some(text) if is_off(text) => None,
            Some(text) if is_on(text) => {
                let found = cursor.found();
                cursor.problem(format!("must be {expected}, {found} ({ON_IS_DEFAULT})"));
                None
            }
            _ => cursor.section(expected, read),
        }
    }

    /// Answers keys that are known elsewhere, each with its own message.
    pub(super) fn refuse(&mut self, keys: &[(&str, &str)]) {
        self.entries.retain(|(name, cursor)| {
            match keys.iter().find(|(key, _)| is_same_word(key, name)) {
                Some((_, message)) => {
                    cursor.problem(*message);
                    false
                }
                None => true,
            }
        });
    }

    fn finish(self) {
        for (name, cursor) in &self.entries {
            if self.asked.contains(name) {
                continue;
            }
            let missing = self.asked.iter().copied().filter(|key| !self.has(key));
            match nearest(name, missing).or_else(|| nearest(name, self.asked.iter().copied())) {
                Some(near) => {
                    cursor.problem(format!("is not a known key (did you mean \"{near}\"?)"));
                }
                None => {
                    let known = self.asked.join(", ");
                    let hint = match cursor.node.value {
                        // `{ expect: 200,204 }` is two keys to YAML.
                        Value::Nothing => "; a value with a comma must be in quotes inside { }",
                        _ => "",
                    };
                    cursor.problem(format!("is not a known key (known here: {known}{hint})"));
                }
            }
        }
    }

    /// Whether this is written, right or wrong.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(name, _)| *name == key)
    }
}

/// Where each value was first seen, where two must not be the same.
#[derive(Debug)]
pub(super) struct Firsts<T>(HashMap<T, String>);

impl<T> Default for Firsts<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Eq + Hash> Firsts<T> {
    /// The earlier place of this value, in words; else this is its first.
    pub(super) fn earlier(&mut self, value: T, cursor: &Cursor<'_>) -> Option<String> {
        match self.0.entry(value) {
            hash_map::Entry::Occupied(entry) => Some(entry.get().clone()),
            hash_map::Entry::Vacant(entry) => {
                entry.insert(format!("{} on line {}", cursor.key, cursor.line));
                None
            }
        }
    }
}

#[cfg(test)]
fn without_indexes(key: &str) -> String {
    let mut depth = 0;
    let keep = |c: &char| {
        depth += i32::from(*c == '[');
        let keep = depth == 0;
        depth -= i32::from(*c == ']');
        keep
    };
    key.chars().filter(keep).collect()
}
