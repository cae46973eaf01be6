//! A body in chunks: its data, and the trailers behind it.
//!
//! Data stay in the buffer that they were read into. Where a read has several chunks, they are moved
//! together there, because many tiny chunks would otherwise cost a message each on their way.

use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};

use super::{line::ChunkLine, trailers::Trailers};
use crate::http1::rules::{Field, Refusal, may_be_trailer};

/// A piece larger than this is not moved: it is worth a message of its own.
const MAX_MOVED: usize = 8 * 1024;

/// The state of a body in chunks.
#[derive(Debug, Clone, Default)]
pub struct ChunkedBody {
    part: Part,
    line: ChunkLine,
    /// Data bytes of the chunk that are still to come.
    left: u64,
    trailers: Trailers,
    /// What is wrong, once something is.
    refusal: Option<Refusal>,
}

/// The part of the body that the next byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Part {
    #[default]
    Line,
    Data,
    /// The CR behind the data.
    DataEnd,
    /// The LF behind that CR.
    LineFeed,
    Trailers,
    Nothing,
}

/// The result of [`ChunkedBody::decode`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The range of the data in the buffer, within the bytes that were consumed.
    pub data: Range<usize>,
    /// The number of bytes at the start of the buffer that need not be passed in again.
    pub consumed: usize,
}

impl ChunkedBody {
    /// Goes on with these bytes, which follow those that were consumed before. All of them are
    /// consumed, unless the body ends among them, or a large piece of data or something malformed comes
    /// behind data: call again until nothing is consumed. The consumed part of the buffer may be
    /// overwritten.
    ///
    /// # Errors
    /// A 400 as soon as a byte cannot belong to a body, behind the data before it, so that both are the
    /// same however the body is cut. Nothing behind it can be trusted: the connection has to be closed.
    pub fn decode(&mut self, buffer: &mut [u8]) -> Result<Decoded, Refusal> {
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        let mut data = 0..0;
        let mut at = 0;
        while at < buffer.len() {
            match self.part {
                Part::Data => {
                    let here = self.left.min((buffer.len() - at) as u64) as usize;
                    if data.is_empty() {
                        data = at..at;
                    } else if here > MAX_MOVED {
                        break;
                    }
                    if data.end != at {
                        buffer.copy_within(at..at + here, data.end);
                    }
                    data.end += here;
                    at += here;
                    self.left -= here as u64;
                    if self.left == 0 {
                        self.part = Part::DataEnd;
                    }
                }
                Part::Nothing => break,
                _ => match self.read_framing(&buffer[at..]) {
                    Ok(read) => at += read,
                    Err(refusal) if data.is_empty() => return Err(refusal),
                    Err(_) => break,
                },
            }
        }
        Ok(Decoded { data, consumed: at })
    }

    /// Reads something other than data, and returns how many bytes that was.
    fn read_framing(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        self.read_unless_refused(bytes).inspect_err(|refusal| self.refusal = Some(*refusal))
    }

    fn read_unless_refused(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        let &[byte, ..] = bytes else { return Ok(0) };
        match self.part {
            Part::Line => {
                if let Some(size) = self.line.read(byte)? {
                    self.left = size;
                    self.part = if size == 0 { Part::Trailers } else { Part::Data };
                }
            }
            Part::DataEnd => self.part = follows(byte, b'\r', Part::LineFeed)?,
            Part::LineFeed => self.part = follows(byte, b'\n', Part::Line)?,
            Part::Trailers => {
                let (read, is_end) = self.trailers.read(bytes)?;
                if is_end {
                    self.part = Part::Nothing;
                }
                return Ok(read);
            }
            Part::Data | Part::Nothing => return Ok(0),
        }
        Ok(1)
    }

    /// Takes bytes of the body off the buffer, and returns the next piece of data, if there is one
    /// before the end of the buffer or of the body. Call again until there is none.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn take(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, Refusal> {
        let Decoded { data, consumed } = self.decode(buffer)?;
        if data.is_empty() {
            buffer.advance(consumed);
            return Ok(None);
        }
        let mut taken = buffer.split_to(consumed);
        taken.truncate(data.end);
        taken.advance(data.start);
        Ok(Some(taken.freeze()))
    }

    /// Whether the last byte of the body was consumed.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.part == Part::Nothing
    }

    /// The trailers that may be passed on: see [`may_be_trailer`]. Complete when the body [has
    /// ended](Self::has_ended).
    pub fn trailers(&self) -> impl Iterator<Item = Field<'_>> {
        self.trailers.fields().filter(|field| may_be_trailer(field.name))
    }
}

fn follows(byte: u8, expected: u8, then: Part) -> Result<Part, Refusal> {
    if byte == expected {
        Ok(then)
    } else {
        Err(Refusal::bad("a chunk is longer than its size, or its line end is missing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_before_an_error_come_before_it() {
        for cut in 0..20 {
            let mut body = ChunkedBody::default();
            let bytes = b"2\r\nab\r\n1\r\nc\r\n;\r\nrest";
            let (mut buffer, mut data) = (BytesMut::new(), vec![]);
            let mut verdict = Ok(None);
            for part in [&bytes[..cut], &bytes[cut..]] {
                buffer.extend_from_slice(part);
                while let Ok(Some(more)) = {
                    verdict = body.take(&mut buffer);
                    &verdict
                } {
                    data.extend_from_slice(more);
                }
            }
            assert_eq!(data, b"abc", "cut at {cut}");
            assert_eq!(verdict, Err(Refusal::bad("a chunk has no size")), "cut at {cut}");
            assert_eq!(body.take(&mut buffer), verdict, "for good");
        }
    }

    #[test]
    fn chunks_of_one_read_are_put_together() {
        let mut buffer = BytesMut::from(
            &b"3;a=\"\\\"\"\r\nabc\r\n1\r\nd\r\n0\r\nX: y\r\nHost: z\r\n\r\nGET"[..],
        );
        let mut body = ChunkedBody::default();
        assert_eq!(&*body.take(&mut buffer).unwrap().unwrap(), b"abcd");
        assert!(body.has_ended());
        assert_eq!(&*buffer, b"GET");
        assert_eq!(body.trailers().map(|field| field.name).collect::<Vec<_>>(), [b"X"]);
    }
}
