//! What the `h2` crate gets to read in place of a client's frames.
//!
//! Frames that only need to be known pass as they are, where they are. Fields are written again
//! (`block.rs`). A DATA frame whose end has not come is divided: the crate would collect it, and a
//! client that sends a large frame slowly would look like one that sends nothing. One that comes faster
//! than it is read stays whole: each part is a piece of the body by itself, at the cost of one. Short ones that come
//! together are joined, and those without data left out, because the crate allows few of them. Of a request
//! that comes behind the last one it gets nothing but the DATA frames, which belong to the connection's window.

use h2::Reason;

use super::{
    block::FieldBlocks,
    closing::Closing,
    conduct::Conduct,
    frames::{END_STREAM, HEAD, Head, Kind, MAX_PAYLOAD},
};

/// The preface that frames of a client come after, in bytes.
const PREFACE: usize = 24;
/// The room for bytes that wait to be read that is kept, in bytes: an idle connection holds it.
const KEPT: usize = 256;
/// The number of `SETTINGS_INITIAL_WINDOW_SIZE`, and its largest value (RFC 9113 section 6.5.2).
const INITIAL_WINDOW: u16 = 4;
const LARGEST_WINDOW: u32 = i32::MAX as u32;

/// What is done with the rest of a payload.
#[derive(Debug, Clone, Copy)]
enum Rest {
    /// It passes: this number of bytes, of a body or not.
    Passes { left: usize, is_data: bool },
    /// It becomes DATA frames of its own.
    Data(Head),
    /// It is collected, and read as a whole.
    Collected(Head),
    /// This number of bytes is left out.
    Dropped(usize),
}

impl Rest {
    const NOTHING: Self = Self::Passes { left: 0, is_data: false };
}

/// The bytes of one client, in order.
#[derive(Debug)]
pub(super) struct Inbound {
    head: [u8; HEAD],
    /// How much of `head` has come.
    filled: usize,
    rest: Rest,
    collected: Vec<u8>,
    blocks: FieldBlocks,
    /// Bytes for the `h2` crate that stand behind those that passed.
    ready: Vec<u8>,
    /// How much of `ready` was read.
    read: usize,
}

impl Inbound {
    pub(super) fn new() -> Self {
        Self {
            head: [0; HEAD],
            filled: 0,
            rest: Rest::Passes { left: PREFACE, is_data: true },
            collected: Vec::new(),
            blocks: FieldBlocks::new(),
            ready: Vec::new(),
            read: 0,
        }
    }

    /// Whether a frame has begun whose end has not come. Those of bodies do not count: how slowly a
    /// body comes is measured by itself.
    pub(super) fn is_inside(&self) -> bool {
        let is_in_payload = match self.rest {
            Rest::Passes { left, is_data } => left > 0 && !is_data,
            Rest::Data(_) => false,
            Rest::Dropped(left) => left > 0,
            Rest::Collected(_) => true,
        };
        self.filled > 0 || is_in_payload
    }

    /// Notes that the stream was reset by `lb`.
    pub(super) fn reset_here(&mut self, stream: u32) {
        self.blocks.reset_here(stream);
    }

    /// The bytes that stand behind those that passed. Bytes that come must not be taken before these
    /// are read.
    pub(super) fn ready(&self) -> &[u8] {
        &self.ready[self.read..]
    }

    /// Notes that this number of the bytes that were ready has been read.
    pub(super) fn has_read(&mut self, count: usize) {
        self.read += count;
        if self.read == self.ready.len() {
            self.ready.clear();
            self.ready.shrink_to(KEPT);
            self.read = 0;
        }
    }

