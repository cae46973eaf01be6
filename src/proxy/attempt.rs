//! One try of a request on one backend: which backend, how it ended, and whether another follows.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{StatusCode, header};
use pingora::http::ResponseHeader;
use pingora_core::{Error, ErrorSource, ErrorType, Result, upstreams::peer::HttpPeer};
use pingora_proxy::Session;

use super::{
    client_stream::ClientStream,
    context::{Answer, Progress, RequestContext},
    counting,
    patience::Patience,
    tunnel, waiting,
};
use crate::clock;
use crate::headers;
use crate::pool::{self, FailedAttempt, Lease, Tried, Turned};
use crate::retry::{self, Attempted, Failure, Verdict};

/// What an error says that gives an answer up for another try.
const ANOTHER_TRY: ErrorType = ErrorType::Custom("another try");
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
) -> Result<Result<Lease, Turned>> {
    let Some(pool) = &context.pool else { return Ok(Err(Turned::Nobody)) };
    let waiting = pool.wait(context.wanted(), context.deadline, clock::now());
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
        repeatable: context.wanted().repeatable,
        pays: !lease.is_probe(),
        at_most,
    };
    client.expect_answer_soon(soon, patience);
}

/// No connection to the backend came about.
pub(super) fn not_connected(
    session: &Session,
    context: &mut RequestContext,
    mut error: Box<Error>,
    now: Instant,
) -> Box<Error> {
    let failure = match error.etype() {
        ErrorType::ConnectRefused => Failure::Refused,
        ErrorType::ConnectTimedout if is_cut_short(context, context.attempt.began, now) => {
            Failure::OutOfTime
        }
        ErrorType::ConnectTimedout => Failure::ConnectTimeout,
        ErrorType::InternalError => Failure::NoSocket,
        _ => Failure::ConnectFailed,
    };
    let retry = failed(session, context, failure, None, now);
    error.set_retry(retry);
    error
}

/// Whether the time for the whole request ended an attempt that might have gone well. A backend
/// that had half of it to itself, and nobody before it, has no such excuse.
fn is_cut_short(context: &RequestContext, waited_from: Instant, now: Instant) -> bool {
    let waited = now.saturating_duration_since(waited_from);
    let whole = context.pool.as_ref().map(|pool| pool.timeouts().request);
    context.attempt.is_capped && whole.is_none_or(|whole| waited < whole / 2)
}

