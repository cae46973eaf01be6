//! JSON in which text cannot act on the terminal that shows it.
//!
//! The format demands that only the control characters of ASCII are escaped. A terminal also acts on
//! those of Latin-1, and on marks that turn the direction of writing, so that a client could have
//! its line look like another; and some readers take U+2028 and U+2029 for the end of a line. All of
//! them are written as `\\u` and four digits, which every parser of JSON reads back.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Serializer, ser::Formatter};

/// Writes a value as JSON.
///
/// # Errors
///
/// When the output fails.
pub(super) fn write(output: &mut impl Write, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
    Ok(value.serialize(&mut serializer(output))?)
}

/// A serializer that writes into this output.
pub(super) fn serializer<W: Write>(output: W) -> Serializer<W, Escaping> {
    Serializer::with_formatter(output, Escaping)
}

/// Compact JSON with these escapes.
#[derive(Debug)]
pub(super) struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(acts) {
            let (plain, special) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut characters = special.chars();
            if let Some(character) = characters.next() {
                write!(writer, "\\u{:04x}", u32::from(character))?;
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

/// Whether a terminal or a reader of lines acts on this character instead of showing it.
fn acts(character: char) -> bool {
    matches!(
        character,
        '\u{7f}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        let mut line = Vec::new();
        write(&mut line, text).unwrap();
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn characters_that_act_on_a_terminal_are_escaped_and_read_back() {
        let text =
            "a\u{7f}\u{80}\u{9b}2J\u{9f}\u{61c}\u{200e}\u{2028}\u{2029}\u{202e}b\u{2066}\u{2069}";
        let escaped = concat!(
            r#""a\u007f\u0080\u009b2J\u009f\u061c\u200e\u2028\u2029\u202eb"#,
            r#"\u2066\u2069""#
        );
        assert_eq!(json(text), escaped);
        assert_eq!(serde_json::from_str::<String>(&json(text)).unwrap(), text);
    }

    #[test]
    fn all_other_characters_are_written_as_in_ordinary_json() {
        for text in ["", "plain", "é ١ 漢 \u{a0}\u{200b}", "\"\\\n\u{1b}"] {
            assert_eq!(json(text), serde_json::to_string(text).unwrap());
        }
    }
}
