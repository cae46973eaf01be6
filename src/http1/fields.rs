//! The fields of a message, from the head in which they came to the head in which they go on.
//!
//! A header map costs two hashes and an allocated name for each field, and as much again for each copy.
//! Here all lines are one block of text, in the form in which they are sent, beside a short list of where
//! they are. A copy for an attempt copies two blocks, and writing a head copies one; a field is found by
//! a look at the list, and one that is known and not there by a look at a set.

use bytes::{BufMut, BytesMut};

use super::rules::{Field, Known, KnownFields, syntax};

/// The bytes and lines of an ordinary message, for which room is made at once.
const ORDINARY_TEXT: usize = 512;
const ORDINARY_LINES: usize = 16;
/// What goes to a backend with a request and did not come with it.
const ADDED_TEXT: usize = 384;
const ADDED_LINES: usize = 9;

/// The fields of a message in the order of their lines, each name as it was spelled.
///
/// Names and values are written as they are: a name must be a token, and a value must have no line end in
/// it, as all have that were parsed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    /// Every line, as `name: value` with its line end. Those that were removed are still there.
    text: Vec<u8>,
    lines: Vec<Line>,
    known: KnownFields,
}

/// Where a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line {
    start: u32,
    name: u32,
    value: u32,
    known: Option<Known>,
}

impl Line {
    fn field(self, text: &[u8]) -> Field<'_> {
        let name = &text[self.start as usize..(self.start + self.name) as usize];
        Field { name, value: &text[self.value_range()], known: self.known }
    }

    fn value_range(self) -> std::ops::Range<usize> {
        let start = (self.start + self.name) as usize + SEPARATOR.len();
        start..start + self.value as usize
    }

    /// Where the text of the line ends, line end included.
    fn end(self) -> usize {
        self.value_range().end + LINE_END.len()
    }
}

const SEPARATOR: &[u8] = b": ";
const LINE_END: &[u8] = b"\r\n";

impl Fields {
    /// No fields, with room for those of an ordinary message.
    #[must_use]
    pub fn with_room() -> Self {
        Self {
            text: Vec::with_capacity(ORDINARY_TEXT),
            lines: Vec::with_capacity(ORDINARY_LINES),
            known: KnownFields::default(),
        }
    }

    /// A copy with room for what is added on the way to a backend.
    #[must_use]
    pub fn to_be_sent(&self) -> Self {
        let mut text = Vec::with_capacity(self.text.len() + ADDED_TEXT);
        text.extend_from_slice(&self.text);
        let mut lines = Vec::with_capacity(self.lines.len() + ADDED_LINES);
        lines.extend_from_slice(&self.lines);
        Self { text, lines, known: self.known }
    }

    /// Whether there is a line of this field.
    #[must_use]
    pub fn has(&self, known: Known) -> bool {
        self.known.has(known)
    }

    /// The values of all lines of a field, in order.
    pub fn all(&self, known: Known) -> impl DoubleEndedIterator<Item = &[u8]> {
        let lines = if self.has(known) { &self.lines[..] } else { &[] };
        let lines = lines.iter().filter(move |line| line.known == Some(known));
        lines.map(|line| &self.text[line.value_range()])
    }

    /// The value of the first line of a field.
    #[must_use]
    pub fn first(&self, known: Known) -> Option<&[u8]> {
        self.all(known).next()
    }

    /// The value of a field that has exactly one line.
    #[must_use]
    pub fn only(&self, known: Known) -> Option<&[u8]> {
        let mut lines = self.all(known);
        lines.next().filter(|_| lines.next().is_none())
    }

