//! Requests of an authority that asks for the proof that a host is ours (RFC 8555 section 8.3).

use pingora_core::Result;
use pingora_proxy::Session;

use super::respond;
use crate::acme::CHALLENGE_PATH;
use crate::proxy::context::RequestContext;

/// Answers such a request. Returns whether it was one; a token that is not one of ours may be that of a
/// backend which orders by itself.
pub(super) async fn answer(session: &mut Session, context: &mut RequestContext) -> Result<bool> {
    let Some(received) = &context.received else { return Ok(false) };
    let Some(challenges) = &received.link.connection().settings.challenges else {
        return Ok(false);
    };
    let Some(token) = session.req_header().uri.path().strip_prefix(CHALLENGE_PATH) else {
        return Ok(false);
    };
    let Some(answer) = challenges.for_token(token).await else { return Ok(false) };
    respond::send_text(session, context, answer).await?;
    Ok(true)
}
