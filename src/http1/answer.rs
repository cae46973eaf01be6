//! The head of a backend's answer: how its body is delimited, and which fields go no further.
//!
//! The client's framing is made here and never copied from a backend, so what is doubtful must be
//! known before anything is passed on. Where the standard lets a proxy choose:
//!
//! - `Content-Length` beside `Transfer-Encoding: chunked` is dropped, as HAProxy does, and the
//!   connection to the backend is not used again; nginx calls the answer invalid.
//! - `Transfer-Encoding` in an answer of HTTP/1.0 counts, and ends the connection as well.
//! - Fields that `Connection` names go, unless the proxy itself asks about them: a list that removes
//!   `Set-Cookie` or `Content-Type` is a mistake of the backend.

use http::Version;

use crate::http1::rules::{
    Known, KnownFields,
    connection::{self, Connection},
    framing::{self, TransferEncoding},
    syntax,
};

/// An answer that must not be passed on, with the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidAnswer(pub &'static str);

/// An answer's first line, and the method that it answers.
#[derive(Debug, Clone, Copy)]
pub struct StatusLine<'a> {
    /// A number of three digits.
    pub status: u16,
    /// The version of the answer.
    pub version: Version,
    /// The method of the request.
    pub request_method: &'a [u8],
}

/// How the body of an answer is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerBody {
    /// No body, regardless of `Content-Length`: the answer to HEAD, 1xx, 204, 304.
    None,
    /// This number of bytes.
    Length(u64),
    /// Chunks.
    Chunked,
    /// It ends with the connection.
    UntilClose,
}

/// The verdict about an answer's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// How the body is delimited.
    pub body: AnswerBody,
    /// The value of `Content-Length` towards the client, if the answer has one. The answer to HEAD
    /// and a 304 have it without a body.
    pub content_length: Option<u64>,
    /// Whether the received `Content-Length` can stay as it is: exactly one, with this value in its
    /// ordinary spelling, or none if the answer has no length.
    pub is_length_as_received: bool,
    /// Whether the connection to the backend may carry another request, as far as this head goes.
    pub keeps_alive: bool,
    /// Whether `Connection` names fields that go no further: see [`connection::nominated`].
    pub nominates: bool,
    known: KnownFields,
}

impl Answer {
    /// Judges a head by its fields, in any order.
    ///
    /// # Errors
    /// The reason why the end of the body would be in doubt.
    pub fn judge<'a>(
        line: StatusLine<'_>,
        fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<Self, InvalidAnswer> {
        let known = fields.into_iter().filter_map(|(name, value)| Some((Known::of(name)?, value)));
        Self::of_known(line, known)
    }

    /// As [`Self::judge`], by the fields that the proxy knows.
    pub(super) fn of_known<'a>(
        line: StatusLine<'_>,
        fields: impl IntoIterator<Item = (Known, &'a [u8])>,
    ) -> Result<Self, InvalidAnswer> {
        let mut seen = Seen::default();
        for (known, value) in fields {
            seen.read(known, value);
        }
        let has_no_length = matches!(line.status, 100..=199 | 204);
        let has_no_chunks = has_no_length || line.status == 304;
        let coding = seen.transfer_encoding;
        let is_chunked = coding.is_there() && !has_no_chunks;
        if is_chunked && !coding.is_chunked() {
            let why = "its Transfer-Encoding is not one \"chunked\" and nothing else";
            return Err(InvalidAnswer(why));
        }
        let length = match seen.length {
            _ if has_no_length || is_chunked => None,
            Length::Invalid(why) => return Err(InvalidAnswer(why)),
            Length::Is(length) => Some(length),
            Length::None => None,
        };
        let body = match length {
            _ if has_no_chunks || line.request_method == b"HEAD" => AnswerBody::None,
            _ if is_chunked => AnswerBody::Chunked,
            Some(length) => AnswerBody::Length(length),
            None => AnswerBody::UntilClose,
        };
        let is_doubtful =
            coding.is_there() && (seen.length != Length::None || line.version == Version::HTTP_10);
        Ok(Self {
            body,
            content_length: length,
            is_length_as_received: match length {
                Some(_) => seen.is_length_plain,
                None => seen.length == Length::None,
            },
            keeps_alive: seen.connection.keeps_alive(line.version)
                && !is_doubtful
                && body != AnswerBody::UntilClose
                && line.status != 101,
            nominates: seen.connection.nominates,
            known: seen.known,
        })
    }

    /// The fields among those that were judged which belong to the connection to the backend.
    /// `Upgrade` has a meaning for the client in a 101 and a 426, `Trailer` if it is sent trailers:
    /// there the caller leaves them.
    pub fn hop_by_hop(&self) -> impl Iterator<Item = Known> {
        let known = self.known;
        connection::HOP_BY_HOP.into_iter().filter(move |field| known.has(*field))
    }
}

/// The length announced by the fields read so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Length {
    #[default]
    None,
    Is(u64),
    Invalid(&'static str),
}

#[derive(Debug, Default)]
struct Seen {
    length: Length,
    is_length_plain: bool,
    transfer_encoding: TransferEncoding,
    connection: Connection,
    known: KnownFields,
}

impl Seen {
    fn read(&mut self, known: Known, value: &[u8]) {
        match known {
            Known::ContentLength => self.read_length(value),
            Known::TransferEncoding => self.transfer_encoding.read(value),
            Known::Connection => self.connection.read(value),
            _ => {}
        }
        self.known.add(known);
    }

    /// A length that is repeated with the same number is one length (RFC 9110 section 8.6).
    fn read_length(&mut self, value: &[u8]) {
        let is_first = self.length == Length::None;
        self.is_length_plain = is_first && (value == b"0" || !value.starts_with(b"0"));
        for element in value.split(|byte| *byte == b',') {
            let number = framing::content_length(syntax::trim(element));
            self.length = match (self.length, number) {
                (Length::Invalid(why), _) => Length::Invalid(why),
                (_, None) => Length::Invalid("its Content-Length is not a number"),
                (Length::None, Some(number)) => Length::Is(number),
                (Length::Is(before), Some(number)) if before == number => Length::Is(number),
                (Length::Is(_), Some(_)) => Length::Invalid("it has two different Content-Length"),
            };
            self.is_length_plain &= element.len() == value.len();
        }
    }
}
