//! What must be true of any bytes on a stream of HTTP/3, for the tests and for the targets in `fuzz/`.

use bytes::Bytes;
use http::HeaderMap;

use crate::field_lists::HEADER_LIST;
use crate::http1::Refusal;
use crate::http3::{
    Code, ControlFrames, Fault, Part, RefusedHead, RequestFrames, UniStream,
    qpack::{self, FieldWriter},
    request_head, trailers,
};

/// The lengths of pieces in which bytes come, beside all at once.
const PIECES: [usize; 4] = [1, 2, 3, 7];
/// A limit that small inputs can reach.
const SMALL_LIST: u64 = 400;

/// Any bytes as a list of fields.
pub(crate) fn qpack(bytes: &[u8]) {
    let list = Bytes::copy_from_slice(bytes);
    let readable = qpack::readable(list.clone(), HEADER_LIST.into());
    // What can be read of a refused head is what stands in the list.
    let head = RefusedHead::read(list.clone());
    let refused = head.refused(Refusal::bad("any"));
    for part in [refused.method, refused.target, refused.host].into_iter().flatten() {
        assert!(readable.iter().any(|line| line.value == part));
    }
    let small = qpack::readable(list.clone(), SMALL_LIST);
    assert!(readable.starts_with(&small));
    // So it is with the beginning of a list whose rest does not come.
    for end in [list.len() / 3, list.len() / 2, list.len().saturating_sub(1)] {
        assert!(readable.starts_with(&qpack::readable(list.slice(..end), HEADER_LIST.into())));
    }
    let Ok(lines) = qpack::decode(list, HEADER_LIST.into()) else { return };
    assert_eq!(lines, readable);
    let mut writer = FieldWriter::trailers();
    lines.iter().for_each(|line| writer.field(&line.name, &line.value));
    let again = qpack::decode(writer.finish(), u64::MAX).expect("what is written is read");
    assert_eq!(lines.len(), again.len());
    for (line, again) in lines.iter().zip(&again) {
        assert!(line.name.eq_ignore_ascii_case(&again.name) && line.value == again.value);
    }
    if let Some(fields) = trailers(lines.clone()) {
        are_harmless(&fields);
        assert_eq!(fields.len(), lines.len());
    }
    let Ok(head) = request_head(lines) else { return };
    let target = head.uri.path_and_query().map_or("", |target| target.as_str());
    for text in [head.method.as_str(), target] {
        assert!(!text.bytes().any(|byte| byte <= b' ' || byte == 0x7f), "{text:?}");
    }
    are_harmless(&head.headers);
}

/// Asserts that no field can be taken for another one, or for two, in HTTP/1.
fn are_harmless(fields: &HeaderMap) {
    for (name, value) in fields {
        assert!(!name.as_str().is_empty() && !name.as_str().contains([':', ' ']), "{name:?}");
        assert!(!value.as_bytes().iter().any(|byte| b"\0\r\n".contains(byte)), "{value:?}");
    }
}

/// Any bytes as the stream of a request.
pub(crate) fn request_stream(bytes: &[u8]) {
    let whole = parts(bytes, bytes.len().max(1));
    for piece in PIECES {
        assert_eq!(whole, parts(bytes, piece), "in pieces of {piece}");
    }
}

/// Everything that comes of a stream in pieces of this length, with pieces of a body joined, how it ends, and
/// what is left of a head.
pub(super) fn parts(bytes: &[u8], piece: usize) -> (Vec<Part>, Result<(), Fault>, Option<Bytes>) {
    let (mut frames, mut parts) = (RequestFrames::default(), Vec::new());
    for piece in bytes.chunks(piece) {
        let mut input = Bytes::copy_from_slice(piece);
        loop {
            match frames.next(&mut input) {
                Ok(Some(Part::Data(more))) => {
                    assert!(!more.is_empty());
                    match parts.last_mut() {
                        Some(Part::Data(data)) => *data = [&data[..], &more].concat().into(),
                        _ => parts.push(Part::Data(more)),
                    }
                }
                Ok(Some(part)) => parts.push(part),
                Ok(None) => break assert!(input.is_empty()),
                Err(fault) => return (parts, Err(fault), frames.unfinished_head()),
            }
        }
    }
    let end = frames.end();
    (parts, end, frames.unfinished_head())
}

/// Any bytes as a stream that belongs to no request.
pub(crate) fn uni_stream(bytes: &[u8]) {
    let mut rest = Bytes::copy_from_slice(bytes);
    let Some(kind) = UniStream::take(&mut rest) else { return };
    for piece in PIECES {
        match kind {
            UniStream::Control => {
                assert_eq!(control(&rest, rest.len().max(1)), control(&rest, piece))
            }
            UniStream::Encoder => {
                let pieces = rest.chunks(piece).all(qpack::check_encoder_stream);
                assert_eq!(qpack::check_encoder_stream(&rest), pieces);
            }
            UniStream::Decoder => {
                let (mut whole, mut inside) = (false, false);
                let mut is_valid = |piece| qpack::check_decoder_stream(piece, &mut inside);
                let pieces = rest.chunks(piece).all(&mut is_valid);
                assert_eq!(qpack::check_decoder_stream(&rest, &mut whole), pieces);
            }
            UniStream::Push | UniStream::Unknown => {}
        }
    }
}

/// The number of frames, or how the connection ends.
fn control(bytes: &[u8], piece: usize) -> Result<u32, Code> {
    let mut frames = ControlFrames::default();
    let mut count = |piece| frames.read(&mut Bytes::copy_from_slice(piece));
    bytes.chunks(piece).try_fold(0, |all, piece| count(piece).map(|more| all + more))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::fuzzed;

    #[test]
    fn nothing_that_fuzzing_has_found_breaks_a_rule() {
        fuzzed::each_input("qpack", qpack);
        fuzzed::each_input("http3_request", request_stream);
        fuzzed::each_input("http3_uni", uni_stream);
    }

    proptest! {
        #![proptest_config(crate::properties::config())]

        #[test]
        fn any_list_of_fields(bytes in vec(any::<u8>(), 0..80)) {
            qpack(&[&[0, 0][..], &bytes].concat());
        }

        #[test]
        fn any_frames(frames in vec((0_u8..16, vec(any::<u8>(), 0..12)), 0..6), more in vec(any::<u8>(), 0..6)) {
            let mut bytes = Vec::new();
            for (kind, payload) in frames {
                bytes.extend([kind, payload.len() as u8]);
                bytes.extend(payload);
            }
            bytes.extend(more);
            request_stream(&bytes);
            for kind in [0, 2, 3] {
                uni_stream(&[&[kind][..], &bytes].concat());
                uni_stream(&[&[kind, 4, 0][..], &bytes].concat());
            }
        }
    }
}
