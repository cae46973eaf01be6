//! What must be true of any bytes of a client in HTTP/2, for the tests and for the target in `fuzz/`.

use std::{sync::Arc, time::Duration};

use super::{
    super::hpack::Decoder,
    closing::Closing,
    conduct::{Conduct, Signals},
    frames::{END_HEADERS, END_STREAM, HEAD, Head, Kind, MAX_PAYLOAD},
    inbound::Inbound,
};
use crate::field_lists::Meaning;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The lengths of pieces in which bytes come, beside all at once.
const PIECES: [usize; 5] = [1, 2, 3, 7, 64];

/// A frame: its kind, its flags, its stream and its payload. A body in several frames is one.
type Frame = (Kind, u8, u32, Vec<u8>);

/// Any bytes behind the preface.
pub(crate) fn client(bytes: &[u8]) {
    let bytes = [PREFACE, bytes].concat();
    let whole = read(&bytes, bytes.len(), false);
    if let (frames, None) = &whole {
        are_without_mistake(frames);
    }
    for (piece, is_fast) in PIECES.into_iter().flat_map(|piece| [(piece, false), (piece, true)]) {
        let pieces = read(&bytes, piece, is_fast);
        assert_eq!(whole.1, pieces.1, "in pieces of {piece}, fast: {is_fast}");
        if whole.1.is_none() {
            assert_eq!(whole.0, pieces.0, "in pieces of {piece}, fast: {is_fast}");
        }
    }
}

/// The frames that the `h2` crate reads of bytes that come in pieces of this length, and how it ends. Of a
/// fast client, more has always come behind a piece.
fn read(bytes: &[u8], size: usize, is_fast: bool) -> (Vec<Frame>, Option<Closing>) {
    let mut conduct = Conduct::new(Duration::from_secs(1), Arc::new(Signals::default()));
    let (mut inbound, mut read) = (Inbound::new(), Vec::new());
    let mut pieces = bytes.chunks(size).peekable();
    while let Some(piece) = pieces.next() {
        let mut piece = piece.to_vec();
        match inbound.take(&mut piece, is_fast && pieces.peek().is_some(), &mut conduct) {
            Ok(passed) => read.extend_from_slice(&piece[..passed]),
            Err(why) => return (Vec::new(), Some(why)),
        }
        read.extend_from_slice(inbound.ready());
        inbound.has_read(inbound.ready().len());
    }
    (frames(&read[PREFACE.len()..]), None)
}

/// Asserts that the `h2` crate finds no mistake of the connection in any block of fields, and one of the
/// stream only where it is meant to.
fn are_without_mistake(frames: &[Frame]) {
    let mut block = Vec::new();
    for (kind, flags, _, payload) in frames {
        match kind {
            Kind::Headers => assert!(block.is_empty() && flags & !(END_STREAM | END_HEADERS) == 0),
            Kind::Continuation => assert!(!block.is_empty()),
            _ => {
                assert!(block.is_empty());
                continue;
            }
        }
        block.extend_from_slice(payload);
        if flags & END_HEADERS != 0 {
            is_without_mistake(&block);
            block.clear();
        }
    }
    assert!(block.is_empty());
}

fn is_without_mistake(block: &[u8]) {
    // One that has seen no other block, because none may be needed.
    let (mut decoder, mut rest, mut is_first) = (Decoder::new(), block, true);
    let mut meanings = Vec::new();
    while let Some(field) = decoder.next(&mut rest, &mut is_first).expect("it can be decoded") {
        meanings.push(field.meaning);
    }
    assert!(rest.is_empty(), "{}", rest.escape_ascii());
    let is_malformed = meanings == [Meaning::Malformed];
    let is_pseudo = |meaning: &Meaning| matches!(meaning, Meaning::Pseudo(_));
    assert!(is_malformed || !meanings.contains(&Meaning::Malformed), "{meanings:?}");
    assert!(meanings.iter().rev().is_sorted_by_key(is_pseudo), "{meanings:?}");
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
        let mut flags = if head.kind == Kind::Data { head.flags & 0x9 } else { head.flags };
        if head.kind == Kind::Data && payload.len() < head.length as usize && flags & 0x8 == 0 {
            // A part of a divided one does not say yet how the whole ends.
            flags &= !END_STREAM;
            if payload.is_empty() {
                break;
            }
        }
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
