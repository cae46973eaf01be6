//! Numbers that begin in the last bits of a byte (RFC 7541 section 5.1).

use bytes::BufMut;

/// Why there is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoInteger {
    /// The bytes end before it does.
    Incomplete,
    /// It needs more than 28 bits beside the first ones, and nothing of that size is allowed.
    TooLarge,
}

/// Takes a number off the front, which begins in the last `bits` bits of a byte. Nothing is taken if there is
/// none.
///
/// # Errors
///
/// See [`NoInteger`].
pub fn take(bytes: &mut &[u8], bits: u32) -> Result<usize, NoInteger> {
    let mut rest = *bytes;
    let most = (1 << bits) - 1;
    let mut number = next(&mut rest)? & most;
    if number == most {
        let mut shift = 0;
        loop {
            let byte = next(&mut rest)?;
            number += (byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
            shift += 7;
            if shift > 21 {
                return Err(NoInteger::TooLarge);
            }
        }
    }
    *bytes = rest;
    Ok(number)
}

fn next(bytes: &mut &[u8]) -> Result<usize, NoInteger> {
    bytes.split_off_first().map(|byte| usize::from(*byte)).ok_or(NoInteger::Incomplete)
}

/// Writes a number behind the first bits of a byte, which leave `bits` for it.
pub fn put(first: u8, bits: u32, number: usize, bytes: &mut impl BufMut) {
    let most = (1 << bits) - 1;
    let Some(mut rest) = number.checked_sub(most) else {
        bytes.put_u8(first | number as u8);
        return;
    };
    bytes.put_u8(first | most as u8);
    while rest >= 0x80 {
        bytes.put_u8(0x80 | rest as u8);
        rest >>= 7;
    }
    bytes.put_u8(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7541 appendix C.1.
    #[test]
    fn the_examples_of_the_standard_are_read_and_written() {
        for (bits, number, bytes) in
            [(5, 10, &[0xea][..]), (5, 1337, &[0xff, 0x9a, 0x0a]), (8, 42, &[42])]
        {
            let mut rest = bytes;
            assert_eq!((take(&mut rest, bits), rest), (Ok(number), &[][..]));
            let mut written = Vec::new();
            put(if bits == 8 { 0 } else { 0xe0 }, bits, number, &mut written);
            assert_eq!(written, bytes);
        }
    }

    #[test]
    fn what_is_written_is_read_and_less_of_it_is_incomplete() {
        for bits in 3..8 {
            for number in (0..400).chain([16_383, 16_384, 1 << 20, 1 << 27]) {
                let mut bytes = Vec::new();
                put(0, bits, number, &mut bytes);
                for end in 0..bytes.len() {
                    let mut part = &bytes[..end];
                    assert_eq!(take(&mut part, bits), Err(NoInteger::Incomplete));
                    assert_eq!(part.len(), end, "nothing is taken");
                }
                bytes.push(7);
                let mut rest = &bytes[..];
                assert_eq!((take(&mut rest, bits), rest), (Ok(number), &[7][..]));
            }
        }
    }

    #[test]
    fn a_number_that_is_never_meant_is_too_large() {
        for bytes in [&[0xff, 0x80, 0x80, 0x80, 0x80][..], &[0xff, 0xff, 0xff, 0xff, 0xff, 0x01]] {
            assert_eq!(take(&mut &bytes[..], 7), Err(NoInteger::TooLarge));
        }
    }
}
