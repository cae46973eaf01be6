//! Writing a list of fields (RFC 9204 section 4.5). Texts are not compressed: decompression is the larger
//! part of a client's work for a small answer, and the fields of an answer are few.

use bytes::{BufMut, Bytes, BytesMut};

use super::static_table::{self, STATUS};
use crate::field_lists::integer;

/// A list of fields that is being written.
#[derive(Debug)]
pub struct FieldWriter(BytesMut);

impl FieldWriter {
    /// The list of an answer with this status.
    #[must_use]
    pub fn new(status: u16) -> Self {
        let mut list = Self::trailers();
        let mut digits = [0; 3];
        for (place, digit) in digits.iter_mut().enumerate() {
            *digit = b'0' + (status / [100, 10, 1][place] % 10) as u8;
        }
        match static_table::find(b":status", &digits) {
            (Some(number), _) => list.integer(0xc0, 6, number),
            (None, _) => {
                list.integer(0x50, 4, STATUS);
                list.text(&digits);
            }
        }
        list
    }

    /// The list of trailers.
    #[must_use]
    pub fn trailers() -> Self {
        let mut list = BytesMut::with_capacity(256);
        // It refers to no field of a table that changes.
        list.put_slice(&[0, 0]);
        Self(list)
    }

    /// Adds a field. Its name is a token in any case, and is written in lower case.
    pub fn field(&mut self, name: &[u8], value: &[u8]) {
        let start = self.0.len();
        self.0.put_slice(name);
        self.0[start..].make_ascii_lowercase();
        let (field, named) = static_table::find(&self.0[start..], value);
        match (field, named) {
            (Some(number), _) => {
                self.0.truncate(start);
                self.integer(0xc0, 6, number);
            }
            (None, Some(number)) => {
                self.0.truncate(start);
                self.integer(0x50, 4, number);
                self.text(value);
            }
            (None, None) => {
                let name = self.0.split_off(start);
                self.integer(0x20, 3, name.len());
                self.0.unsplit(name);
                self.text(value);
            }
        }
    }

    /// The whole list.
    #[must_use]
    pub fn finish(self) -> Bytes {
        self.0.freeze()
    }

    fn text(&mut self, text: &[u8]) {
        self.integer(0, 7, text.len());
        self.0.put_slice(text);
    }

    fn integer(&mut self, first: u8, bits: u32, number: usize) {
        integer::put(first, bits, number, &mut self.0);
    }
}
