//! The head of a backend's answer: found in a buffer that grows with every read, and taken apart.
//!
//! Two things are repaired that a proxy has to repair in an answer: blanks between a name and its
//! colon go, and a value that is folded over several lines becomes one line (RFC 9112 sections 5.1 and
//! 5.2).

use http::Version;

use super::{
    answer::{Answer, InvalidAnswer, StatusLine},
    rules::{Field, Known, connection, syntax},
};

/// The most bytes of an answer's head.
const MAX_BYTES: usize = 1024 * 1024;
/// The most fields of an answer's head.
const MAX_FIELDS: usize = 256;
/// What an ordinary answer has; more makes one more allocation.
const ORDINARY_FIELDS: usize = 16;
/// What every answer that is understood begins with.
const START: &[u8] = b"HTTP/1.";

const MALFORMED: InvalidAnswer = InvalidAnswer("its header is malformed");

/// Finds the end of a head. It remembers how far it has looked, so that the cost of a head grows
/// with its bytes and not with the number of reads that they come in.
#[derive(Debug, Clone, Default)]
pub struct AnswerEnd {
    looked_at: usize,
    line_start: usize,
    /// The lines that have ended, without empty ones before the first.
    lines: usize,
    is_folded: bool,
}

impl AnswerEnd {
    /// The length of the head at the start of `bytes`, blank line included, when it is there.
    /// `bytes` begins where the head does, and has what it had at the call before.
    ///
    /// # Errors
    /// When what has come cannot become a head.
    pub fn find(&mut self, bytes: &[u8]) -> Result<Option<usize>, InvalidAnswer> {
        while let Some(ahead) = bytes.get(self.looked_at..).and_then(syntax::line_feed) {
            let line_feed = self.looked_at + ahead;
            let line = &bytes[self.line_start..line_feed];
            self.looked_at = line_feed + 1;
            self.line_start = line_feed + 1;
            match line {
                [] | [b'\r'] if self.lines == 0 => continue,
                [] | [b'\r'] => return Ok(Some(line_feed + 1)),
                _ if self.lines == 0 => may_begin(line)?,
                // RFC 9112 section 2.2: there is no field yet that it could continue.
                [b' ' | b'\t', ..] if self.lines == 1 => return Err(MALFORMED),
                [b' ' | b'\t', ..] => self.is_folded = true,
                _ => {}
            }
            self.lines += 1;
        }
        self.looked_at = bytes.len();
        if self.lines == 0
            && let [first, ..] = &bytes[self.line_start..]
            && *first != b'\r'
        {
            may_begin(&bytes[self.line_start..])?;
        }
        if bytes.len() > MAX_BYTES {
            return Err(InvalidAnswer("its header is larger than 1 MiB"));
        }
        Ok(None)
    }

    /// Whether the head that was found has values that [`unfold`] has to put on one line.
    #[must_use]
    pub fn is_folded(&self) -> bool {
        self.is_folded
    }
}

fn may_begin(line: &[u8]) -> Result<(), InvalidAnswer> {
    let compared = line.len().min(START.len());
    if line[..compared] == START[..compared] { Ok(()) } else { Err(MALFORMED) }
}

/// Puts every folded value of a head on one line, with blanks in the place of the line ends.
pub fn unfold(head: &mut [u8]) {
    for at in 1..head.len().saturating_sub(1) {
        if head[at] == b'\n' && matches!(head[at + 1], b' ' | b'\t') {
            head[at] = b' ';
            if head[at - 1] == b'\r' {
                head[at - 1] = b' ';
            }
        }
    }
}

/// A head in which nothing is doubtful.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerHead<'a> {
    /// A number from 100 to 999.
    pub status: u16,
    /// 1.0 or 1.1.
    pub version: Version,
    /// The phrase behind the status, which may be empty.
    pub reason: &'a [u8],
    /// Every field in the order of its line.
    pub fields: Vec<Field<'a>>,
    /// What follows from the fields.
    pub verdict: Answer,
}

impl<'a> AnswerHead<'a> {
    /// Reads a head that is complete: `bytes` are what [`AnswerEnd`] has found, unfolded. They may
    /// begin with empty lines.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(bytes: &'a [u8], request_method: &[u8]) -> Result<Self, InvalidAnswer> {
        let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'));
        let (line, mut rest) = line(&bytes[start.ok_or(MALFORMED)?..])?;
        let (status, version, reason) = status_line(line)?;
        let mut fields = Vec::with_capacity(ORDINARY_FIELDS);
        while let (Some(field), behind) = field(rest)? {
            if fields.len() == MAX_FIELDS {
                return Err(InvalidAnswer("its header has more than 256 fields"));
            }
            fields.push(field);
            rest = behind;
        }
        let known = fields.iter().filter_map(|field| Some((field.known?, field.value)));
        let verdict = Answer::of_known(StatusLine { status, version, request_method }, known)?;
        let head = Self { status, version, reason, fields, verdict };
        // Each field is compared with each of the names.
        if head.nominated().nth(MAX_FIELDS).is_some() {
            return Err(InvalidAnswer("its Connection names more than 256 fields"));
        }
        Ok(head)
    }

    /// The fields that go on to the client: all but those of the connection to the backend, and
    /// `Content-Length` if it has to be written anew. A 101 keeps what belongs to its connection,
    /// because client and backend share it from then on; `Trailer` stays if trailers are passed on.
    pub fn forwarded(&self, passes_trailers: bool) -> impl Iterator<Item = &Field<'a>> {
        let status = self.status;
        let is_plain = self.verdict.is_length_as_received;
        // A long line that names little is not read again for each field.
        let nominated: Vec<_> = self.nominated().collect();
        self.fields.iter().filter(move |field| match field.known {
            _ if status == 101 => true,
            Some(Known::Upgrade) => status == 426,
            Some(Known::Trailer) => passes_trailers,
            Some(Known::ContentLength) => is_plain,
            Some(known) => !connection::is_hop_by_hop(known),
            None => !nominated.iter().any(|name| name.eq_ignore_ascii_case(field.name)),
        })
    }

    /// The names in `Connection`, of fields that go no further than this connection.
    fn nominated(&self) -> impl Iterator<Item = &'a [u8]> {
        let fields = if self.verdict.nominates { &self.fields[..] } else { &[] };
        let lines = fields.iter().filter(|field| field.known == Some(Known::Connection));
        lines.flat_map(|field| connection::nominated(field.value))
    }
}

