//! Reading a list of fields (RFC 9204 section 4.5).

use bytes::{Buf, Bytes};

use super::static_table::FIELDS;
use crate::field_lists::{OVERHEAD, huffman, integer};
use crate::http3::{Code, Fault, FieldLine};

/// Why a list cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undecodable {
    /// It breaks the rules.
    Malformed,
    /// It is longer than allowed.
    TooLarge,
}

impl From<Undecodable> for Fault {
    fn from(why: Undecodable) -> Self {
        match why {
            Undecodable::Malformed => Self::Connection(Code::QpackDecompressionFailed),
            Undecodable::TooLarge => Self::TooLarge,
        }
    }
}

/// Reads a list that is complete, and at most `limit` bytes long when it is decompressed, counted as RFC
/// 9114 section 4.2.2 does.
///
/// # Errors
///
/// See [`Undecodable`].
pub fn decode(list: Bytes, limit: u64) -> Result<Vec<FieldLine>, Undecodable> {
    let mut lines = Vec::new();
    read(list, limit, &mut lines)?;
    Ok(lines)
}

/// Reads the fields at the beginning of a list that is not complete, too long, or malformed.
#[must_use]
pub fn readable(list: Bytes, limit: u64) -> Vec<FieldLine> {
    let mut lines = Vec::new();
    // The first fault is the end of what can be read.
    let _ = read(list, limit, &mut lines);
    lines
}

fn read(mut list: Bytes, limit: u64, lines: &mut Vec<FieldLine>) -> Result<(), Undecodable> {
    let mut size = 0;
    // The table that a list may refer to is empty, so that it refers to none of its fields.
    let count = integer(&mut list, 8)?;
    if count != 0 || list.first().is_some_and(|sign| sign & 0x80 > 0) {
        return Err(Undecodable::Malformed);
    }
    integer(&mut list, 7)?;
    while let Some(first) = list.first().copied() {
        let line = match first {
            0xc0.. => {
                let (name, value) = known(integer(&mut list, 6)?)?;
                FieldLine { name: from(name), value: from(value) }
            }
            0x50..0x60 | 0x70..0x80 => {
                let (name, _) = known(integer(&mut list, 4)?)?;
                FieldLine { name: from(name), value: text(&mut list, 7)? }
            }
            0x20..0x40 => {
                let name = text(&mut list, 3)?;
                FieldLine { name, value: text(&mut list, 7)? }
            }
            _ => return Err(Undecodable::Malformed),
        };
        size += (line.name.len() + line.value.len() + OVERHEAD) as u64;
        if size > limit {
            return Err(Undecodable::TooLarge);
        }
        lines.push(line);
    }
    Ok(())
}

/// Whether all of these bytes of a client's encoder are without effect: a table without room.
#[must_use]
pub fn check_encoder_stream(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0x20)
}

/// Whether these bytes of a client's decoder are without effect: requests that were cancelled. `is_inside`
/// says whether an instruction has begun, before and after.
#[must_use]
pub fn check_decoder_stream(bytes: &[u8], is_inside: &mut bool) -> bool {
    bytes.iter().all(|byte| {
        let is_valid = *is_inside || byte & 0xc0 == 0x40;
        *is_inside = if *is_inside { byte & 0x80 > 0 } else { byte & 0x3f == 0x3f };
        is_valid
    })
}

fn known(number: usize) -> Result<(&'static str, &'static str), Undecodable> {
    FIELDS.get(number).copied().ok_or(Undecodable::Malformed)
}

