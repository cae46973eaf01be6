//! A request as a whole: let in or refused, given a pool and its headers, and answered by `lb` itself
//! when no backend could.

mod buffer;
mod challenge;
mod misdirected;
mod redirect;
pub(super) mod respond;

use std::{sync::Arc, time::Instant};

use pingora::http::RequestHeader;
use pingora_core::{Error, ErrorSource, ErrorType, Result, protocols::l4::socket::SocketAddr};
use pingora_proxy::Session;

use super::{
    answer_header::AnswerHeader,
    attempt,
    backend::OutgoingRequest,
    client::{BODY_LATE, ClientLink},
    context::{Attempt, Received, RequestContext, Routed},
};
use crate::clock;
use crate::config::{RetryMethods, Traceparent};
use crate::headers::{self, Client, Peer, RequestId, TraceContext};
use crate::http1::{Fields, Known, Refusal};
use crate::pool::Unavailable;
use crate::target::{Action, AnswerTimes, RequestFacts};
use respond::Answer;

/// The status logged for a client that left before an answer, as in nginx.
const CLIENT_CLOSED_REQUEST: u16 = 499;
const LOOP_DETECTED: u16 = 508;

/// The header has come: identifies the client, and refuses a request that the client's session
/// found doubtful.
///
/// # Errors
///
/// The refusal.
pub(super) fn begin(session: &Session, context: &mut RequestContext) -> Result<()> {
    let Some(link) = ClientLink::of(session) else {
        return Err(Error::explain(ErrorType::InternalError, "a session without its link"));
    };
    let facts = link.facts();
    let fields = link.take_fields();
    let peer = match session.client_addr() {
        Some(SocketAddr::Inet(address)) => Peer::Ip(address.ip()),
        Some(SocketAddr::Unix(_)) => Peer::Unix,
        None => Peer::Unknown,
    };
    let client = Client::identify(peer, &fields, &context.generation.trusted);
    context.received = Some(Received {
        link: Arc::clone(link),
        request_id: RequestId::of(&fields),
        trace: trace(&fields, &client, context),
        client,
        fields,
    });
    match facts.refusal {
        None => Ok(()),
        Some(Refusal { status, why }) => {
            if status == LOOP_DETECTED {
                link.counts().loops.one();
            }
            Err(Error::explain(ErrorType::HTTPStatus(status), why).into_down())
        }
    }
}

/// The trace that a request is a part of, if any, and whether it is recorded.
fn trace(fields: &Fields, client: &Client, context: &RequestContext) -> Option<TraceContext> {
    let came = TraceContext::of(fields);
    let is_started = context.generation.traceparent == Traceparent::Start;
    match &context.generation.tracer {
        None => came.or_else(|| is_started.then(TraceContext::start)),
        Some(tracer) => tracer.begin(came, client.is_trusted(), is_started),
    }
}

/// Finds the pool and claims the first backend. Returns whether the request was answered instead.
pub(super) async fn route(session: &mut Session, context: &mut RequestContext) -> Result<bool> {
    if challenge::answer(session, context).await? {
        return Ok(true);
    }
    if redirect::is_due(context) {
        redirect::send(session, context).await?;
        return Ok(true);
    }
    if misdirected::is_due(context) {
        misdirected::send(session, context).await?;
        return Ok(true);
    }
    let request = session.req_header();
    let received = context.received.as_ref();
    let host = received.and_then(|received| received.fields.first(Known::Host));
    let host = host.and_then(|host| str::from_utf8(host).ok());
    let found = context.generation.route(host, request.uri.path());
    let (Some((route, target)), Some(received)) = (found, received) else {
        let why = "no route for this host and path";
        context.refusal = Some(why);
        respond::send(session, context, Answer { status: 404, why, ..Answer::default() }).await?;
        return Ok(true);
    };
    let Action::Pool(pool) = target.action();
    let repeatable = is_repeatable(request, &received.fields, pool.retry().methods);
    let to = (route, Arc::clone(pool));
    let routed = context.routed.insert(Routed::new(Arc::clone(&received.link), to, repeatable));
    let mut now = context.started;
    if let (Some(most), Some(received)) = (routed.pool.request_buffer(), &mut context.received) {
        routed.is_body_at_hand = buffer::fill(session, received, most).await?;
        now = clock::now();
    }
    if !routed.link.facts().wants_tunnel {
        routed.deadline = Some(now + routed.pool.timeouts().request);
    }
    routed.pool.budget().note_request(now);
    let claimed = match routed.pool.pick(&routed.pick_request(), now) {
        Err(Unavailable::Full) => attempt::wait_in_queue(session, routed).await?,
        picked => picked,
    };
    let turned = match claimed {
        Ok(lease) => {
            routed.next = Some(lease);
            return Ok(false);
        }
        Err(turned) => turned,
    };
    let retry_after = Some(routed.pool.retry_after(turned));
    turn_away(session, context, (turned, retry_after)).await?;
    Ok(true)
}

