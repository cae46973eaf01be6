//! The head of a backend's answer, as the hooks see it: without what belongs to the connection to the
//! backend.

use http::{StatusCode, Version};
use pingora_core::{Error, ErrorType, OrErr, Result};

use super::{super::answer_header::AnswerHeader, body::AnswerReader};
use crate::http1::{AnswerBody, AnswerHead, Fields, InvalidAnswer, Known, unfold};

/// What the request and its client say about the answer.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Expected {
    pub(super) is_head: bool,
    pub(super) wants_tunnel: bool,
    /// Whether the client is sent trailers.
    pub(super) passes_trailers: bool,
}

/// The head of an answer, and what follows from it.
pub(super) struct AnswerBegun {
    pub(super) header: Box<AnswerHeader>,
    /// The version of the answer.
    pub(super) version: Version,
    pub(super) body: AnswerReader,
    /// Whether the connection may carry another request when the answer is complete.
    pub(super) keeps_alive: bool,
}

/// Takes apart a head that is complete.
///
/// # Errors
///
/// When the answer must not be passed on.
pub(super) fn read(bytes: &mut [u8], is_folded: bool, expected: Expected) -> Result<AnswerBegun> {
    if is_folded {
        unfold(bytes);
    }
    let method: &[u8] = if expected.is_head { b"HEAD" } else { b"" };
    let head = AnswerHead::parse(bytes, method).map_err(invalid)?;
    let status = StatusCode::from_u16(head.status)
        .or_err(ErrorType::InvalidHTTPHeader, "a status has three digits")?;
    let is_chunked = head.verdict.body == AnswerBody::Chunked;
    let mut fields = Fields::with_room();
    head.forwarded(expected.passes_trailers && is_chunked).for_each(|field| fields.push(field));
    if let (Some(length), false) = (head.verdict.content_length, head.verdict.is_length_as_received)
    {
        fields.add(Known::ContentLength, length.to_string().as_bytes());
    }
    let body = match head.status {
        101 if expected.wants_tunnel => AnswerReader::Tunnel,
        _ => AnswerReader::of(head.verdict.body),
    };
    let header = Box::new(AnswerHeader::new(status, fields).with_reason(head.reason));
    let keeps_alive = head.verdict.keeps_alive;
    Ok(AnswerBegun { header, version: head.version, body, keeps_alive })
}

/// An answer that must not be passed on.
pub(super) fn invalid(InvalidAnswer(why): InvalidAnswer) -> Box<Error> {
    Error::explain(ErrorType::InvalidHTTPHeader, why).into_up()
}
