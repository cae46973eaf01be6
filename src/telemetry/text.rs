//! The parts of the lines of both logs: the time, and text that cannot pretend to be another field
//! or line.
//!
//! Much of a log is text from clients: a path, a host, an error message that quotes them. In JSON
//! the serializer escapes it. In the text format, where a blank ends a field and a newline ends the
//! line, it is escaped here, together with everything that a terminal would act on.

use std::{
    fmt::{self, Write},
    time::SystemTime,
};

use serde::{Serialize, Serializer};

/// A time by RFC 3339, in UTC, with milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timestamp(pub(super) SystemTime);

/// A time as all outputs show it: RFC 3339, in UTC, to the millisecond.
#[must_use]
pub fn timestamp(time: SystemTime) -> String {
    Timestamp(time).to_string()
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A clock that was never set may stand before the epoch, where the format has no date.
        let time = self.0.max(SystemTime::UNIX_EPOCH);
        humantime::format_rfc3339_millis(time).fmt(f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Untrusted bytes as one word: visible ASCII without quotes and backslashes stays as it is, anything else
/// is quoted, and no bytes become `-`.
///
/// Between the quotes, printable text stays, and a quote and a backslash have a backslash before them; other
/// characters are escaped as in Rust, and bytes that are not UTF-8 are written as `\xNN`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word<'a>(pub(super) &'a [u8]);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(self.0) {
            Ok("") => return f.write_char('-'),
            Ok(plain) if is_plain(self.0) => return f.write_str(plain),
            _ => {}
        }
        f.write_char('"')?;
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '\'' => f.write_char(character)?,
                    _ => write!(f, "{}", character.escape_debug())?,
                }
            }
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        f.write_char('"')
    }
}

/// Whether bytes are a word without quotes around them. A `-` stands for no bytes.
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"'\\".contains(byte);
    !bytes.is_empty() && bytes != b"-" && bytes.iter().all(is_plain)
}

/// A sentence of the process log: blanks and quotes stay, unprintable characters are escaped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sentence<T>(pub(super) T);

impl<T: fmt::Display> fmt::Display for Sentence<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Printable(f), "{}", self.0)
    }
}

/// The value of a key in the process log: unchanged if it is one plain word, else quoted.
#[derive(Debug, Clone)]
pub(super) struct Value(pub(super) String);

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain =
            |c: char| c.is_alphanumeric() || c.is_ascii_graphic() && !"\"'\\=".contains(c);
        if !self.0.is_empty() && self.0.chars().all(is_plain) {
            f.write_str(&self.0)
        } else {
            write!(f, "{:?}", self.0)
        }
    }
}

/// Escapes unprintable characters in what is written to it.
struct Printable<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Printable<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| match c {
            '"' | '\'' => self.0.write_char(c),
            _ => write!(self.0, "{}", c.escape_debug()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn time_is_rfc_3339_in_utc_with_milliseconds() {
        let at = |millis| Timestamp(SystemTime::UNIX_EPOCH + Duration::from_millis(millis));
        assert_eq!(at(1_795_246_920_123).to_string(), "2026-11-21T07:42:00.123Z");
        assert_eq!(at(0).to_string(), "1970-01-01T00:00:00.000Z");
        let before = Timestamp(SystemTime::UNIX_EPOCH - Duration::from_secs(1));
        assert_eq!(before.to_string(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_word_is_plain_or_quoted() {
        let cases: [(&[u8], &str); 9] = [
            (b"/a?b=c&d", "/a?b=c&d"),
            (b"", "-"),
            (b"-", "\"-\""),
            (b"/a b", "\"/a b\""),
            (b"/\r\n\x1b[31m", "\"/\\r\\n\\u{1b}[31m\""),
            (b"\"'\\", "\"\\\"'\\\\\""),
            ("/café".as_bytes(), "\"/café\""),
            (b"\xff\x7f", "\"\\xff\\u{7f}\""),
            ("a\u{202e}b".as_bytes(), "\"a\\u{202e}b\""),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Word(bytes).to_string(), expected);
        }
    }

    #[test]
    fn a_sentence_stays_one_printable_line() {
        let cases = [
            ("can't open \"x\"", "can't open \"x\""),
            ("two\nlines\r\x1b[31m", "two\\nlines\\r\\u{1b}[31m"),
            ("bidi \u{202e} and \u{9b}", "bidi \\u{202e} and \\u{9b}"),
            ("caf\u{e9}", "caf\u{e9}"),
        ];
        for (text, expected) in cases {
            assert_eq!(Sentence(text).to_string(), expected);
        }
    }

    #[test]
    fn a_value_is_quoted_unless_it_is_one_word() {
        let cases = [
            ("127.0.0.1:9001", "127.0.0.1:9001"),
            ("", "\"\""),
            ("Connection refused (os error 111)", "\"Connection refused (os error 111)\""),
            ("a b=c", "\"a b=c\""),
            ("a\nb", "\"a\\nb\""),
            ("say \"x\"", "\"say \\\"x\\\"\""),
            ("\u{9b}", "\"\\u{9b}\""),
        ];
        for (text, expected) in cases {
            assert_eq!(Value(text.to_owned()).to_string(), expected);
        }
    }
}
