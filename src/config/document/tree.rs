//! YAML text as a tree that knows the line of each value.
//!
//! Scalars stay text: the reader of the key decides whether `200` is a status, a port, or a pool's
//! name, and messages can show the original text. Aliases are replaced by their targets, with the
//! lines of the original, because that is the place to correct; `<<` merges mappings as most YAML
//! tools do. Depth and size are bounded, because aliases of aliases grow exponentially and
//! recursion over the tree must not exhaust the stack.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::{report::Report, syntax};
use crate::config::{
    expand::{Source, expanded},
    origin::Origin,
    outside::Outside,
    wording::{quoted, visible},
};

/// The greatest depth: more than any configuration has, and little enough for every stack.
const DEPTH: usize = 64;
/// The most values: more than any configuration has.
const NODES: usize = 200_000;

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct Mark {
    pub(in crate::config) file: Arc<str>,
    /// Counted from 1; 0 if no line can be named.
    pub(in crate::config) line: usize,
}

impl Mark {
    /// A key at this place.
    pub(in crate::config) fn origin(&self, key: &str) -> Origin {
        Origin { key: key.into(), ..Origin::file(Arc::clone(&self.file), self.line) }
    }

    /// The line in words, for a reader who looks at another place.
    pub(super) fn seen_from(&self, other: &Self) -> String {
        match self.file == other.file {
            true => format!("line {}", self.line),
            false => format!("line {} of {}", self.line, self.file),
        }
    }
}

/// A value and where it starts.
#[derive(Debug, Clone)]
pub(in crate::config) struct Node {
    pub(in crate::config) mark: Mark,
    pub(in crate::config) value: Value,
    /// What was written in place of a text, if that had references.
    pub(in crate::config) source: Option<Source>,
}

impl Node {
    fn new(mark: Mark, value: Value) -> Self {
        Self { mark, value, source: None }
    }
}

/// The value at a place.
#[derive(Debug, Clone)]
pub(in crate::config) enum Value {
    /// Nothing, `~` or `null`.
    Nothing,
    /// A word, a number, or a quoted text.
    Text(String),
    /// `- a` or `[a, b]`.
    List(Vec<Node>),
    /// `a: b` or `{ a: b }`.
    Mapping(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(in crate::config) struct Entry {
    pub(in crate::config) key: String,
    pub(in crate::config) mark: Mark,
    pub(in crate::config) node: Node,
}

/// Reads the text of a file that holds one document. `None` if that fails, with the reason in the
/// report, and for a file without values.
pub(in crate::config) fn read(
    file: &str,
    text: &str,
    outside: &Outside,
    report: &Report,
) -> Option<Node> {
    let mut parser = Parser::new_from_str(text);
    let mut builder = Builder::new(file, outside, report);
    let last_line = last_line(text);
    while let Some(event) = parser.next_event() {
        let result = match event {
            Ok((event, span)) => {
                // A value that is missing at the end is located on a line behind the last one.
                builder.take(event, span.start.line().min(last_line))
            }
            Err(error) => {
                let (line, message) = syntax::explain(&error, text);
                Err(Refused { line, message })
            }
        };
        if let Err(Refused { line, message }) = result {
            report.add(builder.mark(line).origin(""), message);
            return None;
        }
    }
    builder.root.filter(|root| !matches!(root.value, Value::Nothing))
}

/// The number of the last line, by every line end that YAML knows.
fn last_line(text: &str) -> usize {
    text.replace("\r\n", "\n").split_terminator(['\n', '\r']).count().max(1)
}

/// The reason why there is no tree.
struct Refused {
    line: usize,
    message: String,
}

/// A list or mapping that is not yet at its end.
struct Open {
    anchor: usize,
    line: usize,
    /// The budget at its start.
    budget: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Mapping { entries: Vec<Entry>, key: Option<Node> },
}

struct Builder<'a> {
    file: Arc<str>,
    outside: &'a Outside,
    report: &'a Report,
    open: Vec<Open>,
    /// The anchors by number, with the number of nodes in each.
    anchors: HashMap<usize, (Node, usize)>,
    /// The number of nodes that may still come.
    budget: usize,
    root: Option<Node>,
}

impl<'a> Builder<'a> {
    fn new(file: &str, outside: &'a Outside, report: &'a Report) -> Self {
        Self {
            file: file.into(),
            outside,
            report,
            open: Vec::new(),
            anchors: HashMap::new(),
            budget: NODES,
            root: None,
        }
    }

    fn mark(&self, line: usize) -> Mark {
        Mark { file: Arc::clone(&self.file), line }
    }