    /// Every line in order.
    pub fn iter(&self) -> impl Iterator<Item = Field<'_>> {
        self.lines.iter().map(|line| line.field(&self.text))
    }

    /// The values of all lines of a field of any name, in any case.
    pub fn named(&self, name: &[u8]) -> impl Iterator<Item = &[u8]> {
        let is_it = move |field: &Field<'_>| field.name.eq_ignore_ascii_case(name);
        self.iter().filter(is_it).map(|field| field.value)
    }

    /// Whether a field can have this value: no control character but a tab is in it.
    #[must_use]
    pub fn is_value(value: &[u8]) -> bool {
        syntax::value_len(value) == value.len()
    }

    /// Adds a line behind the others.
    pub fn append(&mut self, name: &[u8], value: &[u8]) {
        self.push(&Field { name, value, known: Known::of(name) });
    }

    /// Adds a line of a known field behind the others, with its name in the usual spelling.
    pub fn add(&mut self, known: Known, value: &[u8]) {
        self.push(&Field { name: known.name().as_bytes(), value, known: Some(known) });
    }

    /// Adds a line of a known field before the others.
    pub fn lead(&mut self, known: Known, value: &[u8]) {
        self.add(known, value);
        self.lines.rotate_right(1);
    }

    /// Adds a line as it came.
    pub fn push(&mut self, field: &Field<'_>) {
        let Field { name, value, known } = *field;
        debug_assert!(syntax::is_token(name), "{}", name.escape_ascii());
        debug_assert!(Self::is_value(value), "{}", value.escape_ascii());
        let start = self.text.len() as u32;
        self.text.reserve(name.len() + SEPARATOR.len() + value.len() + LINE_END.len());
        self.text.extend_from_slice(name);
        self.text.extend_from_slice(SEPARATOR);
        self.text.extend_from_slice(value);
        self.text.extend_from_slice(LINE_END);
        self.lines.push(Line { start, name: name.len() as u32, value: value.len() as u32, known });
        if let Some(known) = known {
            self.known.add(known);
        }
    }

    /// Puts one line behind the others in the place of all lines of a known field.
    pub fn replace(&mut self, known: Known, value: &[u8]) {
        self.remove(known);
        self.add(known, value);
    }

    /// Removes all lines of a known field.
    pub fn remove(&mut self, known: Known) {
        if self.has(known) {
            self.known.remove(known);
            self.lines.retain(|line| line.known != Some(known));
        }
    }

    /// Removes all lines of a field of any name, in any case.
    pub fn remove_named(&mut self, name: &[u8]) {
        self.retain(|field| !field.name.eq_ignore_ascii_case(name));
    }

    /// Removes the lines that are not to be kept.
    pub fn retain(&mut self, keeps: impl Fn(&Field<'_>) -> bool) {
        let text = &self.text;
        self.lines.retain(|line| keeps(&line.field(text)));
        self.known = self.lines.iter().filter_map(|line| line.known).collect();
    }

    /// Writes every line with its line end. Lines that are neighbours are copied together.
    pub fn write(&self, to: &mut BytesMut) {
        let mut run = 0..0;
        for line in &self.lines {
            if line.start as usize != run.end {
                to.put_slice(&self.text[run]);
                run = line.start as usize..line.end();
            }
            run.end = line.end();
        }
        to.put_slice(&self.text[run]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::with_room();
        for (name, value) in lines {
            fields.append(name.as_bytes(), value.as_bytes());
        }
        fields
    }

    fn written(fields: &Fields) -> String {
        let mut bytes = BytesMut::new();
        fields.write(&mut bytes);
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn lines_are_written_in_order_and_as_they_were_spelled() {
        let fields = fields(&[("hOST", "a"), ("X-One", ""), ("cookie", "a=1"), ("x-one", "2")]);
        assert_eq!(written(&fields), "hOST: a\r\nX-One: \r\ncookie: a=1\r\nx-one: 2\r\n");
        assert_eq!(written(&Fields::default()), "");
    }

    #[test]
    fn a_field_is_found_in_any_spelling() {
        let fields = fields(&[("hOST", "a"), ("cookie", "a=1"), ("COOKIE", "b=2"), ("x-one", "1")]);
        assert_eq!(fields.first(Known::Host), Some(&b"a"[..]));
        assert_eq!(fields.only(Known::Cookie), None);
        assert_eq!(fields.all(Known::Cookie).collect::<Vec<_>>(), [b"a=1", b"b=2"]);
        assert_eq!(fields.all(Known::Cookie).next_back(), Some(&b"b=2"[..]));
        assert!(!fields.has(Known::Date) && fields.first(Known::Date).is_none());
        assert_eq!(fields.named(b"X-One").collect::<Vec<_>>(), [b"1"]);
        assert_eq!(fields.named(b"Cookie").count(), 2);
    }

    #[test]
    fn a_line_takes_the_place_of_all_others_of_its_field() {
        let came = fields(&[("cookie", "a=1"), ("X-One", "1"), ("COOKIE", "b=2"), ("x-one", "2")]);
        let mut replaced = came.to_be_sent();
        replaced.replace(Known::Cookie, b"c=3");
        assert_eq!(written(&replaced), "X-One: 1\r\nx-one: 2\r\nCookie: c=3\r\n");
        replaced.remove_named(b"x-ONE");
        replaced.remove_named(b"Host");
        assert_eq!(written(&replaced), "Cookie: c=3\r\n");
        replaced.remove_named(b"COOKIE");
        assert!(!replaced.has(Known::Cookie));
        assert_eq!(written(&replaced), "");
        replaced.lead(Known::Host, b"a");
        assert_eq!(written(&replaced), "Host: a\r\n");
        assert_eq!(written(&came), "cookie: a=1\r\nX-One: 1\r\nCOOKIE: b=2\r\nx-one: 2\r\n");
    }

    #[test]
    fn a_line_can_be_put_before_all_others() {
        let mut fields = fields(&[("X-One", "1"), ("X-Two", "2")]);
        fields.lead(Known::Host, b"a");
        fields.add(Known::Expect, b"nothing");
        assert_eq!(written(&fields), "Host: a\r\nX-One: 1\r\nX-Two: 2\r\nExpect: nothing\r\n");
    }
}
