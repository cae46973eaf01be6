//! What must be true of any bytes of a client in HTTP/2, for the tests and for the target in `fuzz/`.

use std::{sync::Arc, time::Duration};

use super::{
    closing::Closing,
    conduct::{Conduct, Signals},
    frames::{HEAD, Head, Kind, MAX_PAYLOAD},
    inbound::Inbound,
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The lengths of pieces in which bytes come, beside all at once.
const PIECES: [usize; 5] = [1, 2, 3, 7, 64];

/// A frame: its kind, its flags, its stream and its payload. A body in several frames is one.
type Frame = (Kind, u8, u32, Vec<u8>);

/// Any bytes behind the preface.
pub(crate) fn client(bytes: &[u8]) {
    let bytes = [PREFACE, bytes].concat();
    let whole = read(&bytes, bytes.len());
    for piece in PIECES {
        let pieces = read(&bytes, piece);
        assert_eq!(whole.1, pieces.1, "in pieces of {piece}");
        if whole.1.is_none() {
            assert_eq!(whole.0, pieces.0, "in pieces of {piece}");
        }
    }
}

/// The frames that the `h2` crate reads of bytes that come in pieces of this length, and how it ends.
fn read(bytes: &[u8], size: usize) -> (Vec<Frame>, Option<Closing>) {
    let mut conduct = Conduct::new(Duration::from_secs(1), Arc::new(Signals::default()));
    let (mut inbound, mut read) = (Inbound::new(), Vec::new());
    for piece in bytes.chunks(size) {
        let mut piece = piece.to_vec();
        match inbound.take(&mut piece, false, &mut conduct) {
            Ok(passed) => read.extend_from_slice(&piece[..passed]),
            Err(why) => return (Vec::new(), Some(why)),
        }
        read.extend_from_slice(inbound.ready());
        inbound.has_read(inbound.ready().len());
    }
    (frames(&read[PREFACE.len()..]), None)
}

fn frames(mut rest: &[u8]) -> Vec<Frame> {
    let mut all: Vec<Frame> = Vec::new();
    while let Some(head) = rest.first_chunk::<HEAD>() {
        let head = Head::of(head);
        let length = head.length as usize;
        assert!(length <= MAX_PAYLOAD && head.kind != Kind::Push);
        // The end of a frame that passes may not have come.
        let payload = &rest[HEAD..rest.len().min(HEAD + length)];
        rest = &rest[HEAD + payload.len()..];
        // Of an empty part nothing is left but its flags.
        let flags = if head.kind == Kind::Data { head.flags & 0x9 } else { head.flags };
        match all.last_mut() {
            Some((Kind::Data, before, stream, body))
                if head.kind == Kind::Data
                    && *stream == head.stream
                    && (*before | flags) & 0x8 == 0 =>
            {
                *before |= flags;
                body.extend_from_slice(payload);
            }
            _ => all.push((head.kind, flags, head.stream, payload.to_vec())),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_that_fuzzing_has_found_breaks_a_rule() {
        crate::fuzzed::each_input("http2_client", super::client);
    }
}
