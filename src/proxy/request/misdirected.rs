//! Requests for a host whose clients must show another certificate than their connection's.
//!
//! A client names a host in the handshake, and another one in a request if it likes. What it had to show
//! depends on the first, and what it reaches on the second.

use pingora_core::Result;
use pingora_proxy::Session;

use super::respond::{self, Answer};
use crate::http1::Known;
use crate::proxy::context::RequestContext;

/// RFC 9110 section 15.5.20: a client may repeat the request on another connection.
const MISDIRECTED_REQUEST: u16 = 421;

/// Whether the request's host is under another rule than its connection.
pub(super) fn is_due(context: &RequestContext) -> bool {
    let Some(received) = &context.received else { return false };
    let connection = received.link.connection();
    let facts = connection.facts.as_ref().and_then(|facts| facts.tls.as_ref());
    let (Some(facts), Some(tls)) = (facts, &connection.settings.tls) else { return false };
    let host = received.fields.first(Known::Host);
    tls.policy(host.and_then(|host| str::from_utf8(host).ok())) != facts.policy
}

/// Sends the refusal.
pub(super) async fn send(session: &mut Session, context: &mut RequestContext) -> Result<()> {
    let why = "this host needs a connection of its own";
    context.refusal = Some(why);
    let answer = Answer { status: MISDIRECTED_REQUEST, why, ..Answer::default() };
    respond::send(session, context, answer).await
}
