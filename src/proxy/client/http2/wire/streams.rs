//! What a client has done with its latest streams, as far as its frames alone tell.
//!
//! The `h2` crate knows the states of streams (RFC 9113 section 5.1), but it answers some frames out of
//! place with another error code than the standard asks for, and takes fields on a stream that was left
//! out for trailers.

use h2::Reason;

use super::frames::{Head, Kind};

/// The latest 128 streams; of older ones nothing is said.
#[derive(Debug, Default)]
pub(super) struct Streams {
    last: u32,
    /// The stream `last` is the first bit, and each one before it the next.
    opened: u128,
    /// The client has said that no more comes.
    ended: u128,
    reset: u128,
    /// Reset by `lb`, which the client may not know yet.
    reset_here: u128,
}

impl Streams {
    /// The latest stream that the client has opened; 0 for none.
    pub(super) fn last(&self) -> u32 {
        self.last
    }

    /// Notes that the stream was reset by `lb`.
    pub(super) fn reset_here(&mut self, stream: u32) {
        self.reset_here |= self.bit(stream);
    }

    /// Whether the stream was reset by `lb`, so that what comes on it means nothing (RFC 9113 section 5.1).
    pub(super) fn is_reset_here(&self, stream: u32) -> bool {
        self.reset_here & self.bit(stream) != 0
    }

    /// Whether the stream is known to be neither closed nor half closed by the client.
    pub(super) fn is_open(&self, stream: u32) -> bool {
        self.opened & !self.ended & !self.reset & !self.reset_here & self.bit(stream) != 0
    }

    /// Notes a frame. Returns whether its fields are trailers, if it has any.
    ///
    /// # Errors
    ///
    /// The error code of the connection, if the stream cannot have such a frame.
    pub(super) fn frame(&mut self, head: &Head) -> Result<bool, Reason> {
        match head.kind {
            // RFC 9113 section 5.1.1.
            Kind::Headers if head.stream.is_multiple_of(2) => Err(Reason::PROTOCOL_ERROR),
            Kind::Headers if head.stream > self.last => {
                self.advance(head.stream);
                self.opened |= 1;
                self.ended |= u128::from(head.ends_stream());
                Ok(false)
            }
            Kind::Headers => {
                let bit = self.bit(head.stream);
                if bit != 0 && self.opened & bit == 0 {
                    return Err(Reason::PROTOCOL_ERROR);
                }
                self.go_on(head, bit, self.ended | self.reset)
            }
            Kind::Data => {
                let bit = self.bit(head.stream);
                self.go_on(head, bit, self.ended)
            }
            Kind::Reset => {
                self.reset |= self.bit(head.stream);
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    /// Notes another frame of a message on a stream, unless the stream is among those that have ended.
    fn go_on(&mut self, head: &Head, bit: u128, ended: u128) -> Result<bool, Reason> {
        if ended & bit != 0 {
            return Err(Reason::STREAM_CLOSED);
        }
        if head.ends_stream() {
            self.ended |= bit;
        }
        Ok(true)
    }

    /// The bit of a stream of the client; 0 if nothing is known of it.
    fn bit(&self, stream: u32) -> u128 {
        let before = self.last.checked_sub(stream).filter(|_| stream % 2 == 1);
        before.and_then(|before| 1_u128.checked_shl(before / 2)).unwrap_or(0)
    }

    fn advance(&mut self, stream: u32) {
        let by = if self.last == 0 { 0 } else { (stream - self.last) / 2 };
        for bits in [&mut self.opened, &mut self.ended, &mut self.reset, &mut self.reset_here] {
            *bits = bits.checked_shl(by).unwrap_or(0);
        }
        self.last = stream;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: u8 = 1;

    fn note(streams: &mut Streams, kind: Kind, stream: u32, flags: u8) -> Result<bool, Reason> {
        streams.frame(&Head { kind, length: 0, flags, stream })
    }

    #[test]
    fn fields_open_a_stream_or_end_it() {
        let mut streams = Streams::default();
        assert_eq!(note(&mut streams, Kind::Headers, 1, 0), Ok(false));
        assert_eq!(note(&mut streams, Kind::Headers, 5, END), Ok(false));
        assert_eq!(note(&mut streams, Kind::Data, 1, 0), Ok(true));
        let open = |streams: &Streams| [1, 3, 5, 7, 0].map(|stream| streams.is_open(stream));
        assert_eq!(open(&streams), [true, false, false, false, false]);
        assert_eq!(note(&mut streams, Kind::Headers, 1, END), Ok(true), "trailers");
        assert_eq!(open(&streams), [false; 5]);
        for (kind, stream, code) in [
            (Kind::Headers, 1, Reason::STREAM_CLOSED),
            (Kind::Data, 1, Reason::STREAM_CLOSED),
            (Kind::Data, 5, Reason::STREAM_CLOSED),
            (Kind::Headers, 3, Reason::PROTOCOL_ERROR),
            (Kind::Headers, 0, Reason::PROTOCOL_ERROR),
            (Kind::Headers, 6, Reason::PROTOCOL_ERROR),
        ] {
            assert_eq!(note(&mut streams, kind, stream, 0), Err(code), "{kind:?} on {stream}");
        }
        assert_eq!(note(&mut streams, Kind::WindowUpdate, 1, 0), Ok(false));
    }

    #[test]
    fn after_a_reset_there_are_no_fields() {
        let mut streams = Streams::default();
        note(&mut streams, Kind::Headers, 1, 0).unwrap();
        note(&mut streams, Kind::Headers, 3, 0).unwrap();
        assert!(streams.is_open(1) && streams.is_open(3));
        note(&mut streams, Kind::Reset, 1, 0).unwrap();
        streams.reset_here(3);
        assert!(!streams.is_open(1) && !streams.is_open(3));
        assert_eq!(note(&mut streams, Kind::Headers, 1, END), Err(Reason::STREAM_CLOSED));
        // The `h2` crate ends such a stream alone.
        assert_eq!(note(&mut streams, Kind::Data, 1, 0), Ok(true));
    }

    #[test]
    fn streams_of_long_ago_are_unknown() {
        let mut streams = Streams::default();
        for stream in [1, 255, 257] {
            note(&mut streams, Kind::Headers, stream, END).unwrap();
        }
        assert_eq!(note(&mut streams, Kind::Headers, 3, 0), Err(Reason::PROTOCOL_ERROR));
        assert_eq!(note(&mut streams, Kind::Data, 1, 0), Ok(true));
        note(&mut streams, Kind::Headers, u32::MAX >> 1, 0).unwrap();
        assert_eq!(note(&mut streams, Kind::Data, 257, 0), Ok(true));
    }
}