    fn add(&self, line: usize, message: impl Into<String>) {
        self.report.add(self.mark(line).origin(""), message);
    }

    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), Refused> {
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                let message = "a second document starts here, and lb reads one (remove the line \
                               with ---, or move what follows into a file of its own)";
                Err(Refused { line, message: message.to_owned() })
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.check_tag(tag.as_deref(), line);
                self.spend(1, line)?;
                self.place(self.scalar(text, style, line), anchor, 1)
            }
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
                    let message = "this alias refers to a value that contains it".to_owned();
                    return Err(Refused { line, message });
                };
                self.spend(size, line)?;
                self.check_depth(depth(&node), line)?;
                self.place(node, 0, size)
            }
            Event::SequenceStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), line);
                self.start(anchor, line, Content::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), line);
                self.start(anchor, line, Content::Mapping { entries: Vec::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            _ => Ok(()),
        }
    }

    fn start(&mut self, anchor: usize, line: usize, content: Content) -> Result<(), Refused> {
        self.check_depth(1, line)?;
        let budget = self.budget;
        self.spend(1, line)?;
        self.open.push(Open { anchor, line, budget, content });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Refused> {
        let Some(Open { anchor, line, budget, content }) = self.open.pop() else { return Ok(()) };
        let value = match content {
            Content::List(nodes) => Value::List(nodes),
            Content::Mapping { entries, .. } => Value::Mapping(self.merge(entries)),
        };
        self.place(Node::new(self.mark(line), value), anchor, budget - self.budget)
    }

    /// A text with its references replaced, unless it is a key.
    fn scalar(&self, text: Cow<'_, str>, style: ScalarStyle, line: usize) -> Node {
        let mark = self.mark(line);
        if let ("" | "~" | "null", ScalarStyle::Plain) = (&*text, style) {
            return Node::new(mark, Value::Nothing);
        }
        let is_key = matches!(
            self.open.last().map(|open| &open.content),
            Some(Content::Mapping { key: None, .. })
        );
        if is_key || !text.contains("${") {
            return Node::new(mark, Value::Text(text.into_owned()));
        }
        match expanded(&text, self.outside) {
            Ok(expanded) => {
                Node { mark, value: Value::Text(expanded.text), source: expanded.source }
            }
            Err(message) => {
                self.report.add(mark.origin(&self.path()), message);
                let written = visible(&text).into();
                let source = Source { written, is_secret: false, is_missing: true };
                Node { mark, value: Value::Text(text.into_owned()), source: Some(source) }
            }
        }
    }

    /// The path of the value that comes next.
    fn path(&self) -> String {
        let mut path = String::new();
        for open in &self.open {
            match &open.content {
                Content::List(nodes) => path.push_str(&format!("[{}]", nodes.len())),
                Content::Mapping { key: Some(Node { value: Value::Text(key), .. }), .. } => {
                    path.push_str(if path.is_empty() { "" } else { "." });
                    path.push_str(&visible(key));
                }
                Content::Mapping { .. } => {}
            }
        }
        path
    }

    /// Puts a finished node into its parent.
    fn place(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), Refused> {
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::List(nodes)) => nodes.push(node),
            Some(Content::Mapping { entries, key }) => match key.take() {
                None => *key = Some(node),
                Some(Node { mark, value: Value::Text(key), .. }) => {
                    entries.push(Entry { key, mark, node });
                }
                Some(Node { mark, .. }) => {
                    let message = "a key must be a word (is it missing before a ':'?)";
                    self.report.add(mark.origin(""), message);
                }
            },
        }
        Ok(())
    }

    /// Replaces each `<<` by the entries of its mapping, or mappings, that are not given beside
    /// it.
    fn merge(&self, entries: Vec<Entry>) -> Vec<Entry> {
        let (merged, mut own): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| entry.key == "<<");
        for Entry { mark, node, .. } in merged {
            let parts = match node.value {
                Value::List(nodes) => nodes.into_iter().map(|node| node.value).collect(),
                value => vec![value],
            };
            for part in parts {
                let Value::Mapping(part) = part else {
                    let message = "<< must be followed by an alias of a mapping";
                    self.report.add(mark.origin(""), message);
                    continue;
                };
                // Keys that are repeated inside one part stay, to be reported.
                let taken: HashSet<String> = own.iter().map(|entry| entry.key.clone()).collect();
                own.extend(part.into_iter().filter(|entry| !taken.contains(&entry.key)));
            }
        }
        own
    }

    fn check_depth(&self, levels: usize, line: usize) -> Result<(), Refused> {
        if self.open.len() + levels <= DEPTH {
            return Ok(());
        }
        let message = format!("is nested more than {DEPTH} levels deep here");
        Err(Refused { line, message })
    }

    fn spend(&mut self, nodes: usize, line: usize) -> Result<(), Refused> {
        match self.budget.checked_sub(nodes) {
            Some(rest) => {
                self.budget = rest;
                Ok(())
            }
            None => {
                let message = format!("the file has more than {NODES} values (aliases included)");
                Err(Refused { line, message })
            }
        }
    }

    fn check_tag(&self, tag: Option<&Tag>, line: usize) {
        if let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema()) {
            let tag = quoted(&tag.to_string());
            self.add(line, format!("the tag {tag} means nothing here: remove it"));
        }
    }
}

/// Levels of lists and mappings, this one included.
fn depth(node: &Node) -> usize {
    match &node.value {
        Value::Nothing | Value::Text(_) => 0,
        Value::List(nodes) => 1 + nodes.iter().map(depth).max().unwrap_or(0),
        Value::Mapping(entries) => {
            1 + entries.iter().map(|entry| depth(&entry.node)).max().unwrap_or(0)
        }
    }
}
