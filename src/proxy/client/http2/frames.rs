//! The frames of a connection, found in its bytes (RFC 9113 section 4.1).
//!
//! The `h2` crate shows requests and bodies, and nothing of the frames that are neither. So the bytes
//! are looked at on their way to it and from it: the head of each frame, and the first bytes of those
//! few that say something in them. Payloads are skipped, so this costs next to nothing.

/// The type of a frame (RFC 9113 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
            Self::Reset => 4,
            Self::GoAway => GO_AWAY,
            _ => 0,
        }
    }
}

/// Bytes of a frame's head.
const HEAD: usize = 9;
/// The last stream and the error code of a GOAWAY, and the longest of the `h2` crate's explanations.
const GO_AWAY: usize = 8 + 26;

/// A frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) length: u32,
    flags: u8,
    first: [u8; GO_AWAY],
}

impl Frame {
    /// Whether it ends its stream (`END_STREAM`).
    pub(super) fn ends_stream(&self) -> bool {
        matches!(self.kind, Kind::Data | Kind::Headers) && self.flags & 0x1 != 0
    }

    /// Whether it ends a block of fields (`END_HEADERS`).
    pub(super) fn ends_fields(&self) -> bool {
        self.flags & 0x4 != 0
    }

    /// The error code of a RST_STREAM or GOAWAY (RFC 9113 section 7).
    pub(super) fn error(&self) -> u32 {
        let at = if self.kind == Kind::GoAway { 4 } else { 0 };
        let code = self.first.iter().skip(at).take(4);
        code.fold(0, |code, byte| code << 8 | u32::from(*byte))
    }

    /// Whether a GOAWAY says this about its reason.
    pub(super) fn explains(&self, why: &str) -> bool {
        self.kind == Kind::GoAway
            && self.first.get(8..).is_some_and(|it| it.starts_with(why.as_bytes()))
    }
}

/// Finds frames in bytes that come in pieces.
#[derive(Debug)]
pub(super) struct FrameScanner {
    head: [u8; HEAD + GO_AWAY],
    /// How much of `head` has come.
    filled: usize,
    /// How much of the payload, or of the preface, is skipped.
    skipped: u32,
    /// The kind of the frame whose payload is skipped.
    kind: Option<Kind>,
}

impl FrameScanner {
    /// For bytes that begin with this number of bytes that are no frame.
    pub(super) fn after(preface: u32) -> Self {
        Self { head: [0; HEAD + GO_AWAY], filled: 0, skipped: preface, kind: None }
    }

    /// The next frame whose head is whole, and what its payload says; takes what it has looked at off
    /// `bytes`. `None` once all bytes were looked at.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Option<Frame> {
        let skipped = (self.skipped as usize).min(bytes.len());
        *bytes = &bytes[skipped..];
        self.skipped -= skipped as u32;
        if self.skipped == 0 {
            self.kind = None;
        }
        if bytes.is_empty() {
            return None;
        }
        self.fill(HEAD, bytes);
        if self.filled < HEAD {
            return None;
        }
        let [high, middle, low, kind, flags, ..] = self.head;
        let length = u32::from_be_bytes([0, high, middle, low]);
        let kind = Kind::of(kind);
        let wanted = kind.of_interest().min(length as usize);
        self.fill(HEAD + wanted, bytes);
        if self.filled < HEAD + wanted {
            return None;
        }
        let mut first = [0; GO_AWAY];
        first[..wanted].copy_from_slice(&self.head[HEAD..HEAD + wanted]);
        (self.filled, self.skipped) = (0, length - wanted as u32);
        self.kind = (self.skipped > 0).then_some(kind);
        Some(Frame { kind, length, flags, first })
    }

    /// Whether a frame has begun whose end has not come. Those of bodies do not count: how slowly a
    /// body comes is measured by itself.
    pub(super) fn is_inside(&self) -> bool {
        self.filled > 0 || self.kind.is_some_and(|kind| kind != Kind::Data)
    }

    fn fill(&mut self, until: usize, bytes: &mut &[u8]) {
        let missing = until.saturating_sub(self.filled).min(bytes.len());
        self.head[self.filled..self.filled + missing].copy_from_slice(&bytes[..missing]);
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
            b"PRI".to_vec(),
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
            let mut scanner = FrameScanner::after(3);
            let mut found = Vec::new();
            for mut piece in bytes.chunks(size) {
                while let Some(frame) = scanner.next(&mut piece) {
                    found.push(frame);
                }
            }
            let seen: Vec<_> = found.iter().map(|it| (it.kind, it.length, it.error())).collect();
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
            assert!(found[1].ends_stream() && !found[1].ends_fields() && found[2].ends_fields());
            assert!(!scanner.is_inside());
        }
    }

    #[test]
    fn the_rest_of_a_body_is_not_waited_for() {
        let mut scanner = FrameScanner::after(0);
        let data = frame(0, 0, b"ab");
        for (bytes, is_inside) in [
            (&data[..1], true),
            (&data[1..9], false),
            (&data[9..], false),
            (&frame(1, 0, b"ab")[..10], true),
        ] {
            let mut bytes = bytes;
            while scanner.next(&mut bytes).is_some() {}
            assert_eq!(scanner.is_inside(), is_inside);
        }
    }
}
