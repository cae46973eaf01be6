//! Our own answers: short, in plain text, saying which error it is and how to find the request
//! in the log.

use bytes::Bytes;
use http::{StatusCode, Version, header};
use pingora::http::ResponseHeader;
use pingora_core::Result;
use pingora_proxy::Session;

use super::context::RequestContext;

/// An answer of our own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    /// What happened, for the person who reads the body.
    pub(super) why: &'a str,
    /// Seconds after which to try again.
    pub(super) retry_after: Option<u64>,
}

/// Sends an answer and notes its status for the log.
pub(super) async fn send(
    session: &mut Session,
    context: &mut RequestContext,
    answer: Answer<'_>,
) -> Result<()> {
    context.status = answer.status;
    let id = context.request_id.as_ref().map_or("-", |id| id.as_str());
    let reason = StatusCode::from_u16(answer.status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or_default();
    let body = format!("{} {reason}: {} (request {id})\n", answer.status, answer.why);

    let mut header = ResponseHeader::build(answer.status, Some(6))?;
    header.insert_header(header::CONTENT_TYPE, "text/plain; charset=utf-8")?;
    header.insert_header(header::CONTENT_LENGTH, body.len())?;
    header.insert_header(header::CACHE_CONTROL, "no-store")?;
    if let Some(id) = &context.request_id {
        header.insert_header("X-Request-Id", id.as_str())?;
    }
    if let Some(seconds) = answer.retry_after {
        header.insert_header(header::RETRY_AFTER, seconds)?;
    }
    if context.in_flight.is_draining() {
        session.set_keepalive(None);
    }
    let has_body = session.req_header().method != http::Method::HEAD;
    // Pingora does not say whose fault a failed write is; it is the client's.
    let header = session.write_response_header(Box::new(header), !has_body).await;
    header.map_err(|error| error.into_down())?;
    if has_body {
        let body = session.write_response_body(Some(Bytes::from(body)), true).await;
        body.map_err(|error| error.into_down())?;
    }
    Ok(())
}

/// Makes a backend's answer one that this client understands.
///
/// A client of HTTP/1.0 does not know chunks (RFC 9112 section 6.1), but Pingora speaks HTTP/1.1 to
/// every backend and passes on what comes back; so there the end of the body is the end of the
/// connection.
pub(super) fn suit_client(session: &mut Session, response: &mut ResponseHeader) {
    if session.req_header().version == Version::HTTP_10
        && response.remove_header(&header::TRANSFER_ENCODING).is_some()
    {
        session.set_keepalive(None);
    }
}
