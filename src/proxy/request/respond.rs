//! Answers of `lb` itself: short, in plain text, saying which error it is and how to find the
//! request in the log. Also adapts answers of backends to the client.

use bytes::Bytes;
use http::StatusCode;
use pingora::http::ResponseHeader;
use pingora_core::{Result, protocols::http::HttpTask};
use pingora_proxy::Session;

use super::super::{
    answer_header::AnswerHeader,
    client::{self, ClientLink},
    context::RequestContext,
};
use crate::count::Protocol;
use crate::http1::{Fields, Known};

/// An answer of `lb` itself.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct Answer<'a> {
    pub(in super::super) status: u16,
    /// What happened, for the person who reads the body.
    pub(in super::super) why: &'a str,
    /// The body in place of a line with the reason: HTML if it begins with `<`, else plain text.
    pub(in super::super) page: Option<&'a str>,
    /// Seconds after which the client may try again.
    pub(in super::super) retry_after: Option<u64>,
    /// Where the client finds what it asked for.
    pub(in super::super) location: Option<&'a str>,
}

/// Sends an answer and notes its status for the log.
pub(in super::super) async fn send(
    session: &mut Session,
    context: &mut RequestContext,
    answer: Answer<'_>,
) -> Result<()> {
    context.status = Some(answer.status);
    let body = answer.page.map_or_else(|| line(answer, context.id()), str::to_owned);
    send_body(session, context, answer, body).await
}

/// One line that says which error it is, and how to find the request in the log.
fn line(answer: Answer<'_>, id: &str) -> String {
    let reason = StatusCode::from_u16(answer.status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or_default();
    format!("{} {reason}: {} (request {id})\n", answer.status, answer.why)
}

/// Sends a text as it is.
pub(in super::super) async fn send_text(
    session: &mut Session,
    context: &mut RequestContext,
    text: String,
) -> Result<()> {
    let answer = Answer { status: 200, ..Answer::default() };
    context.status = Some(answer.status);
    send_body(session, context, answer, text).await
}

async fn send_body(
    session: &mut Session,
    context: &mut RequestContext,
    answer: Answer<'_>,
    body: String,
) -> Result<()> {
    let mut fields = Fields::with_room();
    let is_html = answer.page.is_some_and(|page| page.trim_start().starts_with('<'));
    let kind = if is_html { "text/html; charset=utf-8" } else { "text/plain; charset=utf-8" };
    fields.add(Known::ContentType, kind.as_bytes());
    fields.add(Known::ContentLength, body.len().to_string().as_bytes());
    fields.add(Known::CacheControl, b"no-store");
    fields.add(Known::Date, client::date().as_bytes());
    if let Some(received) = &context.received {
        fields.add(Known::XRequestId, received.request_id.as_str().as_bytes());
        set_strict_transport(&mut fields, &received.link);
        set_alt_svc(&mut fields, &received.link, context.in_flight.is_draining());
        if context.in_flight.is_draining() {
            received.link.close_after_answer();
        }
    }
    if let Some(location) = answer.location {
        fields.append(b"Location", location.as_bytes());
    }
    if let Some(seconds) = answer.retry_after {
        fields.add(Known::RetryAfter, seconds.to_string().as_bytes());
    }
    context.logged_answer = context.copy_for_log(&fields);
    let header = ResponseHeader::build_no_case(answer.status, Some(0))?;
    if let Some(link) = ClientLink::of(session) {
        let header = AnswerHeader::new(header.status, fields);
        link.transit().answer_instead(Box::new(header));
    }
    let has_body = session.req_header().method != http::Method::HEAD;
    let mut tasks = vec![HttpTask::Header(Box::new(header), !has_body)];
    if has_body {
        tasks.push(HttpTask::Body(Some(Bytes::from(body)), true));
    }
    // Pingora leaves the source of a failed write open; it is the client.
    let sent = session.write_response_tasks(tasks).await;
    sent.map(|_| ()).map_err(|error| error.into_down())
}

/// Adapts a backend's answer to the client.
pub(in super::super) fn suit_client(
    header: &mut AnswerHeader,
    link: &ClientLink,
    is_draining: bool,
) {
    set_strict_transport(&mut header.fields, link);
    set_alt_svc(&mut header.fields, link, is_draining);
    if !header.status.is_informational() && !header.fields.has(Known::Date) {
        header.fields.add(Known::Date, client::date().as_bytes());
    }
}

/// Says that browsers are to use TLS alone, where the listener says so and the answer does not
/// (RFC 6797). Without TLS a browser ignores it.
fn set_strict_transport(fields: &mut Fields, link: &ClientLink) {
    if let Some(tls) = &link.connection().settings.tls
        && let Some(value) = &tls.strict_transport
        && !fields.has(Known::StrictTransportSecurity)
    {
        fields.add(Known::StrictTransportSecurity, value.as_bytes());
    }
}

/// Says that clients may speak HTTP/3, where they may and are heard, and where the answer says nothing of the kind itself.
/// Clients that do so already know it, and a process that ends takes no new ones.
fn set_alt_svc(fields: &mut Fields, link: &ClientLink, is_draining: bool) {
    if let Some(value) = &link.connection().settings.alt_svc
        && !is_draining
        && link.counts().serves_http3()
        && link.facts().protocol != Protocol::Http3
        && fields.named(b"alt-svc").next().is_none()
    {
        fields.append(b"Alt-Svc", value.as_bytes());
    }
}
