//! The frames of a connection, found in its bytes (RFC 9113 section 4.1).
//!
//! The `h2` crate shows requests and bodies, and nothing of the frames that are neither. So the bytes
//! are looked at on their way to it (`inbound.rs`) and from it: here the head of each frame, and the
//! first bytes of those few that say something in them. Payloads are skipped, so this costs next to
//! nothing.

/// The flags that are written here, too.
pub(super) const END_STREAM: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;

/// The type of a frame (RFC 9113 section 6), in the order of the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Data,
    Headers,
    Priority,
    Reset,
    Settings,
    Push,
    Ping,
    GoAway,
    WindowUpdate,
    Continuation,
    /// Of an extension; receivers ignore it.
    Unknown,
}

impl Kind {
    fn of(byte: u8) -> Self {
        match byte {
            0 => Self::Data,
            1 => Self::Headers,
            2 => Self::Priority,
            3 => Self::Reset,
            4 => Self::Settings,
            5 => Self::Push,
            6 => Self::Ping,
            7 => Self::GoAway,
            8 => Self::WindowUpdate,
            9 => Self::Continuation,
            _ => Self::Unknown,
        }
    }

    /// How much of the payload says something.
    fn of_interest(self) -> usize {
        match self {
            Self::Reset | Self::WindowUpdate => 4,
            Self::Ping => 8,
            Self::GoAway => GO_AWAY,
            _ => 0,
        }
    }
}

/// Bytes of a frame's head.
pub(super) const HEAD: usize = 9;
/// The largest payload, in bytes, which `lb` announces (`SETTINGS_MAX_FRAME_SIZE`).
///
/// Each frame of a body costs CPU of its own, and with the standard's 16 KiB an upload of 1 MiB costs a sixth
/// more. A larger one would hold up the other requests of its connection for longer, and the `h2` crate keeps
/// the room for one as long as the connection lasts.
pub(in super::super) const MAX_PAYLOAD: usize = 64 << 10;
/// A DATA frame of this length becomes part of the one before it, in bytes. The `h2` crate closes a connection for
/// some thousand frames below 256 bytes that wait for a backend, which may be messages of gRPC.
const SHORT: u32 = 1024;
/// The last stream and the error code of a GOAWAY, and the longest of the `h2` crate's explanations.
const GO_AWAY: usize = 8 + 26;

/// What a frame says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    /// Bytes of the payload.
    pub(super) length: u32,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl Head {
    /// Reads a head.
    pub(super) fn of(bytes: &[u8; HEAD]) -> Self {
        let [high, middle, low, kind, flags, a, b, c, d] = *bytes;
        Self {
            kind: Kind::of(kind),
            length: u32::from_be_bytes([0, high, middle, low]),
            flags,
            // The first bit is reserved.
            stream: u32::from_be_bytes([a & 0x7f, b, c, d]),
        }
    }

    /// The bytes of a head of a known kind.
    pub(super) fn bytes(&self) -> [u8; HEAD] {
        let [_, high, middle, low] = self.length.to_be_bytes();
        let [a, b, c, d] = self.stream.to_be_bytes();
        [high, middle, low, self.kind as u8, self.flags, a, b, c, d]
    }

    /// Whether it ends its stream (`END_STREAM`).
    pub(super) fn ends_stream(&self) -> bool {
        matches!(self.kind, Kind::Data | Kind::Headers) && self.flags & END_STREAM != 0
    }

    /// One frame in the place of this DATA frame and the next one, if the next is short. Both are without padding.
    pub(super) fn joined(&self, next: &Self) -> Option<Self> {
        let length = self.length + next.length;
        let fits = next.length <= SHORT && length as usize <= MAX_PAYLOAD;
        let is_one = self.stream == next.stream && !self.ends_stream() && fits;
        is_one.then_some(Self { length, flags: self.flags | next.flags & END_STREAM, ..*self })
    }

    /// Whether it ends a block of fields (`END_HEADERS`).
    pub(super) fn ends_fields(&self) -> bool {
        self.flags & END_HEADERS != 0
    }

    /// Whether it acknowledges another one (`ACK`).
    pub(super) fn is_ack(&self) -> bool {
        matches!(self.kind, Kind::Settings | Kind::Ping) && self.flags & 0x1 != 0
    }

    /// Whether the payload begins with a length of padding (`PADDED`).
    pub(super) fn is_padded(&self) -> bool {
        self.flags & 0x8 != 0
    }

    /// Whether the fields of a HEADERS frame come behind a priority (`PRIORITY`).
    pub(super) fn has_priority(&self) -> bool {
        self.flags & 0x20 != 0
    }
}

/// A frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) head: Head,
    first: [u8; GO_AWAY],
}

impl Frame {
    /// The error code of a RST_STREAM or GOAWAY (RFC 9113 section 7).
    pub(super) fn error(&self) -> u32 {
        let at = if self.head.kind == Kind::GoAway { 4 } else { 0 };
        let code = self.first.iter().skip(at).take(4);
        code.fold(0, |code, byte| code << 8 | u32::from(*byte))
    }

    /// The last stream in a GOAWAY (RFC 9113 section 6.8), or how far a WINDOW_UPDATE opens a window, in bytes
    /// (section 6.9).
    pub(super) fn number(&self) -> u32 {
        let [a, b, c, d, ..] = self.first;
        u32::from_be_bytes([a & 0x7f, b, c, d])
    }

