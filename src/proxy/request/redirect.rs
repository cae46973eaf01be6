//! Redirects from a listener without TLS to the same host and path over TLS.

use pingora_core::Result;
use pingora_proxy::Session;

use super::respond::{self, Answer};
use crate::generation::{REDIRECT_STATUS, redirect_location};
use crate::http1::Known;
use crate::proxy::context::RequestContext;

/// Whether the listener redirects, and the client has not reached it over TLS: by way of a proxy that
/// is trusted and says so, a redirect would lead to itself.
pub(super) fn is_due(context: &RequestContext) -> bool {
    let Some(received) = &context.received else { return false };
    let was_tls = || {
        let said = received.fields.first(Known::XForwardedProto);
        received.client.is_trusted() && said.is_some_and(|it| it.eq_ignore_ascii_case(b"https"))
    };
    let redirects = received.link.connection().settings.redirect_to_https;
    redirects.is_some() && !received.link.is_tls() && !was_tls()
}

/// Sends the redirect, or that there is no host to redirect to.
pub(super) async fn send(session: &mut Session, context: &mut RequestContext) -> Result<()> {
    let host = context.received.as_ref().and_then(|received| received.fields.first(Known::Host));
    let host = host.and_then(|host| str::from_utf8(host).ok());
    let path = session.req_header().uri.path_and_query().map_or("/", |path| path.as_str());
    let port = context
        .received
        .as_ref()
        .and_then(|received| received.link.connection().settings.redirect_to_https);
    let location = port.zip(host).and_then(|(port, host)| redirect_location(host, port, path));
    let Some(location) = location else {
        let why = "there is no Host to redirect to";
        context.refusal = Some(why);
        return respond::send(session, context, Answer { status: 400, why, ..Answer::default() })
            .await;
    };
    let why = "this is served over TLS";
    let location = Some(location.as_str());
    let answer = Answer { status: REDIRECT_STATUS, why, location, ..Answer::default() };
    respond::send(session, context, answer).await
}