    /// Takes bytes that have come, all of which the `h2` crate has room for. Returns how many at their
    /// beginning pass; what it gets in place of the others is ready. `goes_on` says that more has come
    /// behind them.
    ///
    /// # Errors
    ///
    /// Why the connection must be closed.
    pub(super) fn take(
        &mut self,
        bytes: &mut [u8],
        goes_on: bool,
        conduct: &mut Conduct,
    ) -> Result<usize, Closing> {
        let mut piece = Piece { bytes, goes_on, at: 0, passed: 0, head_at: None, data: None };
        loop {
            self.take_payload(&mut piece, conduct)?;
            let Some(missing) = piece.left().get(..HEAD - self.filled).map(<[u8]>::len) else {
                let part = piece.left();
                self.head[self.filled..self.filled + part.len()].copy_from_slice(part);
                self.filled += part.len();
                return Ok(piece.passed);
            };
            self.head[self.filled..].copy_from_slice(&piece.left()[..missing]);
            piece.head_at = (self.filled == 0).then_some(piece.at);
            piece.at += missing;
            self.filled = 0;
            self.begin(&mut piece, conduct)?;
        }
    }

    /// Begins the frame whose head is whole.
    fn begin(&mut self, piece: &mut Piece<'_>, conduct: &mut Conduct) -> Result<(), Closing> {
        let head = Head::of(&self.head);
        check_size(&head)?;
        self.blocks.frame(&head)?;
        conduct.frame(&head)?;
        self.rest = match head.kind {
            Kind::Headers | Kind::Continuation | Kind::Settings => Rest::Collected(head),
            Kind::Ping if head.is_ack() => Rest::Collected(head),
            Kind::Data if head.is_padded() => self.pass_frame(piece, &head),
            Kind::Data if head.length > 0 => Rest::Data(head),
            Kind::Data => {
                if head.ends_stream() || !self.blocks.is_open(head.stream) {
                    self.pass_data_head(piece, head);
                }
                Rest::NOTHING
            }
            // A client cannot push (RFC 9113 section 8.4).
            Kind::Push => return Err(Reason::PROTOCOL_ERROR.into()),
            Kind::Reset | Kind::WindowUpdate if !conduct.farewell().serves(head.stream) => {
                Rest::Dropped(head.length as usize)
            }
            _ => self.pass_frame(piece, &head),
        };
        Ok(())
    }

    /// Lets a frame pass as it is. Returns what is done with its payload.
    fn pass_frame(&mut self, piece: &mut Piece<'_>, head: &Head) -> Rest {
        self.pass_head(piece, self.head);
        Rest::Passes { left: head.length as usize, is_data: head.kind == Kind::Data }
    }

    /// Takes as much of the payload as has come.
    fn take_payload(
        &mut self,
        piece: &mut Piece<'_>,
        conduct: &mut Conduct,
    ) -> Result<(), Closing> {
        let available = piece.left().len();
        match self.rest {
            Rest::Passes { left, is_data } => {
                let part = left.min(available);
                self.pass(piece, part);
                self.rest = Rest::Passes { left: left - part, is_data };
                if is_data && part > 0 {
                    let frame = Head::of(&self.head);
                    conduct
                        .came_of_frame(&frame, frame.length.saturating_sub((left - part) as u32));
                }
            }
            Rest::Data(head) if piece.goes_on => {
                self.pass_data_head(piece, head);
                self.rest = Rest::Passes { left: head.length as usize, is_data: true };
                return self.take_payload(piece, conduct);
            }
            Rest::Data(mut head) if available > 0 => {
                let left = head.length as usize;
                let part = left.min(available);
                let mut divided = Head { length: part as u32, ..head };
                if part < left {
                    divided.flags &= !END_STREAM;
                }
                self.pass_data_head(piece, divided);
                self.pass(piece, part);
                head.length -= part as u32;
                self.rest = if part < left { Rest::Data(head) } else { Rest::NOTHING };
            }
            Rest::Data(_) => {}
            Rest::Dropped(left) => {
                let part = left.min(available);
                piece.at += part;
                self.rest = Rest::Dropped(left - part);
            }
            Rest::Collected(head) => self.collect(head, piece, conduct)?,
        }
        Ok(())
    }