    /// What a PING is recognised by when it is acknowledged (RFC 9113 section 6.7).
    pub(super) fn opaque(&self) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = self.first;
        [a, b, c, d, e, f, g, h]
    }

    /// Whether a GOAWAY says this about its reason.
    pub(super) fn explains(&self, why: &str) -> bool {
        self.head.kind == Kind::GoAway
            && self.first.get(8..).is_some_and(|it| it.starts_with(why.as_bytes()))
    }
}

/// Finds frames in bytes that are sent in pieces.
#[derive(Debug)]
pub(super) struct FrameScanner {
    first: [u8; HEAD + GO_AWAY],
    /// How much of `first` has come.
    filled: usize,
    /// How much of the payload is skipped.
    skipped: u32,
}

impl FrameScanner {
    pub(super) fn new() -> Self {
        Self { first: [0; HEAD + GO_AWAY], filled: 0, skipped: 0 }
    }

    /// The next frame whose head is whole, and what its payload says; takes what it has looked at off
    /// `bytes`. `None` once all bytes were looked at.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Option<Frame> {
        let skipped = (self.skipped as usize).min(bytes.len());
        *bytes = &bytes[skipped..];
        self.skipped -= skipped as u32;
        if bytes.is_empty() {
            return None;
        }
        self.fill(HEAD, bytes);
        if self.filled < HEAD {
            return None;
        }
        let head = Head::of(self.first.first_chunk()?);
        let wanted = head.kind.of_interest().min(head.length as usize);
        self.fill(HEAD + wanted, bytes);
        if self.filled < HEAD + wanted {
            return None;
        }
        let mut first = [0; GO_AWAY];
        first[..wanted].copy_from_slice(&self.first[HEAD..HEAD + wanted]);
        (self.filled, self.skipped) = (0, head.length - wanted as u32);
        Some(Frame { head, first })
    }

    fn fill(&mut self, until: usize, bytes: &mut &[u8]) {
        let missing = until.saturating_sub(self.filled).min(bytes.len());
        self.first[self.filled..self.filled + missing].copy_from_slice(&bytes[..missing]);
        self.filled += missing;
        *bytes = &bytes[missing..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    #[test]
    fn frames_are_found_however_their_bytes_are_cut() {
        let go_away = [&[0, 0, 0, 7, 0, 0, 0, 11][..], b"too_many_resets"].concat();
        let bytes = [
            frame(4, 0, &[0; 12]),
            frame(1, 0x1, &[7; 300]),
            frame(9, 0x4, &[]),
            frame(0, 0x1, &[1; 70_000]),
            frame(3, 0, &[0, 0, 0, 8]),
            frame(7, 0, &go_away),
            frame(0xbe, 0xff, b"x"),
        ];
        let bytes = bytes.concat();
        for size in [1, 2, 3, 8, 9, 10, 100, 1 << 20] {
            let mut scanner = FrameScanner::new();
            let mut found = Vec::new();
            for mut piece in bytes.chunks(size) {
                while let Some(frame) = scanner.next(&mut piece) {
                    found.push(frame);
                }
            }
            let seen: Vec<_> =
                found.iter().map(|it| (it.head.kind, it.head.length, it.error())).collect();
            let expected = [
                (Kind::Settings, 12, 0),
                (Kind::Headers, 300, 0),
                (Kind::Continuation, 0, 0),
                (Kind::Data, 70_000, 0),
                (Kind::Reset, 4, 8),
                (Kind::GoAway, 23, 11),
                (Kind::Unknown, 1, 0),
            ];
            assert_eq!(seen, expected, "in pieces of {size}");
            assert!(found[5].explains("too_many_resets") && !found[5].explains("too_many_x"));
            let heads: Vec<_> = found.iter().map(|it| it.head).collect();
            assert!(heads[1].ends_stream() && !heads[1].ends_fields() && heads[2].ends_fields());
        }
    }

    #[test]
    fn short_frames_of_one_stream_can_be_joined() {
        let data = |length, flags, stream| Head { kind: Kind::Data, length, flags, stream };
        let (first, most) = (data(9, 0, 1), MAX_PAYLOAD as u32);
        assert_eq!(first.joined(&data(3, 0, 1)), Some(data(12, 0, 1)));
        assert_eq!(first.joined(&data(0, END_STREAM, 1)), Some(data(9, END_STREAM, 1)));
        assert_eq!(data(most - 1, 0, 1).joined(&data(1, 0, 1)), Some(data(most, 0, 1)));
        for (one, next) in [
            (first, data(3, 0, 3)),
            (first, data(SHORT + 1, 0, 1)),
            (data(most, 0, 1), data(1, 0, 1)),
            (data(9, END_STREAM, 1), first),
        ] {
            assert_eq!(one.joined(&next), None, "{one:?} {next:?}");
        }
    }

    #[test]
    fn a_head_is_read_as_it_is_written() {
        let head = Head { kind: Kind::Continuation, length: 70_000, flags: 4, stream: 0x7fff_fffe };
        assert_eq!(Head::of(&head.bytes()), head);
        let mut reserved = head.bytes();
        reserved[5] |= 0x80;
        assert_eq!(Head::of(&reserved), head);
    }
}
