//! Text from clients, at a length that a log can bear.
//!
//! A client chooses the length of a header, and each byte of it may take six in a line. The beginning is what
//! a person looks for; without an end a client could fill a disk, or have its line refused by a daemon.

use std::borrow::Cow;

use crate::http1::{Fields, Known};

/// The most bytes of one header or cookie that a line has.
const MOST: usize = 1024;
/// The most bytes of a path with its query.
const MOST_OF_PATH: usize = 8 * 1024;
/// What follows a text that was cut.
const CUT: &[u8] = "…".as_bytes();

/// A path with its query.
pub(super) fn path(bytes: &[u8]) -> Cow<'_, [u8]> {
    cut(bytes, MOST_OF_PATH)
}

/// Any other text.
pub(super) fn bounded(bytes: &[u8]) -> Cow<'_, [u8]> {
    cut(bytes, MOST)
}

/// The values of all lines of a header, with commas between them; `None` without a line.
pub(super) fn header<'a>(fields: &'a Fields, name: &str) -> Option<Cow<'a, [u8]>> {
    let mut values = fields.named(name.as_bytes());
    let first = values.next()?;
    let Some(second) = values.next() else { return Some(bounded(first)) };
    let mut all = [first, second].join(&b", "[..]);
    for value in values {
        all.extend_from_slice(b", ");
        all.extend_from_slice(value);
    }
    Some(bounded(&all).into_owned().into())
}

/// The value of a request's cookie, the first of this name; `None` without it.
pub(super) fn cookie<'a>(fields: &'a Fields, name: &str) -> Option<Cow<'a, [u8]>> {
    let pairs = fields.all(Known::Cookie).flat_map(|line| line.split(|byte| *byte == b';'));
    let value = |pair: &'a [u8]| {
        let pair = pair.trim_ascii();
        let value = pair.strip_prefix(name.as_bytes())?.trim_ascii_start();
        value.strip_prefix(b"=").map(<[u8]>::trim_ascii)
    };
    pairs.filter_map(value).next().map(bounded)
}

/// The text, or its beginning, which does not end in the middle of a character.
fn cut(bytes: &[u8], most: usize) -> Cow<'_, [u8]> {
    if bytes.len() <= most {
        return bytes.into();
    }
    let is_boundary = |at: &usize| bytes[*at] & 0b1100_0000 != 0b1000_0000;
    let end = (most - 3..=most).rev().find(is_boundary).unwrap_or(most);
    [&bytes[..end], CUT].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&str, &[u8])]) -> Fields {
        let mut fields = Fields::default();
        lines.iter().for_each(|(name, value)| fields.append(name.as_bytes(), value));
        fields
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let text = "é".repeat(MOST);
        assert_eq!(&*bounded(&text.as_bytes()[..MOST]), &text.as_bytes()[..MOST]);
        for shift in 0..4 {
            let text = [&b"abcd"[..shift], "\u{1f600}".repeat(MOST).as_bytes()].concat();
            let cut = String::from_utf8(bounded(&text).into_owned()).unwrap();
            assert!(cut.ends_with('…') && cut.len() <= MOST + CUT.len(), "{}", cut.len());
            assert!(cut.len() > MOST - 4, "{}", cut.len());
        }
        let odd = vec![0x80; 2 * MOST];
        assert_eq!(bounded(&odd).len(), MOST + CUT.len());
        assert_eq!(path(&[b'a'; 9000]).len(), MOST_OF_PATH + CUT.len());
    }

    #[test]
    fn lines_of_a_header_are_joined() {
        let fields = fields(&[("X-A", b"1"), ("Via", b"x"), ("x-a", b"2"), ("X-a", b"")]);
        assert_eq!(header(&fields, "x-a").as_deref(), Some(&b"1, 2, "[..]));
        assert_eq!(header(&fields, "via").as_deref(), Some(&b"x"[..]));
        assert_eq!(header(&fields, "x-b"), None);
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let fields = fields(&[
            ("Cookie", b"themes=1; xtheme=2;theme=\"dark\" ; a"),
            ("Host", b"theme=no"),
            ("cookie", b"theme=light; late = x=y"),
        ]);
        let cookie = |name| cookie(&fields, name);
        assert_eq!(cookie("theme").as_deref(), Some(&b"\"dark\""[..]));
        assert_eq!(cookie("late").as_deref(), Some(&b"x=y"[..]));
        assert_eq!((cookie("a"), cookie("Theme"), cookie("them")), (None, None, None));
    }
}