    /// Takes a part of a payload that is read as a whole, and reads it if it is the last one.
    fn collect(
        &mut self,
        head: Head,
        piece: &mut Piece<'_>,
        conduct: &mut Conduct,
    ) -> Result<(), Closing> {
        let left = head.length as usize - self.collected.len();
        let part = left.min(piece.left().len());
        if part < left {
            self.collected.extend_from_slice(piece.left());
            piece.at += part;
            return Ok(());
        }
        self.rest = Rest::NOTHING;
        piece.data = None;
        let mut collected = std::mem::take(&mut self.collected);
        let payload = if collected.is_empty() {
            &piece.left()[..part]
        } else {
            collected.extend_from_slice(&piece.left()[..part]);
            &collected
        };
        match head.kind {
            Kind::Settings | Kind::Ping => {
                if head.kind == Kind::Settings {
                    if let Some(window) = first_window(payload)? {
                        conduct.set_first_window(window);
                    }
                } else {
                    conduct.farewell().acknowledged(payload, self.blocks.last_stream());
                }
                self.ready.extend_from_slice(&self.head);
                self.ready.extend_from_slice(payload);
            }
            _ => {
                // It is decoded in any case, because it changes the state of the compression.
                let before = self.ready.len();
                conduct.judged(self.blocks.take(&head, payload, &mut self.ready)?)?;
                // The `h2` crate forgets streams that were reset, and takes such fields for a mistake of the
                // connection.
                if !conduct.farewell().serves(head.stream) || self.blocks.is_reset_here(head.stream)
                {
                    self.ready.truncate(before);
                }
            }
        }
        piece.at += part;
        Ok(())
    }

    /// Lets the next bytes pass.
    fn pass(&mut self, piece: &mut Piece<'_>, count: usize) {
        if self.ready.is_empty() && piece.passed == piece.at {
            piece.passed += count;
        } else {
            self.ready.extend_from_slice(&piece.left()[..count]);
        }
        piece.at += count;
    }

    /// Lets a head pass, in the place of the one that has come, if that is there. Returns where it stands.
    fn pass_head(&mut self, piece: &mut Piece<'_>, head: [u8; HEAD]) -> Place {
        piece.data = None;
        let place = piece.head_at.take().filter(|at| self.ready.is_empty() && *at == piece.passed);
        match place.and_then(|at| piece.bytes[at..].first_chunk_mut()) {
            Some(place) => {
                *place = head;
                piece.passed += HEAD;
                Place::Passed(piece.passed - HEAD)
            }
            None => {
                self.ready.extend_from_slice(&head);
                Place::Ready(self.ready.len() - HEAD)
            }
        }
    }

    /// Lets a DATA frame without padding pass, as part of the one before it if that is possible.
    fn pass_data_head(&mut self, piece: &mut Piece<'_>, head: Head) {
        if let Some((before, place)) = piece.data
            && let Some(joined) = before.joined(&head)
        {
            let bytes = match place {
                Place::Passed(at) => &mut piece.bytes[at..],
                Place::Ready(at) => &mut self.ready[at..],
            };
            bytes[..HEAD].copy_from_slice(&joined.bytes());
            piece.data = Some((joined, place));
        } else {
            let place = self.pass_head(piece, head.bytes());
            piece.data = Some((head, place));
        }
    }
}

/// Where a head stands.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// In bytes that pass.
    Passed(usize),
    /// In those that are ready.
    Ready(usize),
}

/// Bytes that have come.
struct Piece<'a> {
    bytes: &'a mut [u8],
    /// Whether more has come behind them.
    goes_on: bool,
    /// How many were looked at.
    at: usize,
    /// How many at the beginning pass.
    passed: usize,
    /// Where the head of the current frame is, if it is here as a whole.
    head_at: Option<usize>,
    /// The last frame so far, if it is a DATA frame without padding that is here to its end, and where its head is.
    data: Option<(Head, Place)>,
}