fn from(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// Takes a number off the front, which begins in the last `bits` bits of a byte.
fn integer(list: &mut Bytes, bits: u32) -> Result<usize, Undecodable> {
    let mut rest = &list[..];
    let number = integer::take(&mut rest, bits).map_err(|_| Undecodable::Malformed)?;
    list.advance(list.len() - rest.len());
    Ok(number)
}

/// Takes a text off the front, whose length begins in the last `bits` bits of a byte; the bit before them
/// says that it is compressed.
fn text(list: &mut Bytes, bits: u32) -> Result<Bytes, Undecodable> {
    let is_compressed = list.first().is_some_and(|first| first >> bits & 1 == 1);
    let length = integer(list, bits)?;
    if length > list.len() {
        return Err(Undecodable::Malformed);
    }
    let text = list.split_to(length);
    if !is_compressed {
        return Ok(text);
    }
    // No code is shorter than five bits.
    let mut decoded = Vec::with_capacity(length * 8 / 5);
    if huffman::decode(&text, &mut decoded) {
        Ok(decoded.into())
    } else {
        Err(Undecodable::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http3::qpack::FieldWriter;

    fn lines(list: &[u8]) -> Result<Vec<(String, String)>, Undecodable> {
        let lines = decode(Bytes::copy_from_slice(list), 1000)?;
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        Ok(lines.iter().map(|line| (text(&line.name), text(&line.value))).collect())
    }

    /// RFC 9204 appendix B.1, and each way to write a field.
    #[test]
    fn every_way_to_write_a_field_is_read() {
        let of = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let example = b"\0\0\x51\x0b/index.html";
        assert_eq!(lines(example), Ok(vec![of(":path", "/index.html")]));
        assert_eq!(
            lines(&[0, 0, 0xd1, 0xd7]),
            Ok(vec![of(":method", "GET"), of(":scheme", "https")])
        );
        assert_eq!(lines(&[0, 0, 0xff, 0x23]), Ok(vec![of("x-frame-options", "sameorigin")]));
        assert_eq!(lines(b"\0\0\x23abc\x01d"), Ok(vec![of("abc", "d")]));
        assert_eq!(
            lines(b"\0\0\x37\x01abcdefgh\x00"),
            Ok(vec![of("abcdefgh", "")]),
            "never indexed"
        );
        let compressed = [0, 0, 0x5f, 0x39, 0x82, 0x64, 0x02];
        assert_eq!(lines(&compressed), Ok(vec![of("accept-language", "302")]));
        assert_eq!(lines(b"\0\0"), Ok(vec![]));
    }

    #[test]
    fn what_is_written_is_read() {
        let mut writer = FieldWriter::new(302);
        for (name, value) in
            [("Location", "/x"), ("X-Own", "v"), ("server", ""), ("vary", "origin")]
        {
            writer.field(name.as_bytes(), value.as_bytes());
        }
        writer.field(b"X-Long", &[b'a'; 300]);
        let read = lines(&writer.finish()).unwrap();
        let names: Vec<_> = read.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, [":status", "location", "x-own", "server", "vary", "x-long"]);
        assert_eq!((&*read[0].1, &*read[1].1, read[5].1.len()), ("302", "/x", 300));
        assert_eq!(lines(&FieldWriter::new(299).finish()).unwrap()[0].1, "299");
    }

    #[test]
    fn references_to_a_table_that_changes_break_the_rules() {
        for list in [
            &[1, 0][..],
            &[0, 0x80],
            &[0, 0, 0x80],
            &[0, 0, 0x40, 0],
            &[0, 0, 0x10],
            &[0, 0, 0x00, 0],
            &[0, 0, 0xff, 0x24],
            &[0, 0, 0xff],
            &[0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
            &[0, 0, 0x51, 5, b'/'],
            &[0, 0, 0x51, 0x81, 0xff],
            &[0],
            &[],
        ] {
            assert_eq!(lines(list), Err(Undecodable::Malformed), "{list:?}");
        }
    }

    #[test]
    fn a_list_that_grows_too_much_is_not_read_to_its_end() {
        let bomb = [&[0, 0][..], &[0xd1; 1000]].concat();
        assert_eq!(lines(&bomb), Err(Undecodable::TooLarge));
    }

    #[test]
    fn only_instructions_without_effect_are_allowed() {
        assert!(check_encoder_stream(&[0x20, 0x20]));
        assert!(!check_encoder_stream(&[0x21]), "a table with room");
        assert!(!check_encoder_stream(&[0xc0]), "an insertion");
        let mut is_inside = false;
        assert!(check_decoder_stream(&[0x44, 0x7f, 0x80], &mut is_inside) && is_inside);
        assert!(check_decoder_stream(&[0x01, 0x40], &mut is_inside) && !is_inside);
        assert!(!check_decoder_stream(&[0x80], &mut false), "nothing can be acknowledged");
        assert!(!check_decoder_stream(&[0x01], &mut false), "nothing was inserted");
    }
}
