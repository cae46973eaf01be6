//! The fields of requests and of trailers: decoded, judged, and written again for the `h2` crate.
//!
//! What the crate reads has no compression that could fail, no name or value that it takes for a
//! mistake of the connection, and one frame for most blocks. So the state of the compression stays
//! here, and every malformed message ends its stream alone (RFC 9113 section 8.1.1).

use h2::Reason;

use super::{
    super::hpack::{Decoder, Fault, Field},
    closing::Closing,
    frames::{END_HEADERS, END_STREAM, Head, Kind, MAX_PAYLOAD},
    streams::Streams,
};
use crate::count::Cut;
use crate::field_lists::{HEADER_LIST, Meaning, OVERHEAD, Pseudo, TOO_LARGE, integer};
use crate::http1::{Refusal, target};

/// The most that is decoded of a message that is refused for its size, so that the next one on the
/// connection can be decoded.
const DECODED: usize = 16 * HEADER_LIST as usize;
/// The room for a block that is kept for the next one, in bytes: an idle connection holds it.
const KEPT: usize = 256;

/// The `h2` crate would leave it out (RFC 9113 section 8.3.1).
const FRAGMENT: Refusal = Refusal::bad("the request target has a fragment");

/// What the `h2` crate answers with a reset of the stream: a field that no message may have. Its name has
/// the number 57 (`transfer-encoding`), and its value is empty.
const MALFORMED: [u8; 3] = [0x0f, 57 - 15, 0];
/// The field with the number 4: the path `/`.
const ROOT: u8 = 0x84;

/// What became of a frame with fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Nothing is wrong so far.
    Good,
    /// The `h2` crate resets its stream.
    Malformed,
    Refused(RefusedStream),
}

/// A request that the `h2` crate finds nothing wrong with, and that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct RefusedStream {
    pub(in super::super) stream: u32,
    pub(in super::super) refusal: Refusal,
}

/// What is wrong with a message, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wrong {
    Fragment,
    TooLarge,
    Malformed,
}

/// The message whose fields are being read.
#[derive(Debug)]
struct Message {
    stream: u32,
    ends_stream: bool,
    is_trailers: bool,
    /// Whether no field was decoded yet.
    is_first: bool,
    /// The pseudo-fields that it has, a bit for each.
    pseudo: u8,
    has_ordinary: bool,
    /// Counted as RFC 9113 section 6.5.2 does.
    size: usize,
    wrong: Option<Wrong>,
    /// Bytes that begin a field whose end has not come.
    undecoded: Vec<u8>,
}

impl Message {
    fn new(head: &Head, is_trailers: bool) -> Self {
        Self {
            stream: head.stream,
            ends_stream: head.ends_stream(),
            is_trailers,
            is_first: true,
            pseudo: 0,
            has_ordinary: false,
            size: 0,
            wrong: None,
            undecoded: Vec::new(),
        }
    }

    fn is_wrong(&mut self, how: Wrong) {
        self.wrong = self.wrong.max(Some(how));
    }

    /// Takes a field. Returns whether it is worth reading.
    fn take(&mut self, field: &Field<'_>) -> bool {
        self.size += field.name.len() + field.value.len() + OVERHEAD;
        // The `h2` crate would answer this size itself, of which no hook would know.
        if self.size >= HEADER_LIST as usize {
            // Trailers are not answered.
            self.is_wrong(if self.is_trailers { Wrong::Malformed } else { Wrong::TooLarge });
        }
        match field.meaning {
            Meaning::Malformed => self.is_wrong(Wrong::Malformed),
            Meaning::Ordinary => self.has_ordinary = true,
            Meaning::Pseudo(pseudo) => {
                let bit = 1 << pseudo as u8;
                // RFC 9113 section 8.3.
                if self.is_trailers || self.has_ordinary || self.pseudo & bit != 0 {
                    self.is_wrong(Wrong::Malformed);
                }
                self.pseudo |= bit;
                if pseudo == Pseudo::Path && field.value.contains(&b'#') {
                    self.is_wrong(Wrong::Fragment);
                }
            }
        }
        self.wrong <= Some(Wrong::Fragment)
    }
}

