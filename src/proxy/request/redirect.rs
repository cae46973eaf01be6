//! Redirects from a listener without TLS to the same host and path over TLS.

use pingora_core::Result;
use pingora_proxy::Session;

use super::respond::{self, Answer};
use crate::config::HTTPS_PORT;
use crate::http1::Known;
use crate::proxy::context::RequestContext;

/// Keeps the method and the body (RFC 9110 section 15.4.9).
const PERMANENT_REDIRECT: u16 = 308;

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
    let Some(host) = host.map(without_port).filter(|host| !host.is_empty()) else {
        let why = "there is no Host to redirect to";
        context.refusal = Some(why);
        return respond::send(session, context, Answer { status: 400, why, ..Answer::default() })
            .await;
    };
    let path = session.req_header().uri.path_and_query().map_or("/", |path| path.as_str());
    let port = context.received.as_ref().and_then(|received| {
        let port = received.link.connection().settings.redirect_to_https?;
        (port != HTTPS_PORT).then(|| format!(":{port}"))
    });
    let location = format!("https://{host}{}{path}", port.unwrap_or_default());
    let why = "this is served over TLS";
    let location = Some(location.as_str());
    let answer = Answer { status: PERMANENT_REDIRECT, why, location, ..Answer::default() };
    respond::send(session, context, answer).await
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::without_port;

    #[test]
    fn a_port_is_left_out_and_an_ipv6_address_is_not_cut() {
        for (host, expected) in [
            ("a.example", "a.example"),
            ("a.example:8080", "a.example"),
            ("a.example:", "a.example"),
            ("[2001:db8::1]", "[2001:db8::1]"),
            ("[2001:db8::1]:80", "[2001:db8::1]"),
        ] {
            assert_eq!(without_port(host), expected);
        }
    }
}
