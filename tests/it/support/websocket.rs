//! Messages of WebSocket as a client sends them (RFC 6455 section 5), for tunnels that must change none
//! of their bytes.

const CONTINUED: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
/// The bit of the last frame of a message.
const LAST: u8 = 0x80;

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let length = payload.len();
    let mut bytes = vec![first];
    match length {
        0..126 => bytes.push(0x80 | length as u8),
        126..0x1_0000 => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
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