/// The blocks of one connection.
#[derive(Debug)]
pub(super) struct FieldBlocks {
    decoder: Decoder,
    streams: Streams,
    /// Whether the HEADERS frame that has begun has trailers.
    is_trailers: bool,
    /// The message whose block goes on in a CONTINUATION frame.
    open: Option<Message>,
    /// The fields of a message as the `h2` crate gets them.
    written: Vec<u8>,
    /// How much of them are pseudo-fields, and whether the path is there.
    pseudo_end: usize,
    has_path: bool,
}

impl FieldBlocks {
    pub(super) fn new() -> Self {
        Self {
            decoder: Decoder::new(),
            streams: Streams::default(),
            is_trailers: false,
            open: None,
            written: Vec::new(),
            pseudo_end: 0,
            has_path: false,
        }
    }

    /// The latest stream that the client has opened; 0 for none.
    pub(super) fn last_stream(&self) -> u32 {
        self.streams.last()
    }

    /// Notes that the stream was reset by `lb`.
    pub(super) fn reset_here(&mut self, stream: u32) {
        self.streams.reset_here(stream);
    }

    /// Whether the client may go on with a stream that is known.
    pub(super) fn is_open(&self, stream: u32) -> bool {
        self.streams.is_open(stream)
    }

    /// Whether the stream was reset by `lb`.
    pub(super) fn is_reset_here(&self, stream: u32) -> bool {
        self.streams.is_reset_here(stream)
    }

    /// A frame has begun. Nothing may stand between the frames of a block (RFC 9113 section 6.10).
    ///
    /// # Errors
    ///
    /// The error code of the connection, if it may not come here.
    pub(super) fn frame(&mut self, head: &Head) -> Result<(), Reason> {
        let goes_on = head.kind == Kind::Continuation;
        let may_come = match &self.open {
            Some(message) => goes_on && head.stream == message.stream,
            None => !goes_on,
        };
        if !may_come {
            return Err(Reason::PROTOCOL_ERROR);
        }
        self.is_trailers = self.streams.frame(head)?;
        Ok(())
    }

    /// Takes a HEADERS or CONTINUATION frame. At the end of its block, frames for the `h2` crate are
    /// appended to `frames`.
    ///
    /// # Errors
    ///
    /// How the client breaks the rules of the connection.
    pub(super) fn take(
        &mut self,
        head: &Head,
        payload: &[u8],
        frames: &mut Vec<u8>,
    ) -> Result<Judgement, Closing> {
        let (mut message, block) = match self.open.take() {
            Some(message) => (message, payload),
            None => self.begin(head, payload)?,
        };
        if message.undecoded.is_empty() {
            let mut rest = block;
            self.decode(&mut message, &mut rest)?;
            message.undecoded.extend_from_slice(rest);
        } else {
            let mut all = std::mem::take(&mut message.undecoded);
            all.extend_from_slice(block);
            let mut rest = &all[..];
            self.decode(&mut message, &mut rest)?;
            let decoded = all.len() - rest.len();
            all.drain(..decoded);
            message.undecoded = all;
        }
        if !head.ends_fields() {
            // One field alone is larger than all may be.
            if message.undecoded.len() > HEADER_LIST as usize {
                return Err(Cut::FieldList.into());
            }
            self.open = Some(message);
            return Ok(Judgement::Good);
        }
        if !message.undecoded.is_empty() {
            return Err(Fault.into());
        }
        Ok(self.write(&message, frames))
    }

