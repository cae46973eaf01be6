//! An attempt that fails: how, what is noted of it, and whether another follows.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::StatusCode;
use pingora_core::{Error, ErrorSource, ErrorType, ImmutStr};
use pingora_proxy::Session;

use super::super::{
    context::{Attempt, RequestContext, Routed, Verdict},
    record::counting,
};
use crate::pool::{FailedAttempt, Lease, TriedBackend, Unavailable};
use crate::retry::{self, Failure, RetryContext};

/// Marks an error that gives an answer up for another try.
pub(super) const ANOTHER_TRY: ErrorType = ErrorType::Custom("another try");

/// No connection to the backend came about.
pub(in super::super) fn not_connected(
    session: &Session,
    context: &mut RequestContext,
    mut error: Box<Error>,
    now: Instant,
) -> Box<Error> {
    let is_cut_short = |context: &RequestContext| {
        let began = context.attempt().map(|attempt| attempt.began);
        began.is_some_and(|began| is_cut_short(context, began, now))
    };
    let failure = match error.etype() {
        ErrorType::ConnectRefused => Failure::Refused,
        ErrorType::ConnectTimedout if is_cut_short(context) => Failure::OutOfTime,
        ErrorType::ConnectTimedout => Failure::ConnectTimeout,
        ErrorType::InternalError => Failure::NoSocket,
        _ => Failure::ConnectFailed,
    };
    let retry = failed(session, context, failure, None, now);
    error.set_retry(retry);
    error
}

/// Whether the limit on the whole request ended an attempt that might have gone well. A backend
/// that had at least half of that time has no such excuse.
fn is_cut_short(context: &RequestContext, waited_from: Instant, now: Instant) -> bool {
    let Some(routed) = &context.routed else { return false };
    let waited = now.saturating_duration_since(waited_from);
    let is_capped = routed.attempt.is_some_and(|attempt| attempt.is_capped);
    is_capped && waited < routed.pool.timeouts().request / 2
}

/// Something went wrong after the connection was there.
pub(in super::super) fn broke_off(
    session: &Session,
    context: &mut RequestContext,
    mut error: Box<Error>,
    now: Instant,
) -> Box<Error> {
    let Some(routed) = &context.routed else { return error };
    let Some(attempt) = routed.attempt.filter(|_| *error.etype() != ANOTHER_TRY) else {
        return error;
    };
    let late = routed.link.take_late();
    let was_late = late.is_some();
    let next = late.flatten();
    let waited_from = attempt.sent.unwrap_or(attempt.began);
    let failure = match (was_late, error.esource()) {
        (true, _) if next.is_some() => Failure::LearnedTimeout,
        (true, _) if is_cut_short(context, waited_from, now) => Failure::OutOfTime,
        (true, _) => Failure::Timeout,
        (false, ErrorSource::Upstream) => match error.etype() {
            ErrorType::ReadTimedout | ErrorType::WriteTimedout => Failure::Timeout,
            ErrorType::InvalidHTTPHeader => Failure::InvalidAnswer(invalid(&error)),
            _ => Failure::Broken,
        },
        (false, _) => {
            error.set_retry(false);
            return error;
        }
    };
    if attempt.verdict == Verdict::Tunnel {
        // The client has its answer, and the tunnel is over.
        error.set_retry(false);
        return error;
    }
    if was_late {
        error = Error::explain(ErrorType::ReadTimedout, "the backend was late").into_up();
    }
    let retry = match next {
        None => failed(session, context, failure, None, now),
        Some(next) => give_over(context, failure, next, now),
    };
    error.set_retry(retry);
    error
}

/// What is wrong with an answer that cannot be passed on. Errors of Pingora's parser are put into
/// plain words.
fn invalid(error: &Error) -> &'static str {
    match &error.context {
        Some(ImmutStr::Static(why)) if error.cause.is_none() => why,
        _ => "its header is malformed",
    }
}

/// A learned limit has ended the attempt, with the backend of the next one claimed and paid for.
fn give_over(context: &mut RequestContext, failure: Failure, next: Lease, now: Instant) -> bool {
    let Some(routed) = &mut context.routed else { return false };
    note_failure(routed, failure, None, now);
    let back_off = back_off(routed, failure, !has_tried(routed, &next));
    // The next backend may use all of the time that is left.
    let back_off = routed.time_left(now).map_or(back_off, |left| back_off.min(left / 2));
    (routed.next, routed.back_off) = (Some(next), back_off);
    true
}

