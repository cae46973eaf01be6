//! Answers of `lb` itself: short, in plain text, saying which error it is and how to find the
//! request in the log. Also adapts answers of backends to the client.

use bytes::Bytes;
use http::{StatusCode, header};
use pingora::http::ResponseHeader;
use pingora_core::{Result, protocols::http::HttpTask};
use pingora_proxy::Session;

use super::super::{client, context::RequestContext};

/// An answer of `lb` itself.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct Answer<'a> {
    pub(in super::super) status: u16,
    /// What happened, for the person who reads the body.
    pub(in super::super) why: &'a str,
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
    let id = context.id();
    let reason = StatusCode::from_u16(answer.status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or_default();
    let body = format!("{} {reason}: {} (request {id})\n", answer.status, answer.why);
    send_body(session, context, answer, body).await
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
    let mut header = ResponseHeader::build(answer.status, Some(6))?;
    header.insert_header(header::CONTENT_TYPE, "text/plain; charset=utf-8")?;
    header.insert_header(header::CONTENT_LENGTH, body.len())?;
    header.insert_header(header::CACHE_CONTROL, "no-store")?;
    header.insert_header(header::DATE, client::date())?;
    if let Some(received) = &context.received {
        header.insert_header("X-Request-Id", received.request_id.as_str())?;
        if context.in_flight.is_draining() {
            received.link.close_after_answer();
        }
    }
    set_strict_transport(&mut header, context)?;
    if let Some(location) = answer.location {
        header.insert_header(header::LOCATION, location)?;
    }
    if let Some(seconds) = answer.retry_after {
        header.insert_header(header::RETRY_AFTER, seconds)?;
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
    response: &mut ResponseHeader,
    context: &RequestContext,
) -> Result<()> {
    set_strict_transport(response, context)?;
    if !response.status.is_informational() && !response.headers.contains_key(header::DATE) {
        response.insert_header(header::DATE, client::date())?;
    }
    Ok(())
}

/// Says that browsers are to use TLS alone, where the listener says so and the answer does not
/// (RFC 6797). Without TLS a browser ignores it.
fn set_strict_transport(response: &mut ResponseHeader, context: &RequestContext) -> Result<()> {
    let Some(link) = context.received.as_ref().map(|received| &received.link) else {
        return Ok(());
    };
    let Some(tls) = &link.connection().settings.tls else { return Ok(()) };
    match &tls.strict_transport {
        Some(value) if !response.headers.contains_key(header::STRICT_TRANSPORT_SECURITY) => {
            response.insert_header(header::STRICT_TRANSPORT_SECURITY, value.clone())
        }
        _ => Ok(()),
    }
}
