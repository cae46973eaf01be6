//! The Huffman code of HPACK and QPACK (RFC 7541 appendix B), read only.
//!
//! The code is canonical: within one length the codes count up with their bytes. So the lengths alone say
//! everything, and the tables below are computed from them when `lb` is compiled.

/// The number of bits for each byte.
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];
const LONGEST: usize = 30;
/// Codes of up to this many bits are looked up at once.
const SHORT: usize = 8;

/// All bytes in the order of their codes, and for each length the first code, its place, and how many
/// there are.
struct Codes {
    bytes: [u8; 256],
    first: [u32; LONGEST + 1],
    place: [usize; LONGEST + 1],
    count: [u32; LONGEST + 1],
    /// The byte and the length of the code at the front of these bits; length 0 for a longer one.
    short: [(u8, u8); 1 << SHORT],
}

static CODES: Codes = codes();

const fn codes() -> Codes {
    let mut codes = Codes {
        bytes: [0; 256],
        first: [0; LONGEST + 1],
        place: [0; LONGEST + 1],
        count: [0; LONGEST + 1],
        short: [(0, 0); 1 << SHORT],
    };
    let (mut length, mut code, mut place) = (1, 0, 0);
    while length <= LONGEST {
        (codes.first[length], codes.place[length]) = (code, place);
        let mut byte = 0;
        while byte < 256 {
            if LENGTHS[byte] as usize == length {
                codes.bytes[place] = byte as u8;
                if length <= SHORT {
                    let mut bits = (code as usize) << (SHORT - length);
                    let end = (code as usize + 1) << (SHORT - length);
                    while bits < end {
                        codes.short[bits] = (byte as u8, length as u8);
                        bits += 1;
                    }
                }
                (place, code) = (place + 1, code + 1);
                codes.count[length] += 1;
            }
            byte += 1;
        }
        (length, code) = (length + 1, code << 1);
    }
    codes
}

/// The byte at the front of these 30 bits, and the length of its code; `None` for the end of text.
fn front(bits: u32) -> Option<(u8, u32)> {
    if let (byte, length @ 1..) = CODES.short[(bits >> (LONGEST - SHORT)) as usize] {
        return Some((byte, u32::from(length)));
    }
    for length in SHORT + 1..=LONGEST {
        let offset = (bits >> (LONGEST - length)).wrapping_sub(CODES.first[length]);
        if offset < CODES.count[length] {
            return Some((CODES.bytes[CODES.place[length] + offset as usize], length as u32));
        }
    }
    None
}

/// Reads a text. `None` if it breaks the rules: it must end with fewer than eight bits, all of them ones.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    // No code is shorter than five bits.
    let mut decoded = Vec::with_capacity(text.len() * 8 / 5);
    let (mut window, mut bits) = (0_u64, 0_u32);
    let mut input = text.iter();
    loop {
        while bits <= 32 {
            let Some(byte) = input.next() else { break };
            (window, bits) = (window << 8 | u64::from(*byte), bits + 8);
        }
        let longest = LONGEST as u32;
        let ahead = match longest.checked_sub(bits) {
            None | Some(0) => window >> (bits - longest),
            Some(missing) => window << missing | ((1 << missing) - 1),
        } as u32;
        if bits < 8 && ahead == (1 << LONGEST) - 1 {
            return Some(decoded);
        }
        let (byte, length) = front(ahead)?;
        bits = bits.checked_sub(length)?;
        window &= (1 << bits) - 1;
        decoded.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As an encoder writes it.
    fn encode(text: &[u8]) -> Vec<u8> {
        let mut bits = Vec::new();
        for byte in text {
            let length = LENGTHS[*byte as usize] as usize;
            let place = CODES.bytes.iter().position(|it| it == byte).unwrap();
            let code = CODES.first[length] + (place - CODES.place[length]) as u32;
            bits.extend((0..length).rev().map(|bit| code >> bit & 1 == 1));
        }
        while bits.len() % 8 > 0 {
            bits.push(true);
        }
        bits.chunks(8)
            .map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit)))
            .collect()
    }

    /// Examples of RFC 7541 appendix C.4 and C.6.
    #[test]
    fn examples_of_the_standard() {
        for (bytes, text) in [
            (
                &[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff][..],
                "www.example.com",
            ),
            (&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf], "no-cache"),
            (&[0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf], "custom-value"),
            (&[0x64, 0x02], "302"),
        ] {
            assert_eq!(decode(bytes).unwrap(), text.as_bytes());
            assert_eq!(encode(text.as_bytes()), bytes);
        }
    }

    #[test]
    fn every_byte_is_read_at_every_place() {
        for byte in 0..=255 {
            for others in 0..9 {
                let text = [vec![b'0'; others], vec![byte], vec![b'~'; others]].concat();
                assert_eq!(decode(&encode(&text)), Some(text));
            }
        }
    }

    #[test]
    fn padding_is_shorter_than_a_byte_and_all_ones() {
        assert_eq!(decode(b""), Some(vec![]));
        assert_eq!(decode(&[0xff]), None, "a whole byte");
        assert_eq!(decode(&[0xff; 4]), None, "the end of text");
        // "0" is 00000.
        assert_eq!(decode(&[0b0000_0111]), Some(b"0".to_vec()));
        assert_eq!(decode(&[0b0000_0110]), None, "not all ones");
        assert_eq!(decode(&[0b0000_0111, 0xff]), None, "too long");
    }
}
