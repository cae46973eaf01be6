//! Eight bytes of a text in one number, and questions about all of them at once.
//!
//! Each answer is exact: a byte that is not meant can only be reported beside one that is.

/// This byte, eight times.
#[must_use]
pub const fn repeated(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Whether one of the bytes is less than this, which is at most 128.
#[must_use]
pub fn has_less(bytes: u64, than: u8) -> bool {
    bytes.wrapping_sub(repeated(than)) & !bytes & repeated(0x80) != 0
}

/// Whether one of the bytes is this one.
#[must_use]
pub fn has(bytes: u64, byte: u8) -> bool {
    has_less(bytes ^ repeated(byte), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_found_wherever_it_is_and_no_other_is() {
        for (byte, beside) in
            (0..=u8::MAX).flat_map(|it| [0, 1, 0x20, 0x7f, 0x80, 0xff].map(|by| (it, by)))
        {
            for at in 0..8 {
                let mut bytes = [beside; 8];
                bytes[at] = byte;
                let number = u64::from_le_bytes(bytes);
                for than in [1, 0x20, 0x21, 128] {
                    assert_eq!(
                        has_less(number, than),
                        bytes.iter().any(|it| *it < than),
                        "{bytes:?}"
                    );
                }
                for wanted in [0, b'"', 0x7f, 0xff, byte] {
                    assert_eq!(has(number, wanted), bytes.contains(&wanted), "{bytes:?}");
                }
            }
        }
    }
}
