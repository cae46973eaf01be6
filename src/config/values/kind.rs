//! A kind of value: how it is read, how it is shown, and which values are allowed.
//!
//! The file and the flags share the kinds, so the same mistake has the same message in both.
//! Reading and showing are side by side, because a shown configuration can be loaded again.

use serde_json::{Value, json};

use crate::config::{
    word::Word,
    wording::{alternatives, quoted, with_nearest},
};

/// A kind of value that is written as one word.
#[derive(Debug)]
pub(in crate::config) struct Kind<T> {
    /// The description of a value, with an example, in a message about an invalid one.
    pub(in crate::config) expected: &'static str,
    /// Reads a text. An error continues the key: "must be …, found …".
    pub(in crate::config) parse: fn(&str) -> Result<T, String>,
    /// Shows a value as the file has it.
    pub(in crate::config) show: fn(&T) -> Value,
    /// The allowed spellings, for documents and for editors.
    pub(in crate::config) shape: Shape,
}

/// The allowed spellings of a value.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) struct Shape {
    pub(in crate::config) form: Form,
    /// Words that may be used instead of the form, such as `auto`.
    pub(in crate::config) words: &'static [&'static str],
}

/// The form of a value.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) enum Form {
    /// One of these words.
    Choice(fn() -> Vec<&'static str>),
    /// `true` or `false`.
    Truth,
    /// `true`, `false`, or a whole number in this range, both ends included.
    TruthOrNumber(u64, u64),
    /// A whole number in this range, both ends included.
    Number(u64, u64),
    /// A text that this regular expression, in the dialect of ECMA-262, does not rule out. The reader
    /// may still refuse it.
    Text(&'static str),
    /// Like [`Form::Text`], but people also write a bare number.
    TextOrNumber(&'static str),
}

impl Form {
    pub(in crate::config) const fn alone(self) -> Shape {
        Shape { form: self, words: &[] }
    }

    pub(in crate::config) const fn or(self, words: &'static [&'static str]) -> Shape {
        Shape { form: self, words }
    }
}

impl<T: Word> Kind<T> {
    /// A value that is one of its type's words.
    pub(in crate::config) const fn word(expected: &'static str) -> Self {
        Self {
            expected,
            parse: choice,
            show: |value| json!(value.word()),
            shape: Form::Choice(words::<T>).alone(),
        }
    }
}

fn words<T: Word>() -> Vec<&'static str> {
    T::ALL.iter().map(|value| value.word()).collect()
}

/// Reads one of the words of a type.
pub(in crate::config) fn choice<T: Word>(text: &str) -> Result<T, String> {
    choice_of(text, T::word)
}

/// Like [`choice`], with another spelling of the words.
pub(in crate::config) fn choice_of<T: Word>(
    text: &str,
    spell: fn(T) -> &'static str,
) -> Result<T, String> {
    if let Some(value) = T::ALL.iter().find(|value| spell(**value) == text) {
        return Ok(*value);
    }
    let words: Vec<&str> = T::ALL.iter().map(|value| spell(*value)).collect();
    let message = format!("must be {}, found {}", alternatives(&words), quoted(text));
    Err(with_nearest(message, text, words))
}
