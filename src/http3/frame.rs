//! Frames (RFC 9114 section 7): a type, a length, and that number of bytes.

use bytes::{Bytes, BytesMut};

use super::varint;

pub(super) const DATA: u64 = 0x00;
pub(super) const HEADERS: u64 = 0x01;
pub(super) const CANCEL_PUSH: u64 = 0x03;
pub(super) const SETTINGS: u64 = 0x04;
pub(super) const PUSH_PROMISE: u64 = 0x05;
pub(super) const GOAWAY: u64 = 0x07;
pub(super) const MAX_PUSH_ID: u64 = 0x0d;
/// One of the types that have no meaning (RFC 9114 section 7.2.8).
const RESERVED: u64 = 0x21;

/// Type and length of a frame.
const LONGEST_HEAD: usize = 16;

/// Whether the type has a meaning in HTTP/2 alone, and must not be used (RFC 9114 section 7.2.8).
pub(super) fn is_of_http2(kind: u64) -> bool {
    matches!(kind, 0x02 | 0x06 | 0x08 | 0x09)
}

/// The beginning of a frame as it comes.
#[derive(Debug, Default)]
pub(super) struct HeadReader(BytesMut);

impl HeadReader {
    /// Takes type and length off the front of what has come; `None` if more must come.
    pub(super) fn read(&mut self, input: &mut Bytes) -> Option<(u64, u64)> {
        // Usually all of it has come, so that nothing is copied.
        if self.0.is_empty() {
            let mut ahead = &input[..];
            if let (Some(kind), Some(length)) = (varint::take(&mut ahead), varint::take(&mut ahead))
            {
                let taken = input.len() - ahead.len();
                drop(input.split_to(taken));
                return Some((kind, length));
            }
        }
        while !input.is_empty() {
            self.0.extend_from_slice(&input.split_to(1));
            let mut ahead = &self.0[..];
            if let (Some(kind), Some(length)) = (varint::take(&mut ahead), varint::take(&mut ahead))
            {
                self.0.clear();
                return Some((kind, length));
            }
        }
        None
    }

    /// Whether a frame has begun.
    pub(super) fn is_inside(&self) -> bool {
        !self.0.is_empty()
    }
}

/// The beginning of a frame of this length.
fn head(kind: u64, length: usize, more: usize) -> BytesMut {
    let mut bytes = BytesMut::with_capacity(LONGEST_HEAD + more);
    varint::put(kind, &mut bytes);
    varint::put(length as u64, &mut bytes);
    bytes
}

/// The beginning of a frame with this number of bytes of a body.
#[must_use]
pub fn data_head(length: usize) -> Bytes {
    head(DATA, length, 0).freeze()
}

/// A frame with a list of fields.
#[must_use]
pub fn headers(fields: &[u8]) -> Bytes {
    let mut frame = head(HEADERS, fields.len(), fields.len());
    frame.extend_from_slice(fields);
    frame.freeze()
}

/// A frame that says that the request of this stream and later ones will not be answered; `None` for a
/// warning that this will be said of some stream soon.
#[must_use]
pub fn goaway(stream: Option<u64>) -> Bytes {
    // The last id of a request's stream (RFC 9114 section 5.2).
    let stream = stream.unwrap_or(varint::MAX - 3);
    let mut id = Vec::with_capacity(8);
    varint::put(stream, &mut id);
    let mut frame = head(GOAWAY, id.len(), id.len());
    frame.extend_from_slice(&id);
    frame.freeze()
}

/// A frame without a meaning, which the client's system acknowledges.
#[must_use]
pub fn keep_alive() -> Bytes {
    head(RESERVED, 0, 0).freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_for_any_division_into_reads() {
        for (kind, length) in [(0, 0), (1, 70), (0x21, 20_000), (1 << 40, 1 << 50)] {
            let mut bytes = Vec::new();
            varint::put(kind, &mut bytes);
            varint::put(length, &mut bytes);
            bytes.extend_from_slice(b"rest");
            for cut in 0..bytes.len() - 4 {
                let mut reader = HeadReader::default();
                let mut first = Bytes::copy_from_slice(&bytes[..cut]);
                assert_eq!(reader.read(&mut first), None);
                let mut second = Bytes::copy_from_slice(&bytes[cut..]);
                assert_eq!(reader.read(&mut second), Some((kind, length)));
                assert_eq!(second, "rest");
                assert!(!reader.is_inside());
            }
        }
    }
}
