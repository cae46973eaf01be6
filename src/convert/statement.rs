//! Statements of a foreign configuration: words, where they stand, and the block below them.
//!
//! Both formats have the same shape. A section of HAProxy is a statement whose block ends where the
//! next section begins.

use std::{fmt, sync::Arc};

/// The longest text of a statement in a message or a comment.
const SHOWN: usize = 70;

/// The number of a statement, in the order of reading.
pub(super) type Id = usize;

/// Where a statement begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The name of the file, as it was given or included.
    pub file: Arc<str>,
    /// The line, counted from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A directive of nginx, or a line or section of HAProxy.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) id: Id,
    pub(super) place: Place,
    /// Without quotes and escapes; never empty.
    pub(super) words: Vec<String>,
    pub(super) block: Option<Vec<Statement>>,
    /// The line on which it ends, its block included.
    pub(super) last_line: usize,
}

impl Statement {
    pub(super) fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    pub(super) fn args(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }

    /// An argument, counted from 0.
    pub(super) fn arg(&self, index: usize) -> Option<&str> {
        self.words.get(index + 1).map(String::as_str)
    }

    pub(super) fn has_arg(&self, text: &str) -> bool {
        self.args().iter().any(|arg| arg == text)
    }

    /// The statements of its block.
    pub(super) fn inner(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }

    /// The words on one line, without characters that would disturb a terminal or end a comment.
    pub(super) fn text(&self) -> String {
        let quoted = |word: &String| match word.is_empty() || word.contains(char::is_whitespace) {
            true => format!("\"{word}\""),
            false => word.clone(),
        };
        shown(&self.words.iter().map(quoted).collect::<Vec<_>>().join(" "))
    }
}

/// A text on one line, cut when it is long.
pub(super) fn shown(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut shown: String = text.chars().take(SHOWN).map(plain).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}
