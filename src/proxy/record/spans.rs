//! The record of a request from which its spans are made.

use std::{sync::Arc, time::Instant};

use pingora_core::Error;
use pingora_proxy::Session;

use super::{
    super::context::{Attempt, Received, RequestContext, Routed},
    log_line::{ended, reason},
    outcome::last_outcome,
    tries::failed_once,
};
use crate::backend::Backend;
use crate::clock;
use crate::http1::Known;
use crate::tracing::{AttemptRecord, RequestRecord, Tracer, shortened};

/// Hands the record of a request over, if the request is recorded. `error` is the error that ended it, if
/// any.
pub(in super::super) fn record(
    session: &Session,
    context: &RequestContext,
    error: Option<&Error>,
    now: Instant,
) {
    let Some(tracer) = &context.generation.tracer else { return };
    let Some(received) = &context.received else { return };
    let Some(span) = received.trace.as_ref().and_then(|trace| trace.span()) else { return };
    if let Some(record) = of(session, context, (tracer, received, span), (error, now)) {
        tracer.push(Box::new(record));
    }
}

fn of(
    session: &Session,
    context: &RequestContext,
    (tracer, received, span): (&Tracer, &Received, u64),
    (error, now): (Option<&Error>, Instant),
) -> Option<RequestRecord> {
    let request = session.req_header();
    let ended = ended(session, context, error, now);
    let routed = context.routed.as_ref();
    let field = |known| received.fields.first(known).map(shortened);
    let target = request.raw_path();
    let path = target.iter().position(|byte| *byte == b'?').filter(|_| !tracer.has_query());
    let error_text = error.map(|error| reason(error, context));
    Some(RequestRecord {
        trace: received.trace.clone()?,
        span,
        started: context.started,
        ended: now,
        ended_at: clock::wall(),
        config: Arc::clone(&context.generation.config),
        route: routed.map(|routed| routed.route),
        listener: received.link.counts().address().into(),
        method: request.method.clone(),
        target: shortened(&target[..path.unwrap_or(target.len())]),
        host: field(Known::Host),
        user_agent: field(Known::UserAgent),
        is_tls: received.link.is_tls(),
        protocol: received.link.facts().protocol,
        peer: session.client_addr().and_then(|address| address.as_inet()).copied(),
        client: received.client.real_ip(),
        request_id: received.request_id.as_str().into(),
        received: session.body_bytes_read() as u64,
        sent: session.body_bytes_sent() as u64,
        status: ended.status,
        broke_off: ended.broke_off,
        error: error_text.as_deref().or(context.refusal).map(Box::from),
        no_backend: routed.and_then(|routed| routed.unavailable.clone()).unwrap_or_default(),
        attempts: routed.map(|routed| attempts(routed, error, now)).unwrap_or_default(),
    })
}

/// The attempts of a request, in order.
fn attempts(routed: &Routed, error: Option<&Error>, now: Instant) -> Vec<AttemptRecord> {
    let all = routed.attempts();
    let mut attempts = Vec::with_capacity(all as usize);
    attempts.extend(failed_once(routed).map(|(tried, attempt)| AttemptRecord {
        outcome: tried.failure.word(),
        is_ok: false,
        retried: (attempt.number < all).then(|| tried.failure.listed_as()),
        ..of_attempt(attempt, &tried.backend, now)
    }));
    if let (false, Some(attempt), Some(backend)) =
        (routed.has_failed_last(), &routed.attempt, routed.last_backend())
    {
        let outcome = last_outcome(routed, error);
        attempts.push(AttemptRecord {
            outcome: outcome.word().into(),
            ..of_attempt(attempt, backend, now)
        });
    }
    attempts
}

/// An attempt without its outcome, as one that went well.
fn of_attempt(attempt: &Attempt, backend: &Backend, now: Instant) -> AttemptRecord {
    AttemptRecord {
        number: attempt.number,
        names: Arc::clone(&backend.names()),
        address: backend.id().address.clone(),
        began: attempt.began,
        connected: attempt.connected,
        request_sent: attempt.sent,
        answered: attempt.first_byte,
        ended: attempt.failed.unwrap_or(now),
        reused: attempt.reused,
        status: attempt.status,
        outcome: "".into(),
        is_ok: true,
        retried: None,
    }
}
