//! Places in the tree: their values, and the problems found there.

use std::{collections::HashMap, sync::Arc};

use super::{
    report::Report,
    tree::{Entry, Node, Value},
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
    line: usize,
    key: String,
    pub(super) report: &'a Report,
}

impl<'a> Cursor<'a> {
    pub(in crate::config) fn root(node: &'a Node, report: &'a Report) -> Self {
        Self { node, line: node.line, key: String::new(), report }
    }

    pub(in crate::config) fn origin(&self) -> Origin {
        Origin { key: self.key.as_str().into(), ..self.line_origin(self.line) }
    }

    /// Reports a problem here.
    pub(in crate::config) fn problem(&self, message: impl Into<String>) {
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
            Value::Text(text) => format!("found {}", quoted(text)),
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
        (kind.parse)(text).map_err(|message| self.problem(message)).ok()
    }

    /// The items of a list; `expected` says what it is a list of, with an example.
    pub(in crate::config) fn list(&self, expected: &str) -> Option<Vec<Cursor<'a>>> {
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

    pub(super) fn below(&self, entry: &'a Entry) -> Cursor<'a> {
        let key = self.key_below(&entry.key);
        Cursor { node: &entry.node, line: entry.line, key, report: self.report }
    }

    /// The key and its line, in words.
    pub(super) fn place(&self) -> String {
        format!("{} on line {}", self.key, self.line)
    }

    /// The key of a value below this one, as messages show it.
    pub(super) fn key_below(&self, key: &str) -> String {
        let key = visible(key);
        if self.key.is_empty() { key } else { format!("{}.{key}", self.key) }
    }

    fn line_origin(&self, line: usize) -> Origin {
        Origin::file(Arc::clone(&self.report.file), line)
    }
}