/// Something went wrong after the connection was there.
pub(super) fn broke_off(
    session: &Session,
    context: &mut RequestContext,
    mut error: Box<Error>,
    now: Instant,
) -> Box<Error> {
    if *error.etype() == ANOTHER_TRY {
        return error;
    }
    let client = ClientStream::of(session);
    let was_late = client.is_some_and(ClientStream::backend_was_late);
    let next = client.filter(|_| was_late).and_then(ClientStream::take_next);
    let waited_from = context.attempt.sent.unwrap_or(context.attempt.began);
    let failure = match (was_late, error.esource()) {
        (true, _) if next.is_some() => Failure::LearnedTimeout,
        (true, _) if is_cut_short(context, waited_from, now) => Failure::OutOfTime,
        (true, _) => Failure::Timeout,
        (false, ErrorSource::Upstream) => match error.etype() {
            ErrorType::ReadTimedout | ErrorType::WriteTimedout => Failure::Timeout,
            _ => Failure::Broken,
        },
        (false, _) => {
            error.set_retry(false);
            return error;
        }
    };
    if was_late {
        error = Error::explain(ErrorType::ReadTimedout, "the backend was late").into_up();
    }
    let retry = match next {
        None => failed(session, context, failure, None, now),
        Some(next) => {
            note_failure(context, failure, None, now);
            let back_off = back_off(context, failure, Some(&next));
            // It is claimed and paid for; whatever time is left is its own.
            let back_off = context.time_left(now).map_or(back_off, |left| back_off.min(left / 2));
            (context.next, context.back_off) = (Some(next), back_off);
            true
        }
    };
    error.set_retry(retry);
    error
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

/// Notes a failed attempt and decides what follows. Returns whether another attempt does.
fn failed(
    session: &Session,
    context: &mut RequestContext,
    failure: Failure,
    retry_after: Option<Duration>,
    now: Instant,
) -> bool {
    note_failure(context, failure, retry_after, now);
    let has_answer = matches!(failure, Failure::Status(_));
    let was_probe = context.lease.as_ref().is_some_and(Lease::is_probe);
    if !has_answer {
        // Its place may be the one that the next attempt needs.
        context.lease = None;
    }
    let Some(pool) = context.pool.clone() else { return false };
    let pays = match retry::decide(pool.retry(), failure, attempted(session, context)) {
        Verdict::Retry => false,
        // A probe is our own doing; nobody else shall pay for it.
        Verdict::Pay => !was_probe,
        _ => return false,
    };
    // A backend that is picked for nothing loses its turn to those that fail.
    if pays && !pool.budget().has_left(pool.retry(), now) {
        pool.counts().budget_exhausted.one();
        return false;
    }
    let next = match pool.pick(&context.wanted(), now) {
        Ok(next) => Some(next),
        // An answer is given up only for a backend that is in hand.
        Err(Turned::Full) if !has_answer => None,
        Err(_) => {
            context.found_nobody(now);
            return false;
        }
    };
    let back_off = back_off(context, failure, next.as_ref());
    if context.time_left(now).is_some_and(|left| left <= back_off) {
        return false;
    }
    if pays && !pool.budget().try_take(pool.retry(), now) {
        pool.counts().budget_exhausted.one();
        return false;
    }
    (context.next, context.back_off) = (next, back_off);
    true
}

/// Notes a failed attempt, once.
fn note_failure(
    context: &mut RequestContext,
    failure: Failure,
    retry_after: Option<Duration>,
    now: Instant,
) {
    context.failure = Some(failure);
    let attempt = context.attempt;
    let (Some(lease), Some(pool)) = (&context.lease, &context.pool) else { return };
    if matches!(attempt.answer, Answer::Failed | Answer::Tunnel) {
        return;
    }
    let failed = FailedAttempt {
        failure,
        began: attempt.began,
        midway: attempt.answer == Answer::Good,
        retry_after,
    };
    pool.failed(lease, &failed, now);
    if !context.has_failed_last() {
        counting::attempt_failed(context, failure, now);
    }
    context.tried.push(Tried { backend: Arc::clone(lease.backend()), failure });
    context.ended.push(attempt);
    if let (None, Some(connected)) = (attempt.sent, attempt.connected) {
        context.prolong(now.saturating_duration_since(connected));
    }
}

/// How long to wait before the next attempt.
fn back_off(context: &RequestContext, failure: Failure, next: Option<&Lease>) -> Duration {
    let Some(pool) = &context.pool else { return Duration::ZERO };
    let is_tried = |lease: &Lease| {
        context.tried.iter().any(|tried| Arc::ptr_eq(&tried.backend, lease.backend()))
    };
    let elsewhere = !next.is_some_and(is_tried);
    retry::wait(pool.retry().backoff, failure, context.attempts, elsewhere, fastrand::f64())
}

fn attempted(session: &Session, context: &RequestContext) -> Attempted {
    Attempted {
        attempts: context.attempts,
        repeatable: context.repeatable,
        replayable: !session.retry_buffer_truncated(),
        answered: has_answered(session),
    }
}

/// Whether a part of an answer that ends the request was sent; 100 and 103 do not.
pub(super) fn has_answered(session: &Session) -> bool {
    session.response_written().is_some_and(|response| {
        !response.status.is_informational() || response.status == StatusCode::SWITCHING_PROTOCOLS
    })
}
