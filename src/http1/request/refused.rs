//! A request that is refused, and what could be read of it.

use http::Version;

use super::{
    head_end::MAX_HEAD_BYTES,
    line::{self, RequestLine},
};
use crate::http1::rules::{Authority, Known, Refusal, fields, syntax};

/// A request that is refused, with what could be read of it: a refused request has its line in the
/// access log too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused<'a> {
    /// The answer and its reason.
    pub refusal: Refusal,
    /// The method, if the line has one.
    pub method: Option<&'a [u8]>,
    /// The target as sent, up to the first byte that ends it. It may be malformed.
    pub target: Option<&'a [u8]>,
    /// The version, if it is one that is served.
    pub version: Option<Version>,
    /// The first `Host`, if it is a well-formed authority.
    pub host: Option<&'a [u8]>,
}

impl<'a> Refused<'a> {
    /// A refusal that is not the parser's, because the head is too large or did not end in time.
    /// `bytes` is the part of the head that was received.
    #[must_use]
    pub fn unfinished(bytes: &'a [u8], refusal: Refusal) -> Self {
        let mut line = RequestLine::default();
        // A fault in the line as well is of no interest; the parts that could be read are in
        // `line`.
        let _ = line::skip_empty_lines(bytes).and_then(|bytes| line::read(bytes, &mut line));
        Self::new(bytes, line, refusal)
    }

    /// A head that has grown beyond [`MAX_HEAD_BYTES`].
    #[must_use]
    pub fn too_large(bytes: &'a [u8]) -> Self {
        let mut line = RequestLine::default();
        let refusal = too_large(bytes, &mut line);
        Self::new(bytes, line, refusal)
    }

    pub(super) fn new(bytes: &'a [u8], line: RequestLine<'a>, refusal: Refusal) -> Self {
        let is_there = |part: &&[u8]| !part.is_empty();
        Self {
            refusal,
            method: Some(line.method).filter(is_there),
            target: Some(line.target).filter(is_there),
            version: line.version,
            host: first_host(bytes),
        }
    }
}

/// Why a head of more than [`MAX_HEAD_BYTES`] is refused: for its line, if that is malformed or too
/// long, or for its size. Only the first [`MAX_HEAD_BYTES`] are looked at, so that the verdict does
/// not depend on where a read ended.
pub(super) fn too_large<'a>(bytes: &'a [u8], line: &mut RequestLine<'a>) -> Refusal {
    let bytes = &bytes[..bytes.len().min(MAX_HEAD_BYTES)];
    let bytes = match line::skip_empty_lines(bytes) {
        Ok(bytes) => bytes,
        Err(refusal) => return refusal,
    };
    let read = line::read(bytes, line);
    let has_ended = syntax::line_feed(bytes).is_some();
    match read {
        Err(_) if !has_ended && !line.target.is_empty() => {
            Refusal { status: 414, why: "the request target is longer than 64 KiB" }
        }
        Err(refusal) => refusal,
        Ok(_) => Refusal { status: 431, why: "the head of the request is larger than 64 KiB" },
    }
}

/// The first `Host` among lines of which some are malformed.
fn first_host(bytes: &[u8]) -> Option<&[u8]> {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let field = lines.find_map(|line| match fields::field_line(line) {
        Ok((Some(field), _)) if field.known == Some(Known::Host) => Some(field),
        _ => None,
    })?;
    Authority::parse(field.value).map(|_| field.value)
}
