//! `conf/reference.yaml`: every key with its default and a comment, as a file that loads.
//!
//! A key without a default is written with an example behind a `#`, without a space, so that removing
//! the sign enables it.

use serde_json::Value;

use crate::config::keys::{Absent, Content, Row, below, keys_of};

/// The longest line.
const WIDTH: usize = 100;

const HEAD: &str = "\
# yaml-language-server: $schema=../docs/schema.json
# Every key. The values are the defaults, except in the lines marked \"required\".
# A line that starts with # and no space, such as `#host: …`, is a key without a default value: the
# comment beside it says what its absence means.
# Durations need a unit: 500ms, 2s, 1m 30s. An unknown key is an error.
# This file is generated from src/config/keys; an editor can complete from the output of `lb schema`.
";

/// The example of a mapping that pools share.
const SHARED: &str = " { timeouts: { connect: 1s } }";

/// The name of the pool in the file.
const NAME: &str = "web";

/// Returns the text of the reference.
#[must_use]
pub fn yaml() -> String {
    let mut lines = Vec::new();
    for row in below("") {
        lines.push(String::new());
        let line = Line { row, indent: 0, mark: "", is_hidden: false };
        wrap(&mut lines, 0, &sentences(row));
        line.write_value(&mut lines, None);
    }
    format!("{HEAD}{}\n", lines.join("\n"))
}

/// One key in the file.
struct Line {
    row: &'static dyn Row,
    indent: usize,
    /// The text before the first key of an item.
    mark: &'static str,
    /// Whether the keys around it are behind a `#`.
    is_hidden: bool,
}

impl Line {
    fn write(&self, lines: &mut Vec<String>) {
        let comment = comment(self.row);
        let length = self.text().chars().count() + " # ".len() + comment.chars().count();
        if comment.is_empty() || length <= WIDTH {
            return self.write_value(lines, Some(&comment).filter(|comment| !comment.is_empty()));
        }
        wrap(lines, self.indent, &comment);
        self.write_value(lines, None);
    }

    /// The key and its value, and the keys below it.
    fn write_value(&self, lines: &mut Vec<String>, comment: Option<&String>) {
        let comment = comment.map(|comment| format!(" # {comment}")).unwrap_or_default();
        lines.push(format!("{}{comment}", self.text()));
        let (below, mark) = match self.row.content() {
            Content::Value(_) | Content::List(..) | Content::Shared(_) | Content::Pairs(_) => {
                return;
            }
            Content::Group(_) => (self.inner(), ""),
            Content::Items => (self.inner(), "- "),
            Content::Names => {
                lines.push(format!("{}{NAME}:", " ".repeat(self.inner())));
                (self.inner() + 2, "")
            }
        };
        let is_hidden = self.is_hidden();
        for (index, row) in keys_of(self.row).into_iter().enumerate() {
            let (indent, mark) = match index {
                0 => (below, mark),
                _ => (below + mark.len(), ""),
            };
            Line { row, indent, mark, is_hidden }.write(lines);
        }
    }

    fn text(&self) -> String {
        let (indent, mark) = (" ".repeat(self.indent), self.mark);
        let sign = if self.is_hidden() { "#" } else { "" };
        let value = match (self.row.content(), self.row.default()) {
            (Content::Value(_) | Content::List(..), Some(default)) => {
                format!(" {}", flow(&default))
            }
            (Content::Shared(_), _) => SHARED.to_owned(),
            (Content::Value(_) | Content::List(..) | Content::Pairs(_), None) => {
                format!(" {}", self.row.about().example)
            }
            _ => String::new(),
        };
        format!("{indent}{sign}{mark}{}:{value}", self.row.name())
    }

    fn is_hidden(&self) -> bool {
        self.is_hidden || matches!(self.row.about().absent, Absent::Means(_))
    }

    /// The indentation of what is below this key.
    fn inner(&self) -> usize {
        self.indent + self.mark.len() + 2
    }
}

/// The comment beside a key.
fn comment(row: &dyn Row) -> String {
    let about = row.about();
    let is_group = matches!(row.content(), Content::Group(_));
    let (before, after) = match about.absent {
        Absent::Refused if about.doc.is_empty() => return String::new(),
        Absent::Refused => ("required; ", String::new()),
        Absent::Means(meaning) if !is_group => ("", format!("; left out: {meaning}")),
        _ => ("", String::new()),
    };
    format!("{before}{}{after}", about.doc)
}

/// The sentences above a key at the top of the file.
fn sentences(row: &dyn Row) -> String {
    let about = row.about();
    match (row.content(), about.absent) {
        (Content::Value(_), Absent::Means(meaning)) => {
            format!("{} Left out: {meaning}.", about.doc)
        }
        _ => about.doc.to_owned(),
    }
}

fn wrap(lines: &mut Vec<String>, indent: usize, text: &str) {
    let start = format!("{}#", " ".repeat(indent));
    let mut line = start.clone();
    for word in text.split(' ') {
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(std::mem::replace(&mut line, start.clone()));
        }
        line.push(' ');
        line.push_str(word);
    }
    lines.push(line);
}

/// A value on one line; every default is a word, a number, or a list of them.
pub(super) fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(flow).collect();
            format!("[{}]", items.join(", "))
        }
        value => value.to_string(),
    }
}
