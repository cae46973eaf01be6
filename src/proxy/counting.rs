//! What is counted of a request: once for its listener and its pool when it ends, and once for each
//! attempt's backend when that ends.

use std::time::Instant;

use http::StatusCode;
use pingora_core::{Error, ErrorSource};
use pingora_proxy::Session;

use super::{
    client_stream::ClientStream,
    context::{Answer, RequestContext},
    log_line,
    tries::last_backend,
};
use crate::count::{Outcome, StatusClass};
use crate::retry::Failure;

/// The connection to the backend is there.
pub(super) fn connected(context: &RequestContext, reused: bool) {
    let Some(lease) = &context.lease else { return };
    let counts = lease.backend().counts();
    if reused { counts.reused.one() } else { counts.opened.one() }
}

/// The header of an answer has come.
pub(super) fn answered(context: &mut RequestContext, status: StatusCode, now: Instant) {
    context.attempt.answer_began(status, now);
    let (Some(lease), Some(pool), Some(waited)) =
        (&context.lease, &context.pool, context.attempt.first_byte_time())
    else {
        return;
    };
    lease.backend().counts().first_byte.observe(waited);
    pool.counts().answer_began(waited);
}

/// An attempt has failed.
pub(super) fn attempt_failed(context: &RequestContext, failure: Failure, now: Instant) {
    attempt_ended(context, failure.outcome(), now);
}

fn attempt_ended(context: &RequestContext, outcome: Outcome, now: Instant) {
    let Some(lease) = &context.lease else { return };
    let took = until(context, now).saturating_duration_since(context.attempt.began);
    let answered = StatusClass::of(context.attempt.status);
    lease.backend().counts().attempt_ended(outcome, answered, took);
}

/// The request has ended, and with it its last attempt.
pub(super) fn request_ended(
    session: &Session,
    context: &RequestContext,
    error: Option<&Error>,
    now: Instant,
) {
    let answered = StatusClass::of(log_line::status(session, context));
    let (received, sent) = (session.body_bytes_read() as u64, session.body_bytes_sent() as u64);
    if let Some(client) = ClientStream::of(session) {
        client.counts().request_ended(answered, received, sent);
    }
    if let Some(pool) = &context.pool {
        let took = until(context, now).saturating_duration_since(context.started);
        pool.counts().request_ended(answered, took);
    }
    if context.attempts == 0 {
        return;
    }
    if let Some(backend) = last_backend(context) {
        let counts = backend.counts();
        if received > 0 {
            counts.sent.add(received);
        }
        // Our own error message is not from it.
        if context.status == 0 {
            counts.received.add(sent);
        }
    }
    if !context.has_failed_last() {
        attempt_ended(context, last_outcome(context, error), now);
    }
}

/// When the request had its answer. A tunnel has it when it begins: how long two ends talk to each
/// other says nothing about the backend.
fn until(context: &RequestContext, now: Instant) -> Instant {
    let tunnel = context.attempt.answer == Answer::Tunnel;
    context.attempt.first_byte.filter(|_| tunnel).unwrap_or(now)
}

/// How the last attempt ended, which did not fail.
pub(super) fn last_outcome(context: &RequestContext, error: Option<&Error>) -> Outcome {
    match (error, context.attempt.answer) {
        (None, _) => Outcome::Ok,
        (Some(error), Answer::Tunnel) if *error.esource() == ErrorSource::Upstream => {
            Outcome::Reset
        }
        (Some(_), Answer::None) => Outcome::Abandoned,
        (Some(_), _) => Outcome::CutOff,
    }
}