    /// Begins a message. Returns the fields in its first frame (RFC 9113 section 6.2).
    fn begin<'a>(
        &mut self,
        head: &Head,
        payload: &'a [u8],
    ) -> Result<(Message, &'a [u8]), Closing> {
        let mut block = payload;
        let mut padding = 0;
        if head.is_padded() {
            padding = usize::from(*block.split_off_first().ok_or(Reason::FRAME_SIZE_ERROR)?);
        }
        // RFC 7540 section 5.3.1: a stream must not depend on itself. Nothing else is read of priorities.
        let mut depends_on_itself = false;
        if head.has_priority() {
            let priority = block.split_off(..5).ok_or(Reason::FRAME_SIZE_ERROR)?;
            let id = priority[..4].iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
            depends_on_itself = id & 0x7fff_ffff == head.stream;
        }
        let length = block.len().checked_sub(padding).ok_or(Reason::PROTOCOL_ERROR)?;
        let mut message = Message::new(head, self.is_trailers);
        if depends_on_itself {
            message.is_wrong(Wrong::Malformed);
        }
        (self.pseudo_end, self.has_path) = (0, false);
        Ok((message, &block[..length]))
    }

    /// Decodes as much as has come; takes it off `rest`.
    fn decode(&mut self, message: &mut Message, rest: &mut &[u8]) -> Result<(), Closing> {
        while let Some(mut field) = self.decoder.next(rest, &mut message.is_first)? {
            let acceptable;
            if field.meaning == Meaning::Pseudo(Pseudo::Path) {
                acceptable = target::acceptable(field.value);
                field.value = &acceptable;
            }
            let is_written = message.take(&field);
            if message.size > DECODED {
                return Err(Cut::FieldList.into());
            }
            if is_written {
                write_field(&field, &mut self.written);
                if let Meaning::Pseudo(pseudo) = field.meaning {
                    self.pseudo_end = self.written.len();
                    self.has_path |= pseudo == Pseudo::Path;
                }
            }
        }
        Ok(())
    }

    /// Writes the frames of a message.
    fn write(&mut self, message: &Message, frames: &mut Vec<u8>) -> Judgement {
        let refused =
            |refusal| Judgement::Refused(RefusedStream { stream: message.stream, refusal });
        let judgement = match message.wrong {
            None => Judgement::Good,
            Some(Wrong::Malformed) => {
                self.written.clear();
                self.written.extend(MALFORMED);
                Judgement::Malformed
            }
            Some(Wrong::Fragment) => refused(FRAGMENT),
            Some(Wrong::TooLarge) => {
                // The log names method, host and path, if the path is not what is too large.
                self.written.truncate(self.pseudo_end);
                if !self.has_path {
                    self.written.push(ROOT);
                }
                refused(TOO_LARGE)
            }
        };
        let (mut kind, mut pieces) = (Kind::Headers, self.written.chunks(MAX_PAYLOAD).peekable());
        loop {
            let piece = pieces.next().unwrap_or_default();
            let is_last = pieces.peek().is_none();
            let mut flags = if is_last { END_HEADERS } else { 0 };
            if kind == Kind::Headers && message.ends_stream {
                flags |= END_STREAM;
            }
            let length = piece.len() as u32;
            let head = Head { kind, length, flags, stream: message.stream };
            frames.extend_from_slice(&head.bytes());
            frames.extend_from_slice(piece);
            if is_last {
                break;
            }
            kind = Kind::Continuation;
        }
        self.written.clear();
        self.written.shrink_to(KEPT);
        self.decoder.forget_text();
        judgement
    }
}

/// Writes a field without compression but for the numbers of the table for all connections (RFC 7541
/// sections 6.1 and 6.2.2).
fn write_field(field: &Field<'_>, written: &mut Vec<u8>) {
    if let Some(index) = field.index {
        written.push(0x80 | index);
        return;
    }
    integer::put(0, 4, usize::from(field.name_index), written);
    if field.name_index == 0 {
        write_text(field.name, written);
    }
    write_text(field.value, written);
}

/// Writes a text (RFC 7541 section 5.2).
fn write_text(text: &[u8], written: &mut Vec<u8>) {
    integer::put(0, 7, text.len(), written);
    written.extend_from_slice(text);
}
