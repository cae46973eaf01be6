//! An attempt that fails: how, what is noted of it, and whether another follows.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::StatusCode;
use pingora_core::{Error, ErrorSource, ErrorType};
use pingora_proxy::Session;

use super::{
    client_stream::ClientStream,
    context::{Answer, RequestContext},
    counting,
};
use crate::pool::{FailedAttempt, Lease, TriedBackend, Unavailable};
use crate::retry::{self, Failure, RetryContext, Verdict};

/// What an error says that gives an answer up for another try.
pub(super) const ANOTHER_TRY: ErrorType = ErrorType::Custom("another try");

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
    if context.attempt.answer == Answer::Tunnel {
        // It has its answer; the two ends have parted.
        error.set_retry(false);
        return error;
    }
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

/// Notes a failed attempt and decides what follows. Returns whether another attempt does.
pub(super) fn failed(
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
    let next = match pool.pick(&context.pick_request(), now) {
        Ok(next) => Some(next),
        // An answer is given up only for a backend that is in hand.
        Err(Unavailable::Full) if !has_answer => None,
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
    context.tried.push(TriedBackend { backend: Arc::clone(lease.backend()), failure });
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

pub(super) fn attempted(session: &Session, context: &RequestContext) -> RetryContext {
    RetryContext {
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
