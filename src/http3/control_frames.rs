//! The streams of a client that belong to no request (RFC 9114 section 6.2): its settings, and the
//! instructions of its compression (RFC 9204 section 4.2).
//!
//! `lb` offers no table for compression that changes, so that no instruction can matter: those that say
//! that nothing is in the table are allowed, and every other one breaks the rules.

use bytes::{Bytes, BytesMut};

use super::{
    HEADER_LIST,
    error::Code,
    frame::{self, HeadReader},
    varint,
};

/// The kind of a stream in one direction, by its first integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UniStream {
    /// Settings, and what is said of the connection.
    Control,
    /// Instructions of the client's encoder.
    Encoder,
    /// Instructions of the client's decoder.
    Decoder,
    /// A push, which only a server may begin.
    Push,
    /// A kind that `lb` does not know.
    Unknown,
}

impl UniStream {
    /// Takes the kind off the front of what has come; `None` if more must come.
    pub fn take(input: &mut Bytes) -> Option<Self> {
        Some(match varint::take(input)? {
            0x00 => Self::Control,
            0x01 => Self::Push,
            0x02 => Self::Encoder,
            0x03 => Self::Decoder,
            _ => Self::Unknown,
        })
    }
}

/// The largest setting (RFC 9114 section 7.2.4.1).
const MAX_FIELD_SECTION_SIZE: u64 = 0x06;
/// The most bytes of a frame that is looked at.
const LONGEST: u64 = 4096;

/// The control stream of `lb`: its kind, and its settings.
#[must_use]
pub fn settings() -> Bytes {
    let mut payload = Vec::new();
    varint::put(MAX_FIELD_SECTION_SIZE, &mut payload);
    varint::put(HEADER_LIST.into(), &mut payload);
    let mut bytes = BytesMut::new();
    varint::put(0x00, &mut bytes);
    varint::put(frame::SETTINGS, &mut bytes);
    varint::put(payload.len() as u64, &mut bytes);
    bytes.extend_from_slice(&payload);
    bytes.freeze()
}

/// The frames of a client's control stream as they come.
#[derive(Debug, Default)]
pub struct ControlFrames {
    head: HeadReader,
    /// The type of the frame that has begun, and how much of it is still to come.
    inside: Option<(u64, u64)>,
    payload: BytesMut,
    has_settings: bool,
    last_push: Option<u64>,
    last_goaway: Option<u64>,
}

impl ControlFrames {
    /// Looks at all that has come. Returns the number of frames in it.
    ///
    /// # Errors
    ///
    /// If the client breaks the rules; the connection ends then.
    pub fn read(&mut self, input: &mut Bytes) -> Result<u32, Code> {
        let mut frames = 0;
        loop {
            let (kind, left) = match &mut self.inside {
                Some(inside) => inside,
                None => {
                    let Some((kind, length)) = self.head.read(input) else { return Ok(frames) };
                    self.begins(kind, length)?;
                    self.inside.insert((kind, length))
                }
            };
            let more =
                input.split_to(usize::try_from(*left).unwrap_or(usize::MAX).min(input.len()));
            *left -= more.len() as u64;
            let (kind, left) = (*kind, *left);
            if is_looked_at(kind) {
                self.payload.extend_from_slice(&more);
            }
            if left > 0 {
                return Ok(frames);
            }
            self.inside = None;
            self.came(kind)?;
            self.payload.clear();
            frames += 1;
        }
    }

    fn begins(&mut self, kind: u64, length: u64) -> Result<(), Code> {
        match (kind, self.has_settings) {
            (frame::SETTINGS, true) => return Err(Code::FrameUnexpected),
            (frame::SETTINGS, false) => self.has_settings = true,
            (_, false) => return Err(Code::MissingSettings),
            (frame::DATA | frame::HEADERS | frame::PUSH_PROMISE, true) => {
                return Err(Code::FrameUnexpected);
            }
            (kind, true) if frame::is_of_http2(kind) => return Err(Code::FrameUnexpected),
            _ => {}
        }
        if is_looked_at(kind) && length > LONGEST { Err(Code::ExcessiveLoad) } else { Ok(()) }
    }

