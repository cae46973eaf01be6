//! Which bytes may stand where, and how far they reach.
//!
//! Eight bytes are looked at together where a run is long, because a head is mostly values.

use crate::eight_bytes::{has, has_less};

const TOKEN: [bool; 256] = token_bytes();

const fn token_bytes() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        let is_mark = matches!(
            byte as u8,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        );
        table[byte] = is_mark || (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    table
}

/// Whether a method or the name of a field may have this byte (RFC 9110 section 5.6.2).
pub fn is_token_byte(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

/// Whether this is a token: at least one token byte, and nothing else.
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_token_byte(*byte))
}

/// Whether the value of a field may have this byte: all but control characters, of which only the
/// tab is allowed.
pub(in crate::http1) fn is_value_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// The number of token bytes at the start.
pub(in crate::http1) fn token_len(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| !is_token_byte(*byte)).unwrap_or(bytes.len())
}

/// The number of bytes at the start that a value may have.
pub fn value_len(bytes: &[u8]) -> usize {
    run_len(bytes, has_control, is_value_byte)
}

/// The number of bytes at the start that are neither a blank nor a control character.
pub fn graphic_len(bytes: &[u8]) -> usize {
    run_len(bytes, has_control_or_blank, |byte| byte > b' ' && byte != 0x7f)
}

/// Where the first line feed is.
pub(in crate::http1) fn line_feed(bytes: &[u8]) -> Option<usize> {
    let at = run_len(bytes, |word| has(word, b'\n'), |byte| byte != b'\n');
    (at < bytes.len()).then_some(at)
}

/// The value without the blanks and tabs around it.
pub(in crate::http1) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// The number of bytes at the start for which `belongs` holds. `may_end` looks at eight bytes at a
/// time and may be wrong in one way only: it may report an end where `belongs` finds none.
fn run_len(bytes: &[u8], may_end: impl Fn(u64) -> bool, belongs: impl Fn(u8) -> bool) -> usize {
    let mut at = 0;
    for word in bytes.chunks_exact(8) {
        let eight = <[u8; 8]>::try_from(word).unwrap_or_default();
        if may_end(u64::from_le_bytes(eight))
            && let Some(end) = word.iter().position(|byte| !belongs(*byte))
        {
            return at + end;
        }
        at += 8;
    }
    let rest = &bytes[at..];
    at + rest.iter().position(|byte| !belongs(*byte)).unwrap_or(rest.len())
}

fn has_control(word: u64) -> bool {
    has_less(word, b' ') || has(word, 0x7f)
}

fn has_control_or_blank(word: u64) -> bool {
    has_less(word, b' ' + 1) || has(word, 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_ends_a_run_wherever_it_is_or_does_not() {
        for byte in 0..=u8::MAX {
            for at in 0..20 {
                let mut bytes = [b'a'; 20];
                bytes[at] = byte;
                let ends = |ends: bool| if ends { at } else { bytes.len() };
                let is_control = byte.is_ascii_control() && byte != b'\t';
                assert_eq!(value_len(&bytes), ends(is_control), "{byte} at {at}");
                let is_blank = matches!(byte, b' ' | b'\t');
                assert_eq!(graphic_len(&bytes), ends(is_control || is_blank), "{byte} at {at}");
                assert_eq!(line_feed(&bytes), (byte == b'\n').then_some(at), "{byte} at {at}");
                let is_separator = b"\"(),/:;<=>?@[\\]{}".contains(&byte);
                let is_token = byte.is_ascii_graphic() && !is_separator;
                assert_eq!(token_len(&bytes), ends(!is_token), "{byte} at {at}");
            }
        }
    }

    #[test]
    fn blanks_around_a_value_are_removed() {
        assert_eq!(trim(b" \t a\tb \t"), b"a\tb");
        assert_eq!(trim(b" \t "), b"");
        assert_eq!(trim(b""), b"");
    }
}
