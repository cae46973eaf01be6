//! One try of a request on one backend: which backend, and what its answer says.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{StatusCode, header};
use pingora::http::ResponseHeader;
use pingora_core::{Error, ErrorType, Result, upstreams::peer::HttpPeer};
use pingora_proxy::Session;

use super::{
    client_stream::ClientStream,
    context::{Answer, Progress, RequestContext},
    failure::{ANOTHER_TRY, attempted, failed},
    patience::Patience,
    tunnel, waiting,
};
use crate::clock;
use crate::headers;
use crate::pool::{self, Lease, Unavailable};
use crate::retry::{self, Failure, Verdict};

/// What an error says when a retry found no place.
const NO_PLACE: ErrorType = ErrorType::Custom("no place for another try");
/// A limit that was forgotten, rather than one that is over, ends nothing.
const NO_LESS: Duration = Duration::from_millis(1);

/// Begins an attempt: the backend that was claimed for it, and how to connect.
///
/// # Errors
///
/// When the client leaves, or nobody has a place in time.
pub(super) async fn begin(
    session: &mut Session,
    context: &mut RequestContext,
) -> Result<Box<HttpPeer>> {
    // Who failed is given back before a wait.
    context.lease = None;
    if !context.back_off.is_zero() {
        let back_off = tokio::time::sleep(std::mem::take(&mut context.back_off));
        waiting::while_client_stays(session, back_off).await?;
    }
    if context.next.is_none() {
        context.next = wait_in_queue(session, context).await?.ok();
    }
    let now = clock::now();
    let Some(lease) = context.next.take() else {
        context.found_nobody(now);
        return Err(Error::explain(NO_PLACE, "every other backend is full"));
    };
    if let (Some(failure), Some(pool)) = (context.failure, &context.pool) {
        pool.counts().retried(failure.outcome());
    }
    context.attempts += 1;
    context.attempt = Progress::beginning(context.attempts, now);
    let mut peer = Box::new(lease.peer().clone());
    context.lease = Some(lease);
    if context.body == Some(0) && ClientStream::of(session).is_some() {
        // A timer for each read is not free, and here the client's stream watches the whole attempt:
        // Pingora calls `request_body_filter` before it first waits, reads from the client for as long
        // as the answer is not complete, and limits the write of the header by itself.
        peer.options.read_timeout = None;
    }
    if let (true, Some(pool)) = (tunnel::is_asked_for(session.req_header()), &context.pool) {
        tunnel::prepare(&mut peer, pool.timeouts());
    }
    cap_connect(&mut peer, context, now);
    Ok(peer)
}

/// A place on a backend for the next attempt, waited for; the client may leave meanwhile.
pub(super) async fn wait_in_queue(
    session: &mut Session,
    context: &RequestContext,
) -> Result<Result<Lease, Unavailable>> {
    let Some(pool) = &context.pool else { return Ok(Err(Unavailable::NoneEligible)) };
    let waiting = pool.wait(context.pick_request(), context.deadline, clock::now());
    waiting::while_client_stays(session, waiting).await
}

/// A connection must not take longer than the whole request may.
fn cap_connect(peer: &mut HttpPeer, context: &mut RequestContext, now: Instant) {
    let Some(deadline) = context.deadline else { return };
    let left = deadline.saturating_duration_since(now).max(NO_LESS);
    let options = &mut peer.options;
    if options.total_connection_timeout.is_some_and(|timeout| left < timeout) {
        options.connection_timeout = Some(left);
        options.total_connection_timeout = Some(left);
        context.attempt.is_capped = true;
    }
}

/// The connection to the backend is there; the request is about to be sent.
///
/// Its answer is due when all of it was sent, with one exception: a client that waits for 100
/// Continue before it sends the body waits for the backend, so the backend is late, not the client.
pub(super) fn connected(session: &Session, context: &mut RequestContext, now: Instant) {
    context.attempt.connected = Some(now);
    context.attempt.is_capped = false;
    let expects = session.req_header().headers.get(header::EXPECT);
    if expects.is_some_and(|expects| expects.as_bytes().eq_ignore_ascii_case(b"100-continue"))
        && session.body_bytes_read() == 0
    {
        expect_answer(session, context, now);
    } else if let Some(client) = ClientStream::of(session) {
        client.expect_nothing();
    }
}

