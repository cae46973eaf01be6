//! The Huffman code of HPACK and QPACK (RFC 7541 section 5.2 and appendix B), read only: what `lb` writes is
//! not compressed.
//!
//! The code is canonical: sorted by length, and then by byte, the codes count up. So their lengths say
//! everything, and the tables below are computed from them when `lb` is compiled. Codes of up to eight bits,
//! which nearly all texts of requests have, are looked up at once.

/// The number of bits of the code of each byte, and of the end of a text.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];
const SHORTEST: usize = 5;
const LONGEST: usize = 30;
/// Codes of up to this number of bits are looked up at once.
const SHORT: usize = 8;
const END_OF_TEXT: u16 = 256;

/// The codes of one length.
#[derive(Clone, Copy)]
struct Group {
    /// The first code, and the one behind the last, at the left end of 32 bits.
    first: u64,
    end: u64,
    /// The place of the first one in [`SYMBOLS`].
    place: usize,
}

/// The codes of each length, in order of their lengths.
static GROUPS: [Group; LONGEST - SHORTEST + 1] = groups();
/// What the codes stand for, in order of the codes.
static SYMBOLS: [u16; LENGTHS.len()] = symbols();
/// The byte and the length of the code at the front of these bits; length 0 for a longer one.
static SHORT_CODES: [(u8, u8); 1 << SHORT] = short_codes();

const fn groups() -> [Group; LONGEST - SHORTEST + 1] {
    let mut all = [Group { first: 0, end: 0, place: 0 }; LONGEST - SHORTEST + 1];
    let (mut code, mut place, mut group) = (0, 0, 0);
    while group < all.len() {
        let (mut count, mut symbol) = (0, 0);
        while symbol < LENGTHS.len() {
            count += (LENGTHS[symbol] as usize == group + SHORTEST) as usize;
            symbol += 1;
        }
        let end = code + ((count as u64) << (32 - group - SHORTEST));
        all[group] = Group { first: code, end, place };
        (code, place, group) = (end, place + count, group + 1);
    }
    all
}

const fn symbols() -> [u16; LENGTHS.len()] {
    let mut all = [0; LENGTHS.len()];
    let (mut place, mut length) = (0, SHORTEST);
    while length <= LONGEST {
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as usize == length {
                all[place] = symbol as u16;
                place += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    all
}

const fn short_codes() -> [(u8, u8); 1 << SHORT] {
    let mut all = [(0, 0); 1 << SHORT];
    let (mut bits, mut place) = (0, 0);
    while bits < all.len() {
        let symbol = SYMBOLS[place];
        let length = LENGTHS[symbol as usize];
        if length as usize > SHORT {
            break;
        }
        let end = bits + (1 << (SHORT - length as usize));
        while bits < end {
            all[bits] = (symbol as u8, length);
            bits += 1;
        }
        place += 1;
    }
    all
}

/// What the code at the front of these 32 bits stands for, and its length.
fn front(bits: u64) -> (u16, usize) {
    if let (byte, length @ 1..) = SHORT_CODES[(bits >> (32 - SHORT)) as usize] {
        return (u16::from(byte), usize::from(length));
    }
    let longer = SHORT + 1 - SHORTEST;
    let index = GROUPS[longer..].iter().position(|group| bits < group.end);
    let index = index.map_or(GROUPS.len() - 1, |index| longer + index);
    let (group, length) = (GROUPS[index], index + SHORTEST);
    (SYMBOLS[group.place + ((bits - group.first) >> (32 - length)) as usize], length)
}

/// Appends the text that these bytes stand for. Returns whether they stand for one: they do not if they
/// hold the code of the end of a text, or end in eight bits of it or more, or in other bits.
#[must_use]
pub fn decode(bytes: &[u8], text: &mut Vec<u8>) -> bool {
    let mut rest = bytes.iter();
    // The bits that are not decoded yet are at the left end.
    let (mut bits, mut count) = (0_u64, 0_usize);
    loop {
        while count <= 56
            && let Some(byte) = rest.next()
        {
            bits |= u64::from(*byte) << (56 - count);
            count += 8;
        }
        let (symbol, length) = front(bits >> 32);
        if length > count {
            break;
        }
        if symbol == END_OF_TEXT {
            return false;
        }
        text.push(symbol as u8);
        bits <<= length;
        count -= length;
    }
    let padding = !0_u64 << (64 - count.clamp(1, 64));
    count < 8 && (count == 0 || bits == padding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        decode(bytes, &mut text).then_some(text)
    }

    /// The bytes that stand for a text.
    fn encoded(text: &[u8]) -> Vec<u8> {
        let mut bits: Vec<bool> = Vec::new();
        for byte in text {
            let place = SYMBOLS.iter().position(|symbol| *symbol == u16::from(*byte)).unwrap();
            let length = LENGTHS[*byte as usize] as usize;
            let group = GROUPS[length - SHORTEST];
            let code = (group.first >> (32 - length)) + (place - group.place) as u64;
            bits.extend((0..length).rev().map(|bit| code >> bit & 1 == 1));
        }
        while !bits.len().is_multiple_of(8) {
            bits.push(true);
        }
        let byte = |bits: &[bool]| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
        bits.chunks(8).map(byte).collect()
    }

    #[test]
    fn the_examples_of_the_standard_are_read() {
        // RFC 7541 appendix C.4 and C.6.
        let host = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(decoded(&host).unwrap(), b"www.example.com");
        assert_eq!(decoded(&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf]).unwrap(), b"no-cache");
        let value = [0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf];
        assert_eq!(decoded(&value).unwrap(), b"custom-value");
        let date = [
            0xd0, 0x7a, 0xbe, 0x94, 0x10, 0x54, 0xd4, 0x44, 0xa8, 0x20, 0x05, 0x95, 0x04, 0x0b,
            0x81, 0x66, 0xe0, 0x82, 0xa6, 0x2d, 0x1b, 0xff,
        ];
        assert_eq!(decoded(&date).unwrap(), b"Mon, 21 Oct 2013 20:13:21 GMT");
        assert_eq!(decoded(&[0x64, 0x02]).unwrap(), b"302");
        assert_eq!(decoded(b"").unwrap(), b"");
    }

    #[test]
    fn every_byte_is_read_at_every_place() {
        for byte in 0..=255 {
            for others in 0..9 {
                let text = [vec![b'0'; others], vec![byte; 2], vec![b'~'; others]].concat();
                assert_eq!(decoded(&encoded(&text)), Some(text));
            }
        }
    }

    #[test]
    fn padding_is_a_part_of_the_end_of_a_text_and_shorter_than_a_byte() {
        // "0" has the code 00000.
        assert_eq!(decoded(&[0b0000_0111]).unwrap(), b"0");
        for bytes in [
            &[0b0000_0000][..],
            &[0b0000_0110],
            &[0b0000_0111, 0xff],
            &[0xff],
            &[0xff, 0xff, 0xff, 0xff],
            &[0xff, 0xff, 0xff, 0xfc],
            &[0xff, 0xff, 0xff, 0xfd, 0x25, 0x42, 0x7f],
        ] {
            assert_eq!(decoded(bytes), None, "{bytes:02x?}");
        }
    }
}
