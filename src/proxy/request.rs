//! A request as a whole: let in or refused, given a pool and its headers, and answered by us when
//! no backend could.

use std::{sync::Arc, time::Instant};

use http::header;
use pingora::http::RequestHeader;
use pingora_core::{Error, ErrorSource, ErrorType, Result};
use pingora_proxy::Session;

use super::{
    attempt,
    client_stream::ClientStream,
    context::{self, RequestContext},
    failure,
    respond::{self, Answer},
    strict::{self, Refusal},
    tunnel,
};
use crate::clock;
use crate::config::{RetryMethods, Traceparent};
use crate::headers::{self, Client, RequestId, TraceContext};
use crate::pool::Unavailable;

/// Logged for a client that left before an answer; nginx's number for it.
const CLIENT_CLOSED_REQUEST: u16 = 499;
/// Says that executing the request twice does no harm, whatever its method
/// (draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The header is there: sets the connection up for this request, and refuses a header that is in
/// doubt.
pub(super) fn begin(session: &mut Session, context: &mut RequestContext) -> Result<()> {
    let raw = session.as_http1().map(|session| session.get_headers_raw_bytes());
    let raw = raw.as_deref().unwrap_or_default();
    let client = ClientStream::of(session);
    let is_in_doubt = client.is_some_and(ClientStream::is_request_line_in_doubt);
    context.body = body(session.req_header());
    if let Some(client) = client {
        client.request_began(bytes(session.req_header(), raw, context.body));
    }
    // Off, a client that pipelines has its requests cut off.
    session.set_pipelining_enabled(true);
    let headers = &session.req_header().headers;
    context.request_id = Some(RequestId::of(headers));
    context.trace = TraceContext::of(headers);
    if context.trace.is_none() && context.generation.traceparent == Traceparent::Start {
        context.trace = Some(TraceContext::start());
    }
    let peer = session.client_addr().and_then(|address| address.as_inet());
    context.client =
        peer.map(|peer| Client::identify(peer.ip(), headers, &context.generation.trusted));
    let checked = if is_in_doubt {
        Err(Refusal { status: 400, why: "a control character in the request line" })
    } else {
        strict::check(session.req_header(), raw)
    };
    checked.map_err(|Refusal { status, why }| {
        Error::explain(ErrorType::HTTPStatus(status), why).into_down()
    })
}

/// Finds the pool and claims the first backend. Returns whether the request was answered instead.
pub(super) async fn route(session: &mut Session, context: &mut RequestContext) -> Result<bool> {
    let request = session.req_header();
    let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let Some(pool) = context.generation.route(host, request.uri.path()).cloned() else {
        let why = "no route for this host and path";
        context.refusal = Some(why);
        respond::send(session, context, Answer { status: 404, why, retry_after: None }).await?;
        return Ok(true);
    };
    context.repeatable = is_repeatable(request, pool.retry().methods);
    if !tunnel::is_asked_for(request) {
        context.deadline = Some(context.started + pool.timeouts().request);
    }
    pool.budget().note_request(context.started);
    context.pool = Some(Arc::clone(&pool));
    let claimed = match pool.pick(&context.pick_request(), context.started) {
        Err(Unavailable::Full) => attempt::wait_in_queue(session, context).await?,
        picked => picked,
    };
    let turned = match claimed {
        Ok(lease) => {
            context.next = Some(lease);
            return Ok(false);
        }
        Err(turned) => turned,
    };
    let why = match turned {
        Unavailable::NoneEligible => "no backend can take this request now",
        Unavailable::Full => "every backend is full, and so is the queue",
        Unavailable::QueueTimeout => "every backend is full, and none had a place in time",
    };
    context.refusal = Some(why);
    context.found_nobody(clock::now());
    let retry_after = Some(pool.retry_after(turned));
    respond::send(session, context, Answer { status: 503, why, retry_after }).await?;
    Ok(true)
}

/// Whether executing a request twice does no harm.
fn is_repeatable(request: &RequestHeader, methods: RetryMethods) -> bool {
    methods == RetryMethods::All
        || request.method.is_idempotent()
        || request.headers.contains_key(IDEMPOTENCY_KEY)
}

/// Bytes of the body, where that is known.
fn body(request: &RequestHeader) -> Option<u64> {
    if request.headers.contains_key(header::TRANSFER_ENCODING) {
        return None;
    }
    let Some(length) = request.headers.get(header::CONTENT_LENGTH) else { return Some(0) };
    length.to_str().ok()?.parse().ok()
}

