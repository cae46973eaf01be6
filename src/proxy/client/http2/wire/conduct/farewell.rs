//! The end of a connection whose requests are still answered (RFC 9113 section 6.8).
//!
//! A first GOAWAY names no last request, and a PING behind it takes a round trip; what acknowledges the
//! PING has come after every request that the client sent before it knew. The `h2` crate sends both, and a
//! GOAWAY that names the last request; but it says nothing of requests behind that one, so that their client
//! would wait for as long as the connection lasts, and takes a WINDOW_UPDATE for one of them for a mistake of
//! the connection. So they are refused here, and the client can repeat them elsewhere.

use bytes::{BufMut, BytesMut};
use h2::Reason;

use super::super::frames::{Frame, Head, Kind};
use crate::count::Cut;

/// The last stream in a GOAWAY that names none.
const NO_LAST: u32 = u32::MAX >> 1;
/// The bytes of a RST_STREAM.
const RESET: usize = 9 + 4;
/// The most bytes of refusals that wait to be written. A client that is sent a GOAWAY has no reason to
/// begin more requests than may be under way.
const MOST: usize = 128 * RESET;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Open,
    /// The first GOAWAY has been sent.
    Announced,
    /// The PING behind it has been sent, with these bytes.
    Asked([u8; 8]),
    /// Requests on streams behind `last` are refused, and were up to `refused`.
    Over { last: u32, refused: u32 },
}

/// Where the end of one connection is.
#[derive(Debug, Default)]
pub(in super::super) struct Farewell {
    state: State,
    refusals: BytesMut,
}

impl Farewell {
    /// Notes a frame that was sent to the client.
    pub(super) fn sent(&mut self, frame: &Frame) {
        match (self.state, frame.head.kind) {
            (State::Open, Kind::GoAway) if frame.number() == NO_LAST => {
                self.state = State::Announced;
            }
            (State::Announced, Kind::Ping) if !frame.head.is_ack() => {
                self.state = State::Asked(frame.opaque());
            }
            _ => {}
        }
    }

    /// Notes a PING that the client has acknowledged; `last` is the latest stream that it has opened.
    pub(in super::super) fn acknowledged(&mut self, opaque: &[u8], last: u32) {
        if matches!(self.state, State::Asked(asked) if asked == opaque) {
            self.state = State::Over { last, refused: last };
        }
    }

    /// Whether the `h2` crate is to get frames of this stream.
    pub(in super::super) fn serves(&self, stream: u32) -> bool {
        !matches!(self.state, State::Over { last, .. } if stream > last)
    }

    /// Notes the head of a frame of the client; a request that comes too late is refused.
    ///
    /// # Errors
    ///
    /// If the client begins requests without end.
    pub(super) fn came(&mut self, head: &Head) -> Result<(), Cut> {
        let State::Over { refused, .. } = &mut self.state else { return Ok(()) };
        if head.kind != Kind::Headers || head.stream <= *refused {
            return Ok(());
        }
        *refused = head.stream;
        if self.refusals.len() >= MOST {
            return Err(Cut::Requests);
        }
        let reset = Head { kind: Kind::Reset, length: 4, flags: 0, stream: head.stream };
        self.refusals.put_slice(&reset.bytes());
        self.refusals.put_u32(Reason::REFUSED_STREAM.into());
        Ok(())
    }

    /// Frames for the client, whole ones.
    pub(in super::super) fn take_refusals(&mut self) -> BytesMut {
        std::mem::take(&mut self.refusals)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::frames::FrameScanner, *};

    fn sent(farewell: &mut Farewell, kind: u8, flags: u8, payload: &[u8]) {
        let head = [0, 0, payload.len() as u8, kind, flags, 0, 0, 0, 0];
        let bytes = [&head[..], payload].concat();
        farewell.sent(&FrameScanner::new().next(&mut &bytes[..]).unwrap());
    }

    fn came(farewell: &mut Farewell, kind: Kind, stream: u32) -> Result<(), Cut> {
        farewell.came(&Head { kind, length: 0, flags: 0, stream })
    }

    /// After a first GOAWAY and its PING, on a connection with requests up to stream 5.
    fn asked() -> Farewell {
        let mut farewell = Farewell::default();
        sent(&mut farewell, 6, 0, b"one of h");
        sent(&mut farewell, 7, 0, &[0x7f, 255, 255, 255, 0, 0, 0, 0]);
        sent(&mut farewell, 6, 1, b"of other");
        sent(&mut farewell, 6, 0, b"farewell");
        farewell
    }

    #[test]
    fn requests_are_served_until_the_round_trip_ends() {
        let mut farewell = asked();
        for opaque in [b"one of h", b"of other"] {
            farewell.acknowledged(opaque, 5);
            came(&mut farewell, Kind::Headers, 7).unwrap();
            assert!(farewell.serves(7));
        }
        farewell.acknowledged(b"farewell", 7);
        assert!(farewell.serves(7) && !farewell.serves(9));
        assert!(farewell.take_refusals().is_empty());
    }

    #[test]
    fn each_later_request_is_refused_once() {
        let mut farewell = asked();
        farewell.acknowledged(b"farewell", 5);
        for (kind, stream) in [
            (Kind::Headers, 5),
            (Kind::Headers, 9),
            (Kind::WindowUpdate, 9),
            (Kind::Headers, 9),
            (Kind::Priority, 15),
            (Kind::Headers, 11),
        ] {
            came(&mut farewell, kind, stream).unwrap();
        }
        let frames = farewell.take_refusals();
        let expected = [9, 11].map(|stream| [0, 0, 4, 3, 0, 0, 0, 0, stream, 0, 0, 0, 7]);
        assert_eq!(frames, expected.concat());
        // Those that wait to be written are bounded.
        let cut = (0..1000).find_map(|number| {
            came(&mut farewell, Kind::Headers, 13 + 2 * number).err().map(|why| (number, why))
        });
        assert_eq!(cut, Some((128, Cut::Requests)));
    }
}
