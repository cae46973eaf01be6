//! A client of HTTP/2 that sends any frames, well-formed or not (RFC 9113 section 4.1).

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
};

use super::PATIENCE;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RESET: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GO_AWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 0x1;
pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;
pub(crate) const PADDED: u8 = 0x8;
/// The header of a request without a body.
pub(crate) const WHOLE: u8 = END_STREAM | END_HEADERS;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The error code of a RST_STREAM or GOAWAY.
    pub(crate) fn error(&self) -> u32 {
        let at = if self.kind == GO_AWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().expect("a code"))
    }

    /// Whether it is the last one of an answer.
    pub(crate) fn ends_answer(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }
}

/// The bytes of a frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A SETTINGS frame.
pub(crate) fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let value = |(id, value): &(u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    frame(SETTINGS, 0, 0, &values.iter().flat_map(value).collect::<Vec<_>>())
}

/// A WINDOW_UPDATE frame.
pub(crate) fn window(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

/// A RST_STREAM frame.
pub(crate) fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RESET, 0, stream, &code.to_be_bytes())
}

/// A block of fields as they are written here, neither indexed nor compressed (RFC 7541 section
/// 6.2.2).
pub(crate) fn fields(all: &[(&[u8], &[u8])]) -> Vec<u8> {
    let text = |text: &[u8]| [&integer(text.len(), 7, 0)[..], text].concat();
    all.iter().flat_map(|(name, value)| [&[0][..], &text(name), &text(value)].concat()).collect()
}

/// A number with a prefix of this number of bits (RFC 7541 section 5.1).
pub(crate) fn integer(number: usize, prefix: u32, first: u8) -> Vec<u8> {
    let most = (1 << prefix) - 1;
    if number < most {
        return vec![first | number as u8];
    }
    let (mut bytes, mut left) = (vec![first | most as u8], number - most);
    while left >= 128 {
        bytes.push(left as u8 | 128);
        left /= 128;
    }
    bytes.push(left as u8);
    bytes
}

/// The fields of an ordinary request, and these.
pub(crate) fn request(method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let mut all: Vec<(&[u8], &[u8])> = vec![
        (b":method", method.as_bytes()),
        (b":scheme", b"http"),
        (b":path", path.as_bytes()),
        (b":authority", b"a"),
    ];
    all.extend(more.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
    fields(&all)
}

/// A GET on this stream.
pub(crate) fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, WHOLE, stream, &request("GET", path, &[]))
}

/// A connection.
pub(crate) struct FrameClient {
    stream: TcpStream,
    /// Bytes that have come and belong to no frame yet.
    input: Vec<u8>,
}

impl FrameClient {
    /// A connection on which nothing has been sent.
    pub(crate) fn bare(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("an option");
        stream.set_read_timeout(Some(PATIENCE)).expect("an option");
        stream.set_write_timeout(Some(PATIENCE)).expect("an option");
        Self { stream, input: Vec::new() }
    }

    /// A connection with these settings, after the other side has acknowledged them.
    pub(crate) fn with(address: SocketAddr, values: &[(u16, u32)]) -> Self {
        let mut client = Self::bare(address);
        let first = [PREFACE, &settings(values), &frame(SETTINGS, ACK, 0, &[])].concat();
        client.send(&first).expect("it takes a preface");
        client.until(|frame| frame.kind == SETTINGS && frame.flags == ACK).expect("settings");
        client
    }

    /// A connection that is ready for requests.
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self::with(address, &[])
    }

    /// Sends bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends nothing more.
    pub(crate) fn close_output(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The next frame; `None` when the other side has closed. Fails the test if nothing comes.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Option<Frame> {
        self.next_in_time().expect("nothing comes")
    }

    /// Like [`FrameClient::next`], with an error if nothing comes.
    pub(crate) fn next_in_time(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.take() {
                return Ok(Some(frame));
            }
            let mut piece = [0; 16 * 1024];
            match self.stream.read(&mut piece) {
                Ok(0) => return Ok(None),
                Ok(read) => self.input.extend_from_slice(&piece[..read]),
                Err(error) if is_timeout(&error) => return Err(error),
                Err(_) => return Ok(None),
            }
        }
    }

    /// The first frame of this kind; the ones before it are dropped. `None` when the other side has
    /// closed.
    #[track_caller]
    pub(crate) fn until(&mut self, is_wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        loop {
            let frame = self.next()?;
            if is_wanted(&frame) {
                return Some(frame);
            }
        }
    }

    /// The error code of the GOAWAY with which the other side closes; `None` if it closes without.
    #[track_caller]
    pub(crate) fn end(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(frame) = self.next() {
            if frame.kind == GO_AWAY {
                code = Some(frame.error());
            }
        }
        code
    }

    fn take(&mut self) -> Option<Frame> {
        let [high, middle, low, kind, flags, a, b, c, d] = *self.input.first_chunk()?;
        let length = u32::from_be_bytes([0, high, middle, low]) as usize;
        if self.input.len() < 9 + length {
            return None;
        }
        let payload = self.input[9..9 + length].to_vec();
        self.input.drain(..9 + length);
        Some(Frame { kind, flags, stream: u32::from_be_bytes([a, b, c, d]), payload })
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// The status of an answer from the first field of its block, which it must be.
pub(crate) fn status(block: &[u8]) -> u16 {
    // The encoder may first acknowledge the size of its table.
    let block = match block {
        [first, rest @ ..] if first >> 5 == 1 => rest,
        block => block,
    };
    match block {
        [0x88, ..] => 200,
        [0x89, ..] => 204,
        [0x8a, ..] => 206,
        [0x8b, ..] => 304,
        [0x8c, ..] => 400,
        [0x8d, ..] => 404,
        [0x8e, ..] => 500,
        [0x48 | 0x08 | 0x18, 3, digits @ ..] => {
            std::str::from_utf8(&digits[..3]).expect("digits").parse().expect("a number")
        }
        [0x48 | 0x08 | 0x18, length, digits @ ..] if length & 0x80 != 0 => huffman(digits),
        _ => panic!("no status: {block:02x?}"),
    }
}

/// Three digits (RFC 7541 appendix B).
fn huffman(bytes: &[u8]) -> u16 {
    let bits = |at: usize, count: usize| {
        (at..at + count)
            .fold(0, |code, bit| code << 1 | u16::from(bytes[bit / 8] >> (7 - bit % 8) & 1))
    };
    let (mut at, mut number) = (0, 0);
    for _ in 0..3 {
        let (digit, width) = match bits(at, 5) {
            low @ 0..=2 => (low, 5),
            _ => (bits(at, 6) - 0x19 + 3, 6),
        };
        (at, number) = (at + width, number * 10 + digit);
    }
    number
}
