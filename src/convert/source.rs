//! What a translator is given: a text, the files that it includes, and what is wrong with its grammar.

use super::statement::Place;

/// A configuration to convert.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The name of the file in messages.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
}

/// A text that does not follow the grammar of its format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct SyntaxError {
    /// The line of the mistake.
    pub place: Place,
    /// The mistake.
    pub message: String,
}

/// Returns the files that an `include` names, each with its text. The pattern is as it was written; an
/// error says why there are none.
pub type Include<'a> = &'a dyn Fn(&str) -> Result<Vec<(String, String)>, String>;