/// Notes a failed attempt and decides what follows. Returns whether another attempt does.
pub(super) fn failed(
    session: &Session,
    context: &mut RequestContext,
    failure: Failure,
    retry_after: Option<Duration>,
    now: Instant,
) -> bool {
    let Some(routed) = &mut context.routed else { return false };
    let is_odd = matches!(failure, Failure::InvalidAnswer(_)) && routed.doubted.is_some();
    note_failure(routed, failure, retry_after, now);
    if is_odd {
        // Two backends have answered this request in a way that cannot be passed on.
        routed.doubted = None;
        return false;
    }
    let has_answer = matches!(failure, Failure::Status(_));
    let has_free_retry = routed.has_free_retry();
    if !has_answer {
        // The next attempt may need the slot that this one held.
        routed.lease = None;
    }
    let pool = Arc::clone(&routed.pool);
    let pays = match retry::decide(pool.retry(), failure, attempted(session, routed)) {
        retry::Verdict::Retry => false,
        retry::Verdict::Pay => !has_free_retry,
        _ => return false,
    };
    // Asked before the pick: a backend that is picked and then not used has lost its turn.
    if pays && !pool.budget().has_left(pool.retry(), now) {
        counting::budget_exhausted(routed);
        return false;
    }
    // The end of a stream may come a moment after the last byte of the announced length.
    routed.is_body_at_hand |= has_whole_body(session, routed);
    let next = match pool.pick(&routed.pick_request(), now) {
        Ok(next) => Some(next),
        // An answer is given up only once another backend has been claimed.
        Err(Unavailable::Full) if !has_answer => None,
        Err(_) => {
            context.note_unavailable(now);
            return false;
        }
    };
    let goes_elsewhere = !next.as_ref().is_some_and(|next| has_tried(routed, next));
    if matches!(failure, Failure::InvalidAnswer(_)) && !goes_elsewhere {
        // The backend would say the same again.
        return false;
    }
    let back_off = back_off(routed, failure, goes_elsewhere);
    if routed.time_left(now).is_some_and(|left| left <= back_off) {
        return false;
    }
    if pays && !pool.budget().try_take(pool.retry(), now) {
        counting::budget_exhausted(routed);
        return false;
    }
    (routed.next, routed.back_off) = (next, back_off);
    true
}

/// Whether as much of the body as the header announces has come, and is kept.
fn has_whole_body(session: &Session, routed: &Routed) -> bool {
    let length = routed.link.facts().length;
    length.is_some_and(|length| session.body_bytes_read() as u64 >= length)
        && !session.retry_buffer_truncated()
}

/// Notes a failed attempt, once.
fn note_failure(
    routed: &mut Routed,
    failure: Failure,
    retry_after: Option<Duration>,
    now: Instant,
) {
    routed.failure = Some(failure);
    let (Some(lease), Some(attempt)) = (&routed.lease, routed.attempt) else { return };
    if matches!(attempt.verdict, Verdict::Failed | Verdict::Tunnel) {
        return;
    }
    let failed = FailedAttempt {
        failure,
        began: attempt.began,
        midway: attempt.verdict == Verdict::Good,
        retry_after,
    };
    let backend = Arc::clone(lease.backend());
    let is_doubted = matches!(failure, Failure::InvalidAnswer(_));
    if !is_doubted {
        routed.pool.failed(lease, &failed, now);
    }
    if !routed.has_failed_last() {
        counting::attempt_failed(routed, failure, now);
    }
    if is_doubted {
        routed.doubted = routed.lease.take().map(|lease| (lease, failed));
    }
    let attempt = Attempt { failed: Some(now), ..attempt };
    routed.failed.push(TriedBackend { backend, failure }, attempt);
    if let (None, Some(connected)) = (attempt.sent, attempt.connected) {
        routed.prolong(now.saturating_duration_since(connected));
    }
}

/// How long to wait before the next attempt.
fn back_off(routed: &Routed, failure: Failure, goes_elsewhere: bool) -> Duration {
    let back_off = routed.pool.retry().backoff;
    retry::wait(back_off, failure, routed.attempts(), goes_elsewhere, fastrand::f64())
}

/// Whether the backend of this lease has failed this request.
fn has_tried(routed: &Routed, lease: &Lease) -> bool {
    let mut tried = routed.failed.tried().iter();
    tried.any(|tried| Arc::ptr_eq(&tried.backend, lease.backend()))
}

pub(super) fn attempted(session: &Session, routed: &Routed) -> RetryContext {
    RetryContext {
        attempts: routed.attempts(),
        repeatable: routed.repeatable,
        replayable: !session.retry_buffer_truncated(),
        answered: has_answered(session),
    }
}

/// Whether a part of an answer that ends the request was sent; 100 and 103 do not.
pub(in super::super) fn has_answered(session: &Session) -> bool {
    session.response_written().is_some_and(|response| {
        !response.status.is_informational() || response.status == StatusCode::SWITCHING_PROTOCOLS
    })
}
