//! One try of a request on one backend: which backend, how it ended, and whether another follows.

use std::time::Instant;

use http::{StatusCode, header};
use pingora::http::ResponseHeader;
use pingora_core::{Error, ErrorSource, ErrorType, Result, upstreams::peer::HttpPeer};
use pingora_proxy::Session;

use super::{client_stream::ClientStream, context::RequestContext, tunnel};
use crate::retry::{self, Attempted, Failure, Verdict};

/// What an error says that gives an answer up for another try.
const ANOTHER_TRY: ErrorType = ErrorType::Custom("another try");

/// Begins an attempt: the backend that was claimed for it, and how to connect.
pub(super) fn begin(session: &Session, context: &mut RequestContext) -> Result<Box<HttpPeer>> {
    let unclaimed = || Error::explain(ErrorType::InternalError, "an attempt without a backend");
    let lease = context.next.take().ok_or_else(unclaimed)?;
    context.attempts += 1;
    let mut peer = Box::new(lease.peer().clone());
    context.lease = Some(lease);
    if let (true, Some(pool)) = (tunnel::is_asked_for(session.req_header()), &context.pool) {
        tunnel::prepare(&mut peer, pool.timeouts());
    }
    Ok(peer)
}

/// The connection to the backend is there; the request is about to be sent.
///
/// Its answer is due when all of it was sent, with one exception: a client that waits for 100
/// Continue before it sends the body waits for the backend, so the backend is late, not the client.
pub(super) fn connected(session: &Session, context: &RequestContext, now: Instant) {
    let (Some(client), Some(pool)) = (ClientStream::of(session), &context.pool) else { return };
    let expects = session.req_header().headers.get(header::EXPECT);
    if expects.is_some_and(|expects| expects.as_bytes().eq_ignore_ascii_case(b"100-continue"))
        && session.body_bytes_read() == 0
    {
        client.expect_answer(now + pool.timeouts().response.ceiling());
    } else {
        client.expect_nothing();
    }
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
        ErrorType::ConnectTimedout => Failure::ConnectTimeout,
        _ => Failure::ConnectFailed,
    };
    let retry = failed(session, context, failure, now);
    error.set_retry(retry);
    error
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
    let was_late = ClientStream::of(session).is_some_and(ClientStream::backend_was_late);
    let failure = match (was_late, error.esource()) {
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
    let retry = failed(session, context, failure, now);
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
        session.set_read_timeout(None);
        return Ok(());
    }
    if response.status.is_informational() {
        if let Some(client) = client.filter(|_| response.status == StatusCode::CONTINUE) {
            client.client_may_send();
        }
        return Ok(());
    }
    if let (Some(lease), Some(pool)) = (&context.lease, &context.pool) {
        lease.backend().answered(now);
        if let Some(client) = client {
            client.expect_no_gap(now, pool.timeouts().idle);
        }
    }
    if context.in_flight.is_stopping() {
        session.set_keepalive(None);
    }
    if response.status == StatusCode::SERVICE_UNAVAILABLE
        && failed(session, context, Failure::Status(503), now)
    {
        let mut another_try = Error::new_up(ANOTHER_TRY);
        another_try.set_retry(true);
        return Err(another_try);
    }
    Ok(())
}

/// Notes a failed attempt and decides what follows. Returns whether another attempt does; its
/// backend is then claimed.
fn failed(session: &Session, context: &mut RequestContext, failure: Failure, now: Instant) -> bool {
    context.failure = Some(failure);
    let (Some(lease), Some(pool)) = (&context.lease, &context.pool) else { return false };
    pool.failed(lease.backend(), failure, now);
    context.tried.push(lease.backend().id().address);
    let attempted = Attempted {
        attempts: context.attempts,
        idempotent: session.req_header().method.is_idempotent(),
        replayable: !session.retry_buffer_truncated(),
        answered: has_answered(session),
    };
    let verdict = retry::decide(pool.retry(), failure, attempted);
    verdict == Verdict::Retry && context.claim_next()
}

/// Whether a part of an answer that ends the request was sent; 100 and 103 do not.
pub(super) fn has_answered(session: &Session) -> bool {
    session.response_written().is_some_and(|response| {
        !response.status.is_informational() || response.status == StatusCode::SWITCHING_PROTOCOLS
    })
}
