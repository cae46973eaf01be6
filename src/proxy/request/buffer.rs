//! A request's body, read before the request gets a backend.
//!
//! A body that comes slowly would hold a place on its backend for as long as the client likes; with
//! `request_buffer` the client holds no more than memory. What is read is kept by the client's session,
//! and sent at the beginning of each attempt.

use std::num::NonZeroUsize;

use http::StatusCode;
use pingora::http::ResponseHeader;
use pingora_core::Result;
use pingora_proxy::Session;

use super::super::context::Received;
use crate::http1::Known;

/// Reads the body until its end, or until this much of it has come. Returns whether that was all.
///
/// # Errors
///
/// When the client leaves, is too slow, or sends a body that is malformed.
pub(super) async fn fill(
    session: &mut Session,
    received: &mut Received,
    most: NonZeroUsize,
) -> Result<bool> {
    if session.is_body_done() {
        return Ok(true);
    }
    if received.link.facts().expects_continue {
        ask_for_body(session, received).await?;
    }
    received.link.will_read_ahead(most.get());
    let downstream = session.as_downstream_mut();
    downstream.enable_retry_buffering();
    while !downstream.is_body_done() && downstream.body_bytes_read() < most.get() {
        // The piece is in the session.
        downstream.read_request_body().await?;
    }
    Ok(downstream.is_body_done())
}

/// The backend cannot ask for a body that is read before it has the request, and need not.
async fn ask_for_body(session: &mut Session, received: &mut Received) -> Result<()> {
    let header = ResponseHeader::build(StatusCode::CONTINUE, Some(0))?;
    let sent = session.as_downstream_mut().write_response_header(Box::new(header)).await;
    sent.map_err(|error| error.into_down())?;
    received.link.asked_for_body();
    received.fields.remove(Known::Expect);
    Ok(())
}