/// The backend owes an answer from now on.
pub(super) fn expect_answer(session: &Session, context: &mut RequestContext, now: Instant) {
    let (Some(client), Some(pool)) = (ClientStream::of(session), &context.pool) else { return };
    let own = now + pool.timeouts().response.ceiling();
    let at_most = context.deadline.map_or(own, |deadline| deadline.min(own));
    context.attempt.is_capped = at_most < own;
    let soon = pool.learned_limit().map(|limit| now + limit).filter(|soon| {
        *soon < at_most
            && retry::decide(pool.retry(), Failure::Timeout, attempted(session, context))
                == Verdict::Pay
    });
    let (Some(soon), Some(lease)) = (soon, &context.lease) else {
        return client.expect_answer(at_most);
    };
    let patience = Patience {
        again: soon.saturating_duration_since(now),
        pool: Arc::clone(pool),
        tried: context.tried.clone(),
        late: Arc::clone(lease.backend()),
        repeatable: context.pick_request().repeatable,
        pays: !lease.is_probe(),
        at_most,
    };
    client.expect_answer_soon(soon, patience);
}

/// The backend's answer has begun.
///
/// # Errors
///
/// When the answer is given up for another try; nothing of it has reached the client.
pub(super) fn answered(
    session: &mut Session,
    context: &mut RequestContext,
    response: &ResponseHeader,
    now: Instant,
) -> Result<()> {
    let client = ClientStream::of(session);
    if response.status == StatusCode::SWITCHING_PROTOCOLS {
        if !tunnel::is_asked_for(session.req_header()) {
            return Err(Error::explain(ErrorType::InvalidHTTPHeader, "a 101 unasked for").into_up());
        }
        if let Some(client) = client {
            client.became_tunnel();
        }
        note_answer(context, now);
        context.attempt.answer = Answer::Tunnel;
        session.set_read_timeout(None);
        return Ok(());
    }
    if response.status.is_informational() {
        if let Some(client) = client.filter(|_| response.status == StatusCode::CONTINUE) {
            client.client_may_send();
        }
        return Ok(());
    }
    if let (Some(client), Some(pool)) = (client, &context.pool) {
        client.expect_no_gap(now, pool.timeouts().idle);
    }
    context.attempt.is_capped = false;
    if context.in_flight.is_draining() {
        session.set_keepalive(None);
    }
    if judge(session, context, response, now) {
        let mut another_try = Error::new_up(ANOTHER_TRY);
        another_try.set_retry(true);
        return Err(another_try);
    }
    Ok(())
}

/// What an answer says about its backend. Returns whether it is given up for another try.
fn judge(
    session: &Session,
    context: &mut RequestContext,
    response: &ResponseHeader,
    now: Instant,
) -> bool {
    let status = response.status.as_u16();
    let is_failure =
        context.pool.as_ref().is_some_and(|pool| retry::is_failure(&pool.retry().on, status));
    if pool::is_gateway_error(status) {
        let after = response.headers.get(header::RETRY_AFTER);
        let after = after
            .filter(|_| status == 503)
            .and_then(|value| headers::retry_after(value, clock::wall()));
        let gives_up = failed(session, context, Failure::Status(status), after, now);
        context.attempt.answer = Answer::Failed;
        return gives_up;
    }
    let is_too_many = response.status == StatusCode::TOO_MANY_REQUESTS;
    // Too many requests: the client's doing, and no sign of the backend's state.
    if !is_too_many {
        note_answer(context, now);
    }
    if let (true, Some(lease), Some(pool)) =
        (is_too_many || response.status.is_server_error(), &context.lease, &context.pool)
    {
        pool.refused_to_answer(lease, waited(context, now), now);
    }
    is_failure && failed(session, context, Failure::Status(status), None, now)
}

/// The attempt has an answer that does not count against the backend.
fn note_answer(context: &mut RequestContext, now: Instant) {
    context.attempt.answer = Answer::Good;
    if let (Some(lease), Some(pool)) = (&context.lease, &context.pool) {
        pool.answered(lease, waited(context, now), now);
    }
}

/// Since the last of the request was sent.
fn waited(context: &RequestContext, now: Instant) -> Option<Duration> {
    context.attempt.sent.map(|sent| now.saturating_duration_since(sent))
}

/// The request has ended well.
pub(super) fn completed(context: &RequestContext, now: Instant) {
    if let (Answer::Good, Some(lease), Some(pool)) =
        (context.attempt.answer, &context.lease, &context.pool)
    {
        pool.completed(lease, now);
    }
}
