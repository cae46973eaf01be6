//! The frames of a request's stream (RFC 9114 section 4.1): fields, pieces of a body, trailers.

use bytes::{Bytes, BytesMut};

use super::{
    HEADER_LIST,
    error::{Code, Fault},
    frame::{self, HeadReader},
};

/// How much is read of fields that are too large, in bytes: pseudo-fields come first, and the access log
/// names them.
const NAMED: usize = 8 * 1024;

/// What comes on a request's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The fields of the request, compressed.
    Head(Bytes),
    /// A piece of the body, not empty.
    Data(Bytes),
    /// The fields behind the body, compressed.
    Trailers(Bytes),
}

/// Where a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    BeforeHead,
    Body,
    AfterTrailers,
}

/// The frame that has begun.
#[derive(Debug)]
enum Inside {
    None,
    /// Its fields as far as they have come.
    Fields {
        came: BytesMut,
        length: usize,
        is_too_large: bool,
    },
    /// The number of bytes that are still to come.
    Data(u64),
    /// The same, of a frame without a meaning here.
    Skipped(u64),
}

/// The frames of one request's stream as they come.
#[derive(Debug)]
pub struct RequestFrames {
    stage: Stage,
    head: HeadReader,
    inside: Inside,
    /// Frames that have brought nothing and were not taken note of.
    empty: u32,
}

impl Default for RequestFrames {
    fn default() -> Self {
        let (stage, inside) = (Stage::BeforeHead, Inside::None);
        Self { stage, head: HeadReader::default(), inside, empty: 0 }
    }
}

impl RequestFrames {
    /// Takes the next part off the front of what has come; `None` if more must come.
    ///
    /// # Errors
    ///
    /// If the client breaks the rules.
    pub fn next(&mut self, input: &mut Bytes) -> Result<Option<Part>, Fault> {
        loop {
            match &mut self.inside {
                Inside::None => {
                    let Some((kind, length)) = self.head.read(input) else { return Ok(None) };
                    self.begin(kind, length)?;
                }
                Inside::Fields { came, length, is_too_large } => {
                    let more = input.split_to(input.len().min(*length - came.len()));
                    came.extend_from_slice(&more);
                    if came.len() < *length {
                        return Ok(None);
                    }
                    if *is_too_large {
                        return Err(Fault::TooLarge);
                    }
                    let fields = std::mem::take(came).freeze();
                    self.inside = Inside::None;
                    return Ok(Some(match self.stage {
                        Stage::BeforeHead => {
                            self.stage = Stage::Body;
                            Part::Head(fields)
                        }
                        _ => {
                            self.stage = Stage::AfterTrailers;
                            Part::Trailers(fields)
                        }
                    }));
                }
                Inside::Data(0) | Inside::Skipped(0) => self.inside = Inside::None,
                Inside::Data(left) | Inside::Skipped(left) if input.is_empty() => {
                    debug_assert!(*left > 0);
                    return Ok(None);
                }
                Inside::Data(left) => {
                    let piece = take(input, left);
                    return Ok(Some(Part::Data(piece)));
                }
                Inside::Skipped(left) => drop(take(input, left)),
            }
        }
    }

    /// Takes the number of frames that have brought nothing since this was asked last.
    pub fn take_empty(&mut self) -> u32 {
        std::mem::take(&mut self.empty)
    }

    /// How much has come of fields whose end has not, in bytes.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        match &self.inside {
            Inside::Fields { came, .. } => came.len(),
            _ => 0,
        }
    }

    /// Takes what has come of the fields of a request that are not complete; `None` if they have not begun.
    pub fn unfinished_head(&mut self) -> Option<Bytes> {
        match &mut self.inside {
            Inside::Fields { came, .. } if self.stage == Stage::BeforeHead => {
                Some(std::mem::take(came).freeze())
            }
            _ => None,
        }
    }

    /// The stream has ended.
    ///
    /// # Errors
    ///
    /// If the request has not.
    pub fn end(&self) -> Result<(), Fault> {
        let is_inside = self.head.is_inside()
            || !matches!(self.inside, Inside::None | Inside::Data(0) | Inside::Skipped(0));
        match self.stage {
            _ if is_inside => Err(Fault::Connection(Code::FrameError)),
            Stage::BeforeHead => Err(Fault::Incomplete),
            Stage::Body | Stage::AfterTrailers => Ok(()),
        }
    }

    fn begin(&mut self, kind: u64, length: u64) -> Result<(), Fault> {
        let unexpected = Err(Fault::Connection(Code::FrameUnexpected));
        self.inside = match (kind, self.stage) {
            (frame::HEADERS, Stage::BeforeHead | Stage::Body) => {
                // Compression makes fields smaller, so that more cannot be within the limit but by waste.
                let is_too_large = length > HEADER_LIST.into();
                let length = if is_too_large { NAMED } else { length as usize };
                if is_too_large && self.stage == Stage::Body {
                    // Trailers are in no log.
                    return Err(Fault::TooLarge);
                }
                Inside::Fields { came: BytesMut::new(), length, is_too_large }
            }
            (frame::DATA, Stage::Body) => Inside::Data(length),
            (frame::HEADERS | frame::DATA, _) => return unexpected,
            (
                frame::SETTINGS
                | frame::GOAWAY
                | frame::CANCEL_PUSH
                | frame::MAX_PUSH_ID
                | frame::PUSH_PROMISE,
                _,
            ) => return unexpected,
            _ if frame::is_of_http2(kind) => return unexpected,
            _ => Inside::Skipped(length),
        };
        self.empty += u32::from(matches!(self.inside, Inside::Data(0) | Inside::Skipped(_)));
        Ok(())
    }
}

