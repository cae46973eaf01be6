//! Numbers and addresses as text, for what every request pays for: the machinery of formatting costs
//! several times as much as the digits.

use std::net::Ipv4Addr;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// The digits of hexadecimal numbers, in lower case.
#[must_use]
pub fn is_hex(byte: u8) -> bool {
    HEX.contains(&byte)
}

/// Fills `digits` with the last digits of the number, in hexadecimal. Their count must be even.
pub fn write_hex(digits: &mut [u8], number: u128) {
    let bytes = number.to_le_bytes();
    for (pair, byte) in digits.rchunks_exact_mut(2).zip(bytes) {
        pair[0] = HEX[usize::from(byte >> 4)];
        pair[1] = HEX[usize::from(byte & 0xf)];
    }
}

/// An IPv4 address in its usual form, such as `192.0.2.1`.
#[derive(Debug, Clone, Copy)]
pub struct Ipv4Text {
    text: [u8; "255.255.255.255".len()],
    length: usize,
}

impl Ipv4Text {
    /// The text of this address.
    #[must_use]
    pub fn new(address: Ipv4Addr) -> Self {
        let mut it = Self { text: [b'.'; 15], length: 0 };
        for (index, octet) in address.octets().into_iter().enumerate() {
            // The dot before every octet but the first is there already.
            it.length += usize::from(index > 0);
            if octet >= 100 {
                it.push(octet / 100);
            }
            if octet >= 10 {
                it.push(octet / 10 % 10);
            }
            it.push(octet % 10);
        }
        it
    }

    fn push(&mut self, digit: u8) {
        if let Some(byte) = self.text.get_mut(self.length) {
            *byte = b'0' + digit;
        }
        self.length += 1;
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The text as bytes, which need not be looked at once more.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_the_standard_library_writes_it() {
        for octet in 0..=u8::MAX {
            for octets in [[octet, 255 - octet, 0, octet], [9, 10, octet, 99], [100, 1, 7, octet]] {
                let address = Ipv4Addr::from(octets);
                let text = Ipv4Text::new(address);
                assert_eq!(text.as_str(), address.to_string());
            }
        }
    }

    #[test]
    fn hexadecimal_digits_are_the_last_ones_of_the_number() {
        let number = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210_u128;
        for count in (0..=32).step_by(2) {
            let mut digits = vec![b'-'; count];
            write_hex(&mut digits, number);
            let expected = format!("{number:032x}");
            assert_eq!(digits, expected.as_bytes()[32 - count..]);
        }
    }
}
