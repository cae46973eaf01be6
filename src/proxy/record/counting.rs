//! Counts a request once for its listener and its pool when it ends, and each attempt once for its
//! backend when that ends.

use std::time::Instant;

use pingora_core::Error;
use pingora_proxy::Session;

use super::{
    super::context::{RequestContext, Routed, Verdict},
    outcome::{last_outcome, status},
};
use crate::count::{Outcome, StatusClass};
use crate::retry::Failure;

/// An attempt is about to begin; every one but the first is a retry.
pub(in super::super) fn attempt_begins(routed: &Routed) {
    if let Some(failure) = routed.failure {
        routed.pool.counts().retried(failure.outcome());
    }
}

/// A retry was not made because the budget did not allow it.
pub(in super::super) fn budget_exhausted(routed: &Routed) {
    routed.pool.counts().budget_exhausted.one();
}

/// The connection to the backend is there.
pub(in super::super) fn connected(routed: &Routed, reused: bool) {
    let Some(lease) = &routed.lease else { return };
    let counts = lease.backend().counts();
    if reused { counts.reused.one() } else { counts.opened.one() }
}

/// The header of an answer has come.
pub(in super::super) fn answered(routed: &Routed) {
    let waited = routed.attempt.and_then(|attempt| attempt.first_byte_time());
    let (Some(lease), Some(waited)) = (&routed.lease, waited) else { return };
    lease.backend().counts().first_byte.observe(waited);
    routed.pool.counts().answer_began(waited);
}

/// An attempt has failed.
pub(in super::super) fn attempt_failed(routed: &Routed, failure: Failure, now: Instant) {
    attempt_ended(routed, failure.outcome(), now);
}

fn attempt_ended(routed: &Routed, outcome: Outcome, now: Instant) {
    let (Some(lease), Some(attempt)) = (&routed.lease, &routed.attempt) else { return };
    let took = until(routed, now).saturating_duration_since(attempt.began);
    let answered = StatusClass::of(attempt.status.unwrap_or_default());
    lease.backend().counts().attempt_ended(outcome, answered, took);
}

/// The request has ended, and with it its last attempt.
pub(in super::super) fn request_ended(
    session: &Session,
    context: &RequestContext,
    error: Option<&Error>,
    now: Instant,
) {
    let answered = StatusClass::of(status(session, context));
    let (received, sent) = (session.body_bytes_read() as u64, session.body_bytes_sent() as u64);
    if let Some(client) = &context.received {
        let protocol = client.link.facts().protocol;
        client.link.counts().request_ended(protocol, answered, received, sent);
    }
    let Some(routed) = &context.routed else { return };
    let took = until(routed, now).saturating_duration_since(context.started);
    routed.pool.counts().request_ended(answered, took);
    if let Some(target) = context.target() {
        target.state().request_ended(answered);
    }
    if routed.attempts() == 0 {
        return;
    }
    if let Some(backend) = routed.last_backend() {
        let counts = backend.counts();
        if received > 0 {
            counts.sent.add(received);
        }
        // An error message of `lb` itself is not from it.
        if context.status.is_none() {
            counts.received.add(sent);
        }
    }
    if !routed.has_failed_last() {
        attempt_ended(routed, last_outcome(routed, error), now);
    }
}

/// When the request was answered. A tunnel counts as answered when it begins, because its length
/// says nothing about the backend.
fn until(routed: &Routed, now: Instant) -> Instant {
    let tunnel = routed.attempt.filter(|attempt| attempt.verdict == Verdict::Tunnel);
    tunnel.and_then(|attempt| attempt.first_byte).unwrap_or(now)
}
