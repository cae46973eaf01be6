//! The head of a backend's answer, as Pingora and the hooks see it: without what belongs to the
//! connection to the backend.

use bytes::BytesMut;
use http::header;
use pingora::http::{ResponseHeader, header_value_from_raw};
use pingora_core::{Error, ErrorType, Result};

use super::{super::reason, body::AnswerReader};
use crate::http1::{AnswerBody, AnswerHead, InvalidAnswer, unfold};

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
    pub(super) header: Box<ResponseHeader>,
    pub(super) body: AnswerReader,
    /// Whether the connection may carry another request when the answer is complete.
    pub(super) keeps_alive: bool,
}

/// Takes apart a head that is complete.
///
/// # Errors
///
/// When the answer must not be passed on.
pub(super) fn read(
    mut bytes: BytesMut,
    is_folded: bool,
    expected: Expected,
) -> Result<AnswerBegun> {
    if is_folded {
        unfold(&mut bytes);
    }
    let bytes = bytes.freeze();
    let method: &[u8] = if expected.is_head { b"HEAD" } else { b"" };
    let head = AnswerHead::parse(&bytes, method).map_err(invalid)?;
    let mut header = Box::new(ResponseHeader::build(head.status, Some(head.fields.len() + 2))?);
    header.set_version(head.version);
    reason::set(&mut header, head.reason)?;
    let is_chunked = head.verdict.body == AnswerBody::Chunked;
    for field in head.forwarded(expected.passes_trailers && is_chunked) {
        let value = header_value_from_raw(bytes.slice_ref(field.value));
        header.append_header(bytes.slice_ref(field.name), value)?;
    }
    if let (Some(length), false) = (head.verdict.content_length, head.verdict.is_length_as_received)
    {
        header.append_header(header::CONTENT_LENGTH, length)?;
    }
    let body = match head.status {
        101 if expected.wants_tunnel => AnswerReader::Tunnel,
        _ => AnswerReader::of(head.verdict.body),
    };
    Ok(AnswerBegun { header, body, keeps_alive: head.verdict.keeps_alive })
}

/// An answer that must not be passed on.
pub(super) fn invalid(InvalidAnswer(why): InvalidAnswer) -> Box<Error> {
    Error::explain(ErrorType::InvalidHTTPHeader, why).into_up()
}
