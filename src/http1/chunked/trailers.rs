//! The fields behind the last chunk of a body (RFC 9112 section 7.1.2).

use crate::http1::rules::{Field, Refusal, fields, syntax};

/// The most bytes of all trailers, line ends included.
const MAX_BYTES: usize = 16 * 1024;
/// The most trailers: as many as fields in a head.
const MAX_FIELDS: usize = 100;

/// The state of the trailers.
#[derive(Debug, Clone, Default)]
pub(super) struct Trailers {
    /// Complete lines that have been checked, then the beginning of the next line.
    bytes: Vec<u8>,
    line_start: usize,
    fields: usize,
}

impl Trailers {
    /// Reads these bytes. Returns how many of them belong to the trailers, and whether the empty
    /// line that ends the body is among them.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<(usize, bool), Refusal> {
        // Most bodies have no trailers, and then no memory is allocated.
        if self.bytes.is_empty() && bytes.starts_with(b"\r\n") {
            return Ok((2, true));
        }
        let mut at = 0;
        while let Some(line_feed) = syntax::line_feed(&bytes[at..]) {
            self.add(&bytes[at..=at + line_feed])?;
            at += line_feed + 1;
            if self.end_line()? {
                return Ok((at, true));
            }
        }
        self.add(&bytes[at..])?;
        Ok((bytes.len(), false))
    }

    /// The fields of the lines that have ended.
    pub(super) fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        let mut rest = &self.bytes[..self.line_start];
        std::iter::from_fn(move || {
            let (field, behind) = fields::field_line(rest).ok()?;
            rest = behind;
            field
        })
    }

    fn add(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        if self.bytes.len() + bytes.len() > MAX_BYTES {
            return Err(Refusal::bad("the trailers are larger than 16 KiB"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Whether the line that has ended is the empty one.
    fn end_line(&mut self) -> Result<bool, Refusal> {
        let line = &self.bytes[self.line_start..];
        if !line.ends_with(b"\r\n") {
            return Err(Refusal::bad("a trailer's line ends without a carriage return"));
        }
        if fields::field_line(line)?.0.is_none() {
            return Ok(true);
        }
        self.fields += 1;
        if self.fields > MAX_FIELDS {
            return Err(Refusal::bad("the body has more than 100 trailers"));
        }
        self.line_start = self.bytes.len();
        Ok(false)
    }
}
