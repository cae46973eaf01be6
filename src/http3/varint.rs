//! Integers of QUIC (RFC 9000 section 16): one, two, four or eight bytes, as their first two bits say.

use bytes::{Buf, BufMut};

/// The largest one.
pub(super) const MAX: u64 = (1 << 62) - 1;

/// Takes an integer off the front; `None` if more bytes must come, and then nothing is taken.
pub(super) fn take(bytes: &mut impl Buf) -> Option<u64> {
    let first = *bytes.chunk().first()?;
    let length = 1 << (first >> 6);
    if bytes.remaining() < length {
        return None;
    }
    let mut value = u64::from(bytes.get_u8() & 0x3f);
    for _ in 1..length {
        value = value << 8 | u64::from(bytes.get_u8());
    }
    Some(value)
}

/// Adds an integer of at most [`MAX`], in its shortest form.
pub(super) fn put(value: u64, bytes: &mut impl BufMut) {
    match value {
        0..0x40 => bytes.put_u8(value as u8),
        0x40..0x4000 => bytes.put_u16(0x4000 | value as u16),
        0x4000..0x4000_0000 => bytes.put_u32(0x8000_0000 | value as u32),
        _ => bytes.put_u64(0xc000_0000_0000_0000 | value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 9000 section A.1.
    #[test]
    fn examples_of_the_standard() {
        for (bytes, value) in [
            (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c][..], 151_288_809_941_952_652),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
            (&[0x40, 0x25], 37),
        ] {
            let mut all = bytes;
            assert_eq!(take(&mut all), Some(value));
            assert!(all.is_empty());
            let mut short = &bytes[..bytes.len() - 1];
            assert_eq!(take(&mut short), None, "a byte is missing");
            assert_eq!(short.len(), bytes.len() - 1, "nothing is taken");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for value in [0, 63, 64, 16_383, 16_384, (1 << 30) - 1, 1 << 30, MAX] {
            let mut bytes = Vec::new();
            put(value, &mut bytes);
            assert_eq!(take(&mut &bytes[..]), Some(value));
        }
    }
}