    /// A frame is complete.
    fn came(&mut self, kind: u64) -> Result<(), Code> {
        let mut payload = &self.payload[..];
        match kind {
            frame::SETTINGS => return check_settings(payload),
            frame::CANCEL_PUSH | frame::MAX_PUSH_ID | frame::GOAWAY => {
                let id = varint::take(&mut payload).filter(|_| payload.is_empty());
                let id = id.ok_or(Code::FrameError)?;
                match kind {
                    // `lb` promises nothing that could be cancelled.
                    frame::CANCEL_PUSH => return Err(Code::IdError),
                    frame::MAX_PUSH_ID if self.last_push.is_some_and(|last| id < last) => {
                        return Err(Code::IdError);
                    }
                    frame::GOAWAY if self.last_goaway.is_some_and(|last| id > last) => {
                        return Err(Code::IdError);
                    }
                    frame::MAX_PUSH_ID => self.last_push = Some(id),
                    _ => self.last_goaway = Some(id),
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Whether the payload of such a frame matters.
fn is_looked_at(kind: u64) -> bool {
    matches!(kind, frame::SETTINGS | frame::CANCEL_PUSH | frame::MAX_PUSH_ID | frame::GOAWAY)
}

/// RFC 9114 section 7.2.4: no setting twice, and none of HTTP/2.
fn check_settings(mut payload: &[u8]) -> Result<(), Code> {
    let mut seen = Vec::new();
    while !payload.is_empty() {
        let (Some(id), Some(_)) = (varint::take(&mut payload), varint::take(&mut payload)) else {
            return Err(Code::FrameError);
        };
        if matches!(id, 0x00 | 0x02..=0x05) || seen.contains(&id) {
            return Err(Code::SettingsError);
        }
        // 4 KiB hold two thousand settings, which would be looked at four million times.
        if seen.len() > 64 {
            return Err(Code::ExcessiveLoad);
        }
        seen.push(id);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame_of(kind: u64, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        varint::put(kind, &mut bytes);
        varint::put(payload.len() as u64, &mut bytes);
        bytes.extend_from_slice(payload);
        bytes
    }

    fn read(frames: &[(u64, &[u8])], piece: usize) -> Result<u32, Code> {
        let bytes: Vec<u8> = frames.iter().flat_map(|it| frame_of(it.0, it.1)).collect();
        let (mut control, mut count) = (ControlFrames::default(), 0);
        for piece in bytes.chunks(piece) {
            count += control.read(&mut Bytes::copy_from_slice(piece))?;
        }
        Ok(count)
    }

    #[test]
    fn what_lb_sends_is_what_it_would_accept() {
        let mut bytes = settings();
        assert_eq!(UniStream::take(&mut bytes), Some(UniStream::Control));
        assert_eq!(ControlFrames::default().read(&mut bytes), Ok(1));
    }

    #[test]
    fn frames_are_counted_for_any_division_into_reads() {
        let settings = (frame::SETTINGS, &[0x06, 0x10, 0x01, 0x00][..]);
        let frames =
            [settings, (0x0f_0700, b"\x00u=1"), (frame::MAX_PUSH_ID, b"\x01"), (0x21, b"")];
        for piece in 1..30 {
            assert_eq!(read(&frames, piece), Ok(4));
        }
    }

    #[test]
    fn a_client_that_breaks_the_rules_is_told_which() {
        let settings = (frame::SETTINGS, &b""[..]);
        for (frames, code) in [
            (&[(frame::GOAWAY, &b"\x00"[..])][..], Code::MissingSettings),
            (&[(0x21, b"")], Code::MissingSettings),
            (&[settings, settings], Code::FrameUnexpected),
            (&[settings, (frame::DATA, b"")], Code::FrameUnexpected),
            (&[settings, (frame::HEADERS, b"")], Code::FrameUnexpected),
            (&[settings, (frame::PUSH_PROMISE, b"")], Code::FrameUnexpected),
            (&[settings, (0x06, b"")], Code::FrameUnexpected),
            (&[settings, (frame::CANCEL_PUSH, b"\x00")], Code::IdError),
            (
                &[settings, (frame::MAX_PUSH_ID, b"\x05"), (frame::MAX_PUSH_ID, b"\x04")],
                Code::IdError,
            ),
            (&[settings, (frame::GOAWAY, b"\x04"), (frame::GOAWAY, b"\x08")], Code::IdError),
            (&[settings, (frame::GOAWAY, b"")], Code::FrameError),
            (&[settings, (frame::GOAWAY, b"\x00\x00")], Code::FrameError),
            (&[(frame::SETTINGS, &[0x06])], Code::FrameError),
            (&[(frame::SETTINGS, &[0x02, 0x00])], Code::SettingsError),
            (&[(frame::SETTINGS, &[0x00, 0x01])], Code::SettingsError),
            (&[(frame::SETTINGS, &[0x06, 0x00, 0x06, 0x00])], Code::SettingsError),
            (&[(frame::SETTINGS, &[0; 5000])], Code::ExcessiveLoad),
        ] {
            assert_eq!(read(frames, 1), Err(code), "{frames:?}");
        }
    }
}