/// Bytes of the request that came, where that is known. Of what Pingora has escaped in a target
/// only the escaped form is left; a control character is refused anyway, so it was a blank.
fn bytes(request: &RequestHeader, raw: &[u8], body: Option<u64>) -> Option<u64> {
    let may_be_escaped = request.raw_path().windows(3).any(|escape| escape == b"%20");
    body.filter(|_| !may_be_escaped)?.checked_add(raw.len() as u64)
}

/// The header that goes to the backend.
///
/// The backend is spoken to in HTTP/1.1, which needs a Host. A client of HTTP/1.0 need not have
/// sent one; the backend's own address stands in for it, as in nginx.
pub(super) fn set_headers(
    upstream_request: &mut RequestHeader,
    context: &RequestContext,
) -> Result<()> {
    if let (Some(client), Some(id)) = (&context.client, &context.request_id) {
        headers::apply(upstream_request, client, id, false)?;
    }
    if let Some(trace) = &context.trace {
        trace.apply(upstream_request)?;
    }
    if let Some(lease) = &context.lease
        && !upstream_request.headers.contains_key(header::HOST)
    {
        upstream_request.insert_header("Host", lease.backend().id().address.to_string())?;
    }
    Ok(())
}

/// A part of the request is on its way to the backend. Once that was the last one, the backend
/// owes an answer.
pub(super) fn sent(session: &Session, context: &mut RequestContext, is_last: bool, now: Instant) {
    let Some(client) = ClientStream::of(session) else { return };
    if session.was_upgraded() {
        return;
    }
    if !is_last {
        client.client_goes_on();
        return;
    }
    client.request_is_whole();
    context.attempt.sent = Some(now);
    if let Some(connected) = context.attempt.connected {
        context.prolong(now.saturating_duration_since(connected));
    }
    if context.attempt.answer == context::Answer::None && !failure::has_answered(session) {
        attempt::expect_answer(session, context, now);
    }
}

/// The request ends in an error. Answers it where that is still possible; returns the status, 0
/// for none.
pub(super) async fn fail(
    session: &mut Session,
    error: &Error,
    context: &mut RequestContext,
) -> u16 {
    // Pingora closes the connection after an error, whatever the answer says; so say it.
    session.set_keepalive(None);
    if failure::has_answered(session) {
        return 0;
    }
    let text;
    let (status, why) = match (error.etype(), context.failure) {
        (ErrorType::HTTPStatus(status), _) => {
            text = error.context.as_ref().map(|context| context.as_str().to_owned());
            (*status, text.as_deref().unwrap_or("the request was refused"))
        }
        _ if *error.esource() == ErrorSource::Downstream => match error.etype() {
            ErrorType::ReadError | ErrorType::WriteError | ErrorType::ConnectionClosed => {
                context.status = CLIENT_CLOSED_REQUEST;
                return 0;
            }
            ErrorType::ReadTimedout => (408, "the request did not come in time"),
            _ => (400, "the request is malformed"),
        },
        (_, Some(failure)) => {
            text = Some(failure.to_string());
            (failure.gateway_status(), text.as_deref().unwrap_or_default())
        }
        (_, None) => {
            let id = context.request_id.as_ref().map_or("-", RequestId::as_str);
            log::error!(request_id = id, error:% = error; "internal error");
            (500, "an internal error; the process log says more")
        }
    };
    match respond::send(session, context, Answer { status, why, retry_after: None }).await {
        Ok(()) => status,
        Err(_) => {
            context.status = CLIENT_CLOSED_REQUEST;
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_request_is_known_unless_it_is_chunked_or_may_have_been_escaped() {
        let raw = b"POST / HTTP/1.1\r\n\r\n";
        let length = |path: &[u8], fields: &[(&'static str, &str)]| {
            let mut request = RequestHeader::build("POST", path, None).unwrap();
            for (name, value) in fields {
                request.append_header(*name, *value).unwrap();
            }
            bytes(&request, raw, body(&request))
        };
        assert_eq!(length(b"/", &[]), Some(19));
        assert_eq!(length(b"/%2f?a=%21", &[("Content-Length", "0")]), Some(19));
        assert_eq!(length(b"/", &[("Content-Length", "81")]), Some(100));
        assert_eq!(length(b"/", &[("Content-Length", "18446744073709551615")]), None);
        assert_eq!(length(b"/", &[("Transfer-Encoding", "chunked")]), None);
        assert_eq!(length(b"/a%20b", &[]), None);
    }
}
