//! The line before each chunk: a size, and extensions that nothing here asks for (RFC 9112 section
//! 7.1), read byte by byte because a read may end within it.
//!
//! Parsers that are lax here disagree about where a chunk begins, so the grammar is kept to the
//! letter, quoted strings in extensions included.

use crate::http1::rules::{Refusal, syntax};

/// The most digits of a size: as many as a number of 64 bits has; leading zeros count.
const MAX_DIGITS: u8 = 16;
/// The most bytes of all extensions of a body together, blanks and semicolons included.
const MAX_EXTENSION_BYTES: u16 = 4 * 1024;

/// The state of a chunk line. When a line has ended, the same value reads the next one.
#[derive(Debug, Clone, Default)]
pub(super) struct ChunkLine {
    part: Part,
    size: u64,
    digits: u8,
    /// Bytes of extensions in all lines of the body so far.
    extension_bytes: u16,
}

/// The part of the line that the next byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Part {
    #[default]
    Size,
    /// Blanks that a semicolon must follow.
    Blank,
    NameStart,
    Name,
    /// Blanks behind a name, which an equals sign or a semicolon must follow.
    NameEnd,
    ValueStart,
    Token,
    Quoted,
    Escaped,
    QuotedEnd,
    LineFeed,
}

impl ChunkLine {
    /// Reads one byte. Returns the chunk's size when the line ends with it.
    pub(super) fn read(&mut self, byte: u8) -> Result<Option<u64>, Refusal> {
        if self.part == Part::Size {
            if let Some(digit) = hex(byte) {
                return self.add_digit(digit).map(|()| None);
            }
            if self.digits == 0 {
                return Err(Refusal::bad("a chunk has no size"));
            }
        } else if self.part == Part::LineFeed {
            if byte != b'\n' {
                return Err(Refusal::bad("a carriage return stands alone in a chunk's line"));
            }
            let line = std::mem::take(self);
            self.extension_bytes = line.extension_bytes;
            return Ok(Some(line.size));
        }
        self.part = self.next(byte).map_err(Refusal::bad)?;
        if self.part != Part::LineFeed {
            self.extension_bytes += 1;
            if self.extension_bytes > MAX_EXTENSION_BYTES {
                return Err(Refusal::bad("the chunks have more than 4 KiB of extensions"));
            }
        }
        Ok(None)
    }

    fn add_digit(&mut self, digit: u8) -> Result<(), Refusal> {
        if self.digits == MAX_DIGITS {
            return Err(Refusal::bad("the size of a chunk has more than 16 digits"));
        }
        self.digits += 1;
        self.size = self.size << 4 | u64::from(digit);
        Ok(())
    }

    fn next(&self, byte: u8) -> Result<Part, &'static str> {
        let is_blank = matches!(byte, b' ' | b'\t');
        let is_token = syntax::is_token_byte(byte);
        Ok(match (self.part, byte) {
            (Part::Quoted, b'"') => Part::QuotedEnd,
            (Part::Quoted, b'\\') => Part::Escaped,
            (Part::Quoted | Part::Escaped, _) if syntax::is_value_byte(byte) => Part::Quoted,
            (_, b'\n') => return Err("a chunk's line ends without a carriage return"),
            (Part::Quoted | Part::Escaped, _) => {
                return Err("a quoted string in a chunk's extension has a control character");
            }
            (Part::Size | Part::Name | Part::Token | Part::QuotedEnd, b'\r') => Part::LineFeed,
            (Part::NameStart | Part::Name, _) if is_token => Part::Name,
            (Part::ValueStart | Part::Token, _) if is_token => Part::Token,
            (Part::ValueStart, b'"') => Part::Quoted,
            (Part::Name | Part::NameEnd, b'=') => Part::ValueStart,
            (Part::NameStart | Part::ValueStart, _) if is_blank => self.part,
            (Part::Name | Part::NameEnd, _) if is_blank => Part::NameEnd,
            (Part::NameStart | Part::ValueStart, _) => {
                return Err("an extension of a chunk is malformed");
            }
            (Part::Blank | Part::NameEnd, b'\r') => return Err("a chunk's line ends with a blank"),
            (_, b';') => Part::NameStart,
            (_, _) if is_blank => Part::Blank,
            (Part::Size, _) => return Err("the size of a chunk is not a hexadecimal number"),
            _ => return Err("an extension of a chunk is malformed"),
        })
    }
}

fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}