fn take(input: &mut Bytes, left: &mut u64) -> Bytes {
    let piece = input.split_to(usize::try_from(*left).unwrap_or(usize::MAX).min(input.len()));
    *left -= piece.len() as u64;
    piece
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http3::{checks::parts, varint};

    fn frame_of(kind: u64, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        varint::put(kind, &mut bytes);
        varint::put(payload.len() as u64, &mut bytes);
        bytes.extend_from_slice(payload);
        bytes
    }

    fn read(stream: &[u8], piece: usize) -> (Vec<Part>, Result<(), Fault>) {
        let (parts, end, _) = parts(stream, piece);
        (parts, end)
    }

    fn of(frames: &[(u64, &[u8])]) -> Vec<u8> {
        frames.iter().flat_map(|(kind, payload)| frame_of(*kind, payload)).collect()
    }

    #[test]
    fn parts_come_for_any_division_into_reads() {
        let stream = of(&[
            (0x21, b"grease"),
            (frame::HEADERS, b"head"),
            (frame::DATA, b""),
            (frame::DATA, b"bo"),
            (0x40_21, &[0; 300]),
            (frame::DATA, b"dy"),
            (frame::HEADERS, b"trailers"),
            (0x21, b""),
        ]);
        let parts = [
            Part::Head("head".into()),
            Part::Data("body".into()),
            Part::Trailers("trailers".into()),
        ];
        for piece in 1..=stream.len() {
            assert_eq!(read(&stream, piece), (parts.to_vec(), Ok(())), "in pieces of {piece}");
        }
    }

    #[test]
    fn frames_that_bring_nothing_are_counted() {
        let (head, data, empty) = ((frame::HEADERS, &b"h"[..]), (frame::DATA, &b"x"[..]), &b""[..]);
        for (frames, count) in [
            (&[head, data, data][..], 0),
            (&[head, (frame::DATA, empty), data, (frame::DATA, empty)], 2),
            (&[(0x21, b"x"), head, (0x21, empty), data], 2),
        ] {
            let (mut input, mut frames) = (Bytes::from(of(frames)), RequestFrames::default());
            while frames.next(&mut input).unwrap().is_some() {}
            assert_eq!((frames.take_empty(), frames.take_empty()), (count, 0));
        }
    }

    #[test]
    fn frames_out_of_place_end_the_connection() {
        let head = (frame::HEADERS, &b"h"[..]);
        let unexpected = Err(Fault::Connection(Code::FrameUnexpected));
        for frames in [
            &[(frame::DATA, &b"early"[..])][..],
            &[head, (frame::HEADERS, b"t"), (frame::DATA, b"late")],
            &[head, (frame::HEADERS, b"t"), (frame::HEADERS, b"t")],
            &[head, (frame::SETTINGS, b"")],
            &[(frame::GOAWAY, b"\x00")],
            &[head, (frame::PUSH_PROMISE, b"")],
            &[head, (frame::MAX_PUSH_ID, b"\x00")],
            &[head, (frame::CANCEL_PUSH, b"\x00")],
            &[(0x02, b"")],
            &[head, (0x06, b"")],
            &[head, (0x08, b"")],
            &[head, (0x09, b"")],
        ] {
            assert_eq!(read(&of(frames), usize::MAX).1, unexpected, "{frames:?}");
        }
    }

    #[test]
    fn a_stream_must_not_end_within_a_frame_or_before_its_request() {
        assert_eq!(read(b"", 1).1, Err(Fault::Incomplete));
        assert_eq!(read(&of(&[(0x21, b"x")]), 1).1, Err(Fault::Incomplete));
        let whole = of(&[(frame::HEADERS, b"head"), (frame::DATA, b"body")]);
        let boundary = of(&[(frame::HEADERS, b"head")]).len();
        for cut in (1..whole.len()).filter(|cut| *cut != boundary) {
            let end = read(&whole[..cut], usize::MAX).1;
            assert_eq!(end, Err(Fault::Connection(Code::FrameError)), "after {cut} bytes");
        }
    }

    #[test]
    fn what_is_too_large_is_not_collected() {
        let mut bytes = Vec::new();
        varint::put(frame::HEADERS, &mut bytes);
        varint::put(u64::from(HEADER_LIST) + 1, &mut bytes);
        bytes.extend([b'x'; NAMED]);
        let (mut frames, mut came) = (RequestFrames::default(), 0);
        let fault = bytes.chunks(100).find_map(|piece| {
            came += piece.len();
            frames.next(&mut Bytes::copy_from_slice(piece)).err()
        });
        assert_eq!((fault, came), (Some(Fault::TooLarge), bytes.len()));
        assert_eq!(frames.unfinished_head().map(|head| head.len()), Some(NAMED));
        let trailers = [of(&[(frame::HEADERS, b"head")]), bytes].concat();
        assert_eq!(read(&trailers, 1).1, Err(Fault::TooLarge));
    }

    #[test]
    fn what_has_come_of_a_head_can_be_taken() {
        let bytes = of(&[(0x21, b"x"), (frame::HEADERS, b"head"), (frame::HEADERS, b"trailers")]);
        for (end, head) in [(3, None), (5, Some("")), (7, Some("he")), (9, None), (14, None)] {
            let mut frames = RequestFrames::default();
            let mut input = Bytes::copy_from_slice(&bytes[..end]);
            while frames.next(&mut input).unwrap().is_some() {}
            assert_eq!(frames.unfinished_head(), head.map(Bytes::from), "after {end} bytes");
        }
    }
}