/// Answers a request that gets no backend.
async fn turn_away(
    session: &mut Session,
    context: &mut RequestContext,
    (turned, retry_after): (Unavailable, Option<u64>),
) -> Result<()> {
    let why = match turned {
        Unavailable::NoneEligible => "no backend can take this request now",
        Unavailable::Full => "every backend is full, and so is the queue",
        Unavailable::QueueTimeout => "every backend is full, and none had a place in time",
    };
    context.refusal = Some(why);
    context.note_unavailable(clock::now());
    let generation = Arc::clone(&context.generation);
    // A client of gRPC shows a message and no page.
    let content_type = context.received.as_ref().and_then(|it| it.fields.first(Known::ContentType));
    let is_for_people = !content_type.is_some_and(|it| it.starts_with(b"application/grpc"));
    let page = generation.config.unavailable_page.as_deref().filter(|_| is_for_people);
    let answer = Answer { status: 503, why, page, retry_after, ..Answer::default() };
    respond::send(session, context, answer).await
}

/// Whether executing a request twice does no harm. `Idempotency-Key` says so whatever the method
/// (draft-ietf-httpapi-idempotency-key-header).
fn is_repeatable(request: &RequestHeader, fields: &Fields, methods: RetryMethods) -> bool {
    methods == RetryMethods::All
        || request.method.is_idempotent()
        || fields.has(Known::IdempotencyKey)
}

/// The fields that go to the backend, which its session finds in the request that Pingora gives it.
///
/// The backend is spoken to in HTTP/1.1, which needs a Host. A client of HTTP/1.0 need not have
/// sent one; the backend's own address stands in for it, as in nginx.
pub(super) fn set_headers(upstream_request: &mut RequestHeader, context: &RequestContext) {
    let Some(Received { link, fields: received, client, request_id, trace }) = &context.received
    else {
        return;
    };
    let mut fields = received.to_be_sent();
    if let Some(target) = context.target() {
        let (is_tls, trace) = (link.is_tls(), trace.as_ref());
        let attempt = context.attempt().map_or(1, |attempt| attempt.number);
        let facts = RequestFacts { client, is_tls, request_id, trace, attempt, received };
        target.on_request(&mut fields, &facts);
        let tls = link.connection().facts.as_ref().and_then(|facts| facts.tls.as_ref());
        let told = tls.and_then(|tls| tls.told.as_ref());
        let any = context.generation.asks_for_certificates;
        headers::tell_certificate(&mut fields, told, any);
    }
    headers::mark(&mut fields);
    if let Some(lease) = context.routed.as_ref().and_then(|routed| routed.lease.as_ref())
        && !fields.has(Known::Host)
    {
        fields.lead(Known::Host, lease.backend().id().address.to_string().as_bytes());
    }
    let outgoing = OutgoingRequest { link: Arc::clone(link), fields };
    upstream_request.extensions_mut().insert(outgoing);
}

/// The fields that the route gives an answer.
pub(super) fn set_answer_headers(header: &mut AnswerHeader, context: &RequestContext) {
    let Some(target) = context.target() else { return };
    let times = |attempt: &Attempt| AnswerTimes {
        queue: attempt.began.saturating_duration_since(context.started),
        connect: attempt.connect_time(),
        first_byte: attempt.first_byte_time(),
    };
    if !header.status.is_informational() {
        target.on_response(&mut header.fields, || context.attempt().map(times));
    }
}

/// A part of the request is on its way to the backend. Once that was the last one, the backend
/// owes an answer.
pub(super) fn sent(
    session: &Session,
    context: &mut RequestContext,
    is_last: bool,
    now: impl FnOnce() -> Instant,
) {
    let Some(routed) = &mut context.routed else { return };
    if session.was_upgraded() {
        return;
    }
    if is_last {
        attempt::request_sent(session, routed, now());
    } else {
        routed.link.client_sends();
    }
}

/// The request ends in an error. Answers it if that is still possible; returns the status, or 0 if
/// nothing could be sent.
pub(super) async fn fail(
    session: &mut Session,
    error: &Error,
    context: &mut RequestContext,
) -> u16 {
    if attempt::has_answered(session) {
        return 0;
    }
    let text;
    let failure = context.routed.as_ref().and_then(|routed| routed.failure);
    let (status, why) = match (error.etype(), failure) {
        (ErrorType::HTTPStatus(status), _) => {
            text = error.context.as_ref().map(|context| context.as_str().to_owned());
            (*status, text.as_deref().unwrap_or("the request was refused"))
        }
        _ if *error.esource() == ErrorSource::Downstream => match error.etype() {
            ErrorType::ReadTimedout => (BODY_LATE.status, BODY_LATE.why),
            ErrorType::ReadError | ErrorType::WriteError | ErrorType::ConnectionClosed => {
                context.status = Some(CLIENT_CLOSED_REQUEST);
                return 0;
            }
            _ => (400, "the request is malformed"),
        },
        (_, Some(failure)) => {
            text = Some(failure.to_string());
            (failure.gateway_status(), text.as_deref().unwrap_or_default())
        }
        (_, None) => {
            log::error!(request_id = context.id(), error:% = error; "internal error");
            (500, "an internal error; the process log says more")
        }
    };
    match respond::send(session, context, Answer { status, why, ..Answer::default() }).await {
        Ok(()) => status,
        Err(_) => {
            context.status = Some(CLIENT_CLOSED_REQUEST);
            0
        }
    }
}
