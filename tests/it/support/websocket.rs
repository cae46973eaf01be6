//! Messages of WebSocket as a client sends them (RFC 6455 section 5), for tunnels that must change none
//! of their bytes, and a server for clients that make their own.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::STANDARD};

const CONTINUED: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
/// The bit of the last frame of a message.
const LAST: u8 = 0x80;

/// The first bytes of a frame; `masked` is the bit that says whether a mask follows.
fn start(first: u8, masked: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..126 => bytes.push(masked | length as u8),
        126..0x1_0000 => {
            bytes.push(masked | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(masked | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = start(first, 0x80, payload.len());
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// A conversation, a frame or a few at a time, with what each is: messages of all lengths, in
/// fragments with a PING between them, broken UTF-8, and the end with a code and a reason.
pub(crate) fn conversation() -> Vec<(&'static str, Vec<u8>)> {
    let lengths = [0, 1, 125, 126, 127, 65_535, 65_536, 200_000];
    let mut all: Vec<_> =
        lengths.map(|length| ("binary", frame(LAST | BINARY, &vec![7; length]))).into();
    let fragments = [
        frame(TEXT, b"Hello-\xc2\xb5@\xc3\x9f"),
        frame(LAST | PING, b"between"),
        frame(CONTINUED, b""),
        frame(LAST | CONTINUED, b"\xc3\xb6\xc3\xa4"),
    ];
    all.push(("fragments", fragments.concat()));
    all.push(("a ping of 125 bytes", frame(LAST | PING, &[0xfe; 125])));
    all.push(("an answer to none", frame(LAST | PONG, b"")));
    all.push(("broken UTF-8", frame(LAST | TEXT, b"\xce\xba\xed\xa0\x80")));
    all.push(("reserved bits", frame(LAST | 0x70 | BINARY, b"x")));
    all.extend(
        [1000_u16, 1001, 1011, 3000, 4999].map(|code| {
            ("the end", frame(LAST | CLOSE, &[&code.to_be_bytes()[..], b"bye"].concat()))
        }),
    );
    all
}

/// Starts a server of HTTP/1 that sends each message of a WebSocket back, frame by frame, answers a PING,
/// and closes with the client's code. It serves until the test ends.
pub(crate) fn echo_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("a bound socket has an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A tunnel that ends early is for the test to notice.
            thread::spawn(move || echo(&stream));
        }
    });
    address
}

fn is_key(name: &str) -> bool {
    name.eq_ignore_ascii_case("sec-websocket-key")
}

/// The header by which a server agrees to a WebSocket that is asked for with this key (RFC 6455 section 4.2.2).
pub(crate) fn agrees(key: Option<&str>) -> Vec<u8> {
    let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
    let accept = key.map(|key| {
        let joined = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
        let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, joined.as_bytes());
        format!("Sec-WebSocket-Accept: {}\r\n", STANDARD.encode(hash))
    });
    format!("{head}{}\r\n", accept.unwrap_or_default()).into()
}

fn echo(mut stream: &TcpStream) -> io::Result<()> {
    let mut input = BufReader::new(stream);
    let (mut line, mut key) = (String::new(), None);
    while input.read_line(&mut line)? > 2 {
        if let Some((_, value)) = line.split_once(':').filter(|(name, _)| is_key(name)) {
            key = Some(value.trim().to_owned());
        }
        line.clear();
    }
    stream.write_all(&agrees(key.as_deref()))?;
    loop {
        let mut head = [0; 2];
        input.read_exact(&mut head)?;
        let extended = match head[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mut length = [0; 8];
        input.read_exact(&mut length[8 - extended..])?;
        let length = match extended {
            0 => u64::from(head[1] & 0x7f),
            _ => u64::from_be_bytes(length),
        };
        let mut mask = [0; 4];
        input.read_exact(&mut mask)?;
        let mut payload = vec![0; length as usize];
        input.read_exact(&mut payload)?;
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        let kind = head[0] & 0x0f;
        let first = if kind == PING { LAST | PONG } else { head[0] };
        stream.write_all(&[&start(first, 0, payload.len())[..], &payload].concat())?;
        if kind == CLOSE {
            return Ok(());
        }
    }
}