impl Piece<'_> {
    fn left(&self) -> &[u8] {
        &self.bytes[self.at..]
    }
}

/// Whether a frame may have this length (RFC 9113 sections 4.2 and 6).
fn check_size(head: &Head) -> Result<(), Reason> {
    let length = head.length as usize;
    let is_right = match head.kind {
        Kind::Ping => length == 8,
        Kind::Reset | Kind::WindowUpdate => length == 4,
        Kind::Priority => length == 5,
        Kind::Settings if head.is_ack() => length == 0,
        Kind::Settings => length.is_multiple_of(6),
        Kind::GoAway => length >= 8,
        _ => true,
    };
    if is_right && length <= MAX_PAYLOAD { Ok(()) } else { Err(Reason::FRAME_SIZE_ERROR) }
}

/// The window of new streams that these settings make, if they do; the `h2` crate checks the others.
///
/// # Errors
///
/// A window that is too large, which has an error code of its own.
fn first_window(payload: &[u8]) -> Result<Option<u32>, Reason> {
    let (values, _) = payload.as_chunks();
    let mut last = None;
    for [a, b, c, d, e, f] in values {
        if u16::from_be_bytes([*a, *b]) == INITIAL_WINDOW {
            let window = u32::from_be_bytes([*c, *d, *e, *f]);
            if window > LARGEST_WINDOW {
                return Err(Reason::FLOW_CONTROL_ERROR);
            }
            last = Some(window);
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use proptest::{collection::vec, prelude::*};

    use super::{
        super::{conduct::Signals, frames::FrameScanner},
        *,
    };

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
    }

    /// What the `h2` crate reads when these bytes come in pieces of this size, and how it ends.
    fn read(bytes: &[u8], size: usize) -> (Vec<u8>, Option<Closing>) {
        let mut conduct = Conduct::new(Duration::from_secs(1), Arc::new(Signals::default()));
        let (mut inbound, mut all) = (Inbound::new(), Vec::new());
        for piece in bytes.chunks(size) {
            let mut piece = piece.to_vec();
            match inbound.take(&mut piece, false, &mut conduct) {
                Ok(passed) => all.extend_from_slice(&piece[..passed]),
                Err(why) => return (all, Some(why)),
            }
            let ready = inbound.ready().len();
            all.extend_from_slice(inbound.ready());
            inbound.has_read(ready);
        }
        (all, None)
    }

    /// The frames in what was read, with the parts of a divided body as one.
    fn frames(read: &[u8]) -> Vec<(u8, u8, u32, Vec<u8>)> {
        let mut rest = &read[PREFACE.min(read.len())..];
        let mut all: Vec<(u8, u8, u32, Vec<u8>)> = Vec::new();
        while let Some(head) = rest.split_off(..HEAD) {
            let head = Head::of(head.first_chunk().unwrap());
            let payload = rest.split_off(..head.length as usize).unwrap();
            match all.last_mut() {
                Some((0, flags, stream, body))
                    if *stream == head.stream && head.kind == Kind::Data =>
                {
                    assert_eq!(*flags & END_STREAM, 0, "the end comes last");
                    *flags |= head.flags;
                    body.extend_from_slice(payload);
                }
                _ => all.push((head.kind as u8, head.flags, head.stream, payload.to_vec())),
            }
        }
        all
    }

    fn conversation() -> Vec<u8> {
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        // A request whose fields are in three frames, the cuts in the middle of a field, and its
        // trailers.
        let block = b"\x82\x86\x84\x41\x01a\x40\x01x\x03abc";
        [
            preface,
            frame(4, 0, 0, &[0, 4, 0, 0, 255, 255]),
            frame(1, 0, 1, &block[..5]),
            frame(9, 0, 1, &block[5..10]),
            frame(9, 4, 1, &block[10..]),
            frame(0, 0, 1, &[7; 900]),
            frame(8, 0, 0, &[0, 0, 0, 9]),
            frame(0, 8, 1, b"\x02data\0\0"),
            frame(0, 0, 1, b""),
            frame(6, 0, 0, b"12345678"),
            frame(1, 5, 1, &[0xbe]),
            // One with padding and a priority, whose field with a number is the one from before.
            frame(1, 0x2d, 3, b"\x03\0\0\0\0\xff\x82\x87\x85\xbe\0\0\0"),
            frame(4, 1, 0, b""),
        ]
        .concat()
    }

    #[test]
    fn what_is_read_does_not_depend_on_how_it_comes() {
        let bytes = conversation();
        let field = |value: &[u8]| [&b"\0\x01x\x03"[..], value].concat();
        let expected = vec![
            (4, 0, 0, vec![0, 4, 0, 0, 255, 255]),
            (1, 4, 1, [&b"\x82\x86\x84\x01\x01a"[..], &field(b"abc")].concat()),
            (0, 0, 1, vec![7; 900]),
            (8, 0, 0, vec![0, 0, 0, 9]),
            (0, 8, 1, b"\x02data\0\0".to_vec()),
            (6, 0, 0, b"12345678".to_vec()),
            (1, 5, 1, field(b"abc")),
            (1, 5, 3, [&b"\x82\x87\x85"[..], &field(b"abc")].concat()),
            (4, 1, 0, vec![]),
        ];
        for size in (1..60).chain([899, 900, 901, 910, 1 << 20]) {
            let (read, end) = read(&bytes, size);
            assert_eq!(end, None, "in pieces of {size}");
            let mut found = frames(&read);
            // An empty one behind one with padding is a part of the same body here.
            found.iter_mut().for_each(|(_, flags, _, _)| *flags &= 0xd);
            let bodies = |all: &[(u8, u8, u32, Vec<u8>)]| -> Vec<u8> {
                all.iter().filter(|it| it.0 == 0).flat_map(|it| it.3.clone()).collect()
            };
            assert_eq!(bodies(&found), bodies(&expected), "in pieces of {size}");
            found.retain(|it| it.0 != 0);
            let others = expected.iter().filter(|it| it.0 != 0).cloned().collect::<Vec<_>>();
            assert_eq!(found, others, "in pieces of {size}");
        }
    }

    #[test]
    fn a_body_is_handed_on_as_it_comes() {
        let begun = conversation();
        let body = frame(0, 1, 5, b"0123456789");
        let mut conduct = Conduct::new(Duration::from_secs(1), Arc::new(Signals::default()));
        let mut inbound = Inbound::new();
        for bytes in [&begun[..], &body[..9]] {
            let mut bytes = bytes.to_vec();
            inbound.take(&mut bytes, false, &mut conduct).unwrap();
            inbound.has_read(inbound.ready().len());
        }
        for (number, byte) in body[9..].iter().enumerate() {
            assert!(!inbound.is_inside());
            assert_eq!(inbound.take(&mut [*byte], false, &mut conduct), Ok(0));
            let is_last = number == 9;
            let expected = frame(0, u8::from(is_last), 5, &[*byte]);
            assert_eq!(inbound.ready(), expected);
            inbound.has_read(expected.len());
        }
    }

    #[test]
    fn short_frames_that_come_together_are_one() {
        let begun = conversation();
        let opens = |stream| frame(1, 4, stream, b"\x83\x86\x84\x41\x01a");
        let bodies = [
            opens(5),
            opens(7),
            frame(0, 0, 5, b"ab"),
            frame(0, 0, 5, b""),
            frame(0, 0, 5, b"cd"),
            frame(0, 0, 7, b"ef"),
            frame(0, 0, 7, b"gh"),
            frame(8, 0, 0, &[0, 0, 0, 9]),
            frame(0, 0, 7, b"ij"),
            frame(0, 8, 7, b"\x01kl\0"),
            frame(0, 0, 7, b""),
            frame(0, 0, 7, b"mn"),
            frame(0, 0, 5, &[b'x'; 2000]),
            frame(0, 0, 5, b"op"),
            frame(0, 1, 5, b""),
            frame(0, 1, 7, b""),
        ];
        let expected = [
            frame(0, 0, 5, b"abcd"),
            frame(0, 0, 7, b"efgh"),
            frame(8, 0, 0, &[0, 0, 0, 9]),
            frame(0, 0, 7, b"ij"),
            frame(0, 8, 7, b"\x01kl\0"),
            frame(0, 0, 7, b"mn"),
            frame(0, 1, 5, &[&[b'x'; 2000][..], b"op"].concat()),
            frame(0, 1, 7, b""),
        ]
        .concat();
        let (bodies, opened) = (bodies.concat(), [opens(5), opens(7)].concat().len());
        // They come alone, so that the first ones pass where they are, or behind others.
        for alone in [true, false] {
            let mut conduct = Conduct::new(Duration::from_secs(1), Arc::new(Signals::default()));
            let (mut inbound, mut all) = (Inbound::new(), Vec::new());
            let cut = if alone { begun.len() + opened } else { begun.len() };
            let whole = [&begun[..], &bodies[..]].concat();
            for bytes in [&whole[..cut], &whole[cut..]] {
                let mut bytes = bytes.to_vec();
                let passed = inbound.take(&mut bytes, false, &mut conduct).unwrap();
                all.extend([&bytes[..passed], inbound.ready()].concat());
                inbound.has_read(inbound.ready().len());
            }
            assert!(all.ends_with(&expected), "{alone}: {all:02x?}");
        }
    }

    #[test]
    fn data_without_data_is_shown_on_a_stream_that_is_not_open_alone() {
        let begun = conversation();
        for stream in [1, 3, 5, 127] {
            let empty = frame(0, 0, stream, b"");
            let (read, end) = read(&[&begun[..], &empty[..]].concat(), 1 << 20);
            assert!(end.is_some() || read.ends_with(&empty), "{stream}");
        }
        let open = frame(1, 4, 5, b"\x83\x86\x84\x41\x01a");
        let (with, _) = read(&[&begun, &open, &frame(0, 0, 5, b"")[..]].concat(), 1 << 20);
        assert_eq!(with, read(&[&begun[..], &open].concat(), 1 << 20).0);
    }

    #[test]
    fn a_frame_that_comes_faster_than_it_is_read_stays_whole() {
        let (begun, body) = (conversation(), frame(0, 1, 5, b"0123456789"));
        let mut conduct = Conduct::new(Duration::from_secs(1), Arc::new(Signals::default()));
        let mut inbound = Inbound::new();
        let mut read = Vec::new();
        for (bytes, goes_on, of_frame) in
            [(&begun[..], false, 0), (&body[..13], true, 4), (&body[13..], false, 0)]
        {
            let mut bytes = bytes.to_vec();
            let passed = inbound.take(&mut bytes, goes_on, &mut conduct).unwrap();
            assert_eq!(conduct.signals().came_of_frame(5), of_frame);
            assert_eq!(conduct.signals().came_of_frame(3), 0);
            read = [&bytes[..passed], inbound.ready()].concat();
            inbound.has_read(inbound.ready().len());
            if goes_on {
                assert_eq!(read, body[..13]);
            }
        }
        assert_eq!(read, body[13..]);
    }

    #[test]
    fn the_last_window_that_settings_name_is_that_of_new_streams() {
        let signals = Arc::new(Signals::default());
        let mut conduct = Conduct::new(Duration::from_secs(1), Arc::clone(&signals));
        let mut inbound = Inbound::new();
        assert_eq!(signals.first_window(), 65_535);
        let mut all = conversation();
        all.extend(frame(4, 0, 0, &[0, 4, 0, 1, 0, 0, 0, 3, 0, 0, 0, 1, 0, 4, 0, 0, 0, 7]));
        // Others, and the acknowledgement, say nothing of it.
        all.extend([frame(4, 0, 0, &[0, 3, 0, 0, 0, 1]), frame(4, 1, 0, b"")].concat());
        inbound.take(&mut all, false, &mut conduct).unwrap();
        assert_eq!(signals.first_window(), 7);
    }

    #[test]
    fn rules_that_are_broken_have_an_error_code_of_their_own() {
        let begun = conversation();
        for (code, bytes) in [
            (Reason::COMPRESSION_ERROR, frame(1, 5, 5, &[0x80])),
            (Reason::COMPRESSION_ERROR, frame(1, 5, 5, &[0x82, 0x40])),
            (Reason::FRAME_SIZE_ERROR, frame(6, 0, 0, &[0; 7])),
            (Reason::FRAME_SIZE_ERROR, frame(3, 0, 1, &[0; 5])),
            (Reason::FRAME_SIZE_ERROR, frame(4, 0, 0, &[0; 5])),
            (Reason::FRAME_SIZE_ERROR, frame(4, 1, 0, &[0; 6])),
            (Reason::FRAME_SIZE_ERROR, frame(0, 0, 1, &[0; MAX_PAYLOAD + 1])),
            (Reason::FRAME_SIZE_ERROR, frame(1, 0x2c, 5, &[0, 0, 0, 0])),
            (Reason::FLOW_CONTROL_ERROR, frame(4, 0, 0, &[0, 4, 0x80, 0, 0, 0])),
            (Reason::PROTOCOL_ERROR, frame(1, 0xc, 5, &[2, 0x82])),
            (Reason::PROTOCOL_ERROR, frame(1, 5, 4, &[0x82])),
            (Reason::PROTOCOL_ERROR, frame(5, 4, 1, &[0, 0, 0, 2, 0x82])),
            (Reason::PROTOCOL_ERROR, frame(9, 4, 1, &[0x82])),
            (Reason::PROTOCOL_ERROR, [frame(1, 1, 5, &[0x82]), frame(6, 0, 0, &[0; 8])].concat()),
            (Reason::PROTOCOL_ERROR, [frame(1, 1, 5, &[0x82]), frame(9, 4, 7, &[])].concat()),
        ] {
            for size in [1, 10, 1 << 20] {
                let (_, end) = read(&[begun.clone(), bytes.clone()].concat(), size);
                let expected = Closing { cut: crate::count::Cut::Protocol, code };
                assert_eq!(end, Some(expected), "{bytes:02x?} in pieces of {size}");
            }
        }
    }

    proptest! {
        #![proptest_config(crate::properties::config())]

        /// Any bytes behind a good beginning, and any change of one of its bytes.
        #[test]
        fn any_bytes_end_the_same_however_they_come(
            more in vec(any::<u8>(), 0..80),
            kinds in vec((0_u8..11, any::<u8>(), 0_u8..8, vec(any::<u8>(), 0..12)), 0..5),
            change in (any::<prop::sample::Index>(), any::<u8>()),
            size in 1_usize..40,
        ) {
            let mut bytes = conversation();
            let (at, to) = change;
            let at = at.index(bytes.len());
            bytes[at] = to;
            for (kind, flags, stream, payload) in kinds {
                bytes.extend(frame(kind, flags, stream, &payload));
            }
            bytes.extend(more);
            let (whole, pieces) = (read(&bytes, bytes.len()), read(&bytes, size));
            prop_assert_eq!(whole.1, pieces.1);
            // The `h2` crate can find each frame.
            let mut scanner = FrameScanner::new();
            let mut rest = &pieces.0[PREFACE.min(pieces.0.len())..];
            while scanner.next(&mut rest).is_some() {}
        }
    }
}