/// The first line without its end, and what is behind that.
fn line(bytes: &[u8]) -> Result<(&[u8], &[u8]), InvalidAnswer> {
    let end = syntax::line_feed(bytes).ok_or(MALFORMED)?;
    let line = &bytes[..end];
    Ok((line.strip_suffix(b"\r").unwrap_or(line), &bytes[end + 1..]))
}

fn status_line(line: &[u8]) -> Result<(u16, Version, &[u8]), InvalidAnswer> {
    let (version, rest) = match line.strip_prefix(START).ok_or(MALFORMED)? {
        [b'1', b' ', rest @ ..] => (Version::HTTP_11, rest),
        [b'0', b' ', rest @ ..] => (Version::HTTP_10, rest),
        _ => return Err(MALFORMED),
    };
    let (digits, reason) = rest.split_at_checked(3).ok_or(MALFORMED)?;
    let reason = match reason {
        [] => reason,
        [b' ', reason @ ..] => reason,
        _ => return Err(MALFORMED),
    };
    let mut status = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err(MALFORMED);
        }
        status = status * 10 + u16::from(digit - b'0');
    }
    if status < 100 || syntax::value_len(reason) < reason.len() {
        return Err(MALFORMED);
    }
    Ok((status, version, reason))
}

/// The field at the start, or nothing for the empty line, and what is behind it.
fn field(bytes: &[u8]) -> Result<(Option<Field<'_>>, &[u8]), InvalidAnswer> {
    let (name, rest) = bytes.split_at(syntax::token_len(bytes));
    let mut rest = rest;
    if name.is_empty() {
        return match rest {
            [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => Ok((None, rest)),
            _ => Err(MALFORMED),
        };
    }
    while let [b' ' | b'\t', behind @ ..] = rest {
        rest = behind;
    }
    let [b':', rest @ ..] = rest else { return Err(MALFORMED) };
    let (value, rest) = rest.split_at(syntax::value_len(rest));
    let field = Field { name, value: syntax::trim(value), known: Known::of(name) };
    match rest {
        [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => Ok((Some(field), rest)),
        _ => Err(MALFORMED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The length of a head, and whether it is folded.
    fn found(bytes: &[u8]) -> Result<Option<(usize, bool)>, InvalidAnswer> {
        let mut end = AnswerEnd::default();
        Ok(end.find(bytes)?.map(|length| (length, end.is_folded())))
    }

    #[test]
    fn a_folded_value_becomes_one_line() {
        let mut head = b"\r\nHTTP/1.1 200 OK\r\nX-A: 1\r\n 2\n\t3\r\nX-B:4\r\n\r\n".to_vec();
        assert_eq!(found(&head), Ok(Some((head.len(), true))));
        unfold(&mut head);
        assert_eq!(found(&head), Ok(Some((head.len(), false))));
        let head = AnswerHead::parse(&head, b"GET").unwrap();
        let fields: Vec<_> = head.fields.iter().map(|field| (field.name, field.value)).collect();
        assert_eq!(fields, [(&b"X-A"[..], &b"1   2 \t3"[..]), (b"X-B", b"4")]);
    }

    #[test]
    fn the_status_line_cannot_be_folded() {
        for blank in [" ", "\t"] {
            for behind in ["x", "Content-Length: 5", ""] {
                let head = format!("HTTP/1.1 200 OK\r\n{blank}{behind}\r\nX-A: 1\r\n\r\n");
                assert_eq!(found(head.as_bytes()), Err(MALFORMED), "{head:?}");
            }
        }
    }

    #[test]
    fn no_more_than_256_fields_can_be_nominated() {
        let head = |names: usize| {
            let names = vec!["x"; names].join(",");
            format!("HTTP/1.1 200 OK\r\nConnection: close,{names}\r\nX: y\r\nY: z\r\n\r\n")
        };
        let most = head(MAX_FIELDS);
        let most = AnswerHead::parse(most.as_bytes(), b"GET").unwrap();
        let forwarded: Vec<_> = most.forwarded(false).map(|field| field.name).collect();
        assert_eq!(forwarded, [b"Y"]);
        assert!(AnswerHead::parse(head(MAX_FIELDS + 1).as_bytes(), b"GET").is_err());
    }
}
