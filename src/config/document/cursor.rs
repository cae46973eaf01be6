//! Places in the tree: their values, and the problems found there.

use std::collections::HashMap;

use super::{
    report::Report,
    tree::{Entry, Mark, Node, Value},
};
use crate::config::{
    origin::Origin,
    values::Kind,
    wording::{quoted, visible},
};

/// A place in the tree.
#[derive(Debug, Clone)]
pub(in crate::config) struct Cursor<'a> {
    pub(super) node: &'a Node,
    /// The line of the key, if there is one: a missing value is reported at its key.
    mark: &'a Mark,
    key: String,
    pub(super) report: &'a Report,
}

impl<'a> Cursor<'a> {
    pub(in crate::config) fn root(node: &'a Node, report: &'a Report) -> Self {
        Self { node, mark: &node.mark, key: String::new(), report }
    }

    pub(in crate::config) fn origin(&self) -> Origin {
        self.mark.origin(&self.key)
    }

    /// Reports a problem here. A value that comes from a file is not shown, and one that does not come
    /// at all has been reported.
    pub(in crate::config) fn problem(&self, message: impl Into<String>) {
        let message = message.into();
        let message = match (&self.node.source, self.text()) {
            (Some(source), _) if source.is_missing => return,
            (Some(source), Some(text)) if source.is_secret && !text.is_empty() => {
                message.replace(&visible(text), &source.written).replace(text, &source.written)
            }
            _ => message,
        };
        self.report.add(self.origin(), message);
    }

    /// Reports a warning here.
    pub(in crate::config) fn warning(&self, message: impl Into<String>) {
        self.report.warn(self.origin(), message);
    }

    /// The text of a scalar.
    pub(in crate::config) fn text(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns `found …`, the end of most messages.
    pub(in crate::config) fn found(&self) -> String {
        match &self.node.value {
            Value::Nothing => "found nothing".to_owned(),
            Value::Text(text) => match &self.node.source {
                Some(source) if source.is_secret => format!("found \"{}\"", source.written),
                Some(source) => format!("found {} from \"{}\"", quoted(text), source.written),
                None => format!("found {}", quoted(text)),
            },
            Value::List(nodes) if nodes.is_empty() => "found an empty list".to_owned(),
            Value::List(_) => "found a list".to_owned(),
            Value::Mapping(entries) if entries.is_empty() => "found an empty mapping".to_owned(),
            Value::Mapping(_) => "found a mapping".to_owned(),
        }
    }

    /// The value of a scalar of this kind.
    pub(in crate::config) fn value<T>(&self, kind: &Kind<T>) -> Option<T> {
        let Some(text) = self.text() else {
            self.problem(format!("must be {}, {}", kind.expected, self.found()));
            return None;
        };
        (kind.parse)(text).map_err(|message| self.invalid(kind.expected, &message)).ok()
    }

    /// Reports that the text is no value of its kind; `message` says why.
    pub(super) fn invalid(&self, expected: &str, message: &str) {
        match &self.node.source {
            None => self.problem(message),
            Some(source) if source.is_secret => self.problem(format!(
                "must be {expected}; the value comes from \"{}\", and is not shown",
                source.written
            )),
            Some(source) => {
                self.problem(format!("{message}; the value comes from \"{}\"", source.written));
            }
        }
    }

    /// The texts below a key: its value, or the items of its list.
    pub(in crate::config) fn texts(&self, key: &str) -> Vec<Cursor<'a>> {
        let Value::Mapping(entries) = &self.node.value else { return Vec::new() };
        let found = entries.iter().find(|entry| entry.key == key).map(|entry| self.below(entry));
        found.map_or_else(Vec::new, |cursor| match &cursor.node.value {
            Value::List(_) => cursor.list("").unwrap_or_default(),
            _ => vec![cursor],
        })
    }

    /// The items of a list; `expected` says what it is a list of, with an example.
    pub(in crate::config) fn list(&self, expected: &str) -> Option<Vec<Cursor<'a>>> {
        let Value::List(nodes) = &self.node.value else {
            self.problem(format!("must be {expected}, {}", self.found()));
            return None;
        };
        // The items of an included file are counted as they are there.
        let mut begin = 0;
        let item = |(index, node): (usize, &'a Node)| {
            if nodes[begin].mark.file != node.mark.file {
                begin = index;
            }
            let key = format!("{}[{}]", self.key, index - begin);
            Cursor { node, mark: &node.mark, key, report: self.report }
        };
        Some(nodes.iter().enumerate().map(item).collect())
    }

    /// The items of a list that must not be empty.
    pub(in crate::config) fn filled_list(&self, expected: &str) -> Option<Vec<Cursor<'a>>> {
        let items = self.list(expected)?;
        if items.is_empty() {
            self.problem(format!("must be {expected}, {}", self.found()));
            return None;
        }
        Some(items)
    }

    /// The entries of a mapping whose keys are names; a repeated key is reported and left out.
    pub(in crate::config) fn entries(&self, expected: &str) -> Option<Vec<(&'a str, Cursor<'a>)>> {
        let Value::Mapping(entries) = &self.node.value else {
            self.problem(format!("must be {expected}, {}", self.found()));
            return None;
        };
        let mut marks: HashMap<&str, &Mark> = HashMap::new();
        let mut distinct = Vec::with_capacity(entries.len());
        for entry in entries {
            let cursor = self.below(entry);
            match marks.get(entry.key.as_str()) {
                Some(mark) => {
                    let first = mark.seen_from(cursor.mark);
                    let message = format!(
                        "is already given on {first} (a key can be given once: remove one)"
                    );
                    self.report.add(cursor.origin(), message);
                }
                None => {
                    marks.insert(&entry.key, &entry.mark);
                    distinct.push((entry.key.as_str(), cursor));
                }
            }
        }
        Some(distinct)
    }

    pub(in crate::config) fn below(&self, entry: &'a Entry) -> Cursor<'a> {
        let key = self.key_below(&entry.key);
        Cursor { node: &entry.node, mark: &entry.mark, key, report: self.report }
    }

    pub(super) fn mark(&self) -> &'a Mark {
        self.mark
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// The key of a value below this one, as messages show it.
    pub(super) fn key_below(&self, key: &str) -> String {
        let key = visible(key);
        if self.key.is_empty() { key } else { format!("{}.{key}", self.key) }
    }
}
