//! What the answer of an attempt says about its backend, and whether it is passed on.

use std::time::Instant;

use http::StatusCode;
use pingora_core::{Error, ErrorType, Result};
use pingora_proxy::Session;

use super::{
    super::{
        answer_header::AnswerHeader,
        context::{Received, RequestContext, Routed, Verdict},
        watch::AttemptWatch,
    },
    failure::{ANOTHER_TRY, failed},
    websocket::is_accepted,
};
use crate::clock;
use crate::count::Protocol;
use crate::headers;
use crate::http1::Known;
use crate::pool;
use crate::retry::{self, Failure};

/// The header of an answer has come.
pub(in super::super) fn answer_began(routed: &mut Routed, status: StatusCode, now: Instant) {
    if let Some(attempt) = &mut routed.attempt {
        attempt.answer_began(status, now);
    }
}

/// The backend's answer has begun: whether it goes on to the client.
///
/// # Errors
///
/// When the backend switches protocols without being asked or in a wrong way, or its answer is given up for another
/// try; nothing of it has reached the client.
pub(in super::super) fn answered(
    session: &Session,
    context: &mut RequestContext,
    response: &AnswerHeader,
    now: Instant,
) -> Result<()> {
    let Some(routed) = &mut context.routed else { return Ok(()) };
    if response.status == StatusCode::SWITCHING_PROTOCOLS {
        let facts = routed.link.facts();
        let wrong = if !facts.wants_tunnel {
            Some("it switches protocols without being asked")
        } else if facts.protocol == Protocol::Http2
            && !is_agreed(context.received.as_ref(), response)
        {
            Some("it does not agree to the WebSocket (Sec-WebSocket-Accept, Upgrade)")
        } else {
            None
        };
        if let Some(why) = wrong {
            return Err(Error::explain(ErrorType::InvalidHTTPHeader, why).into_up());
        }
        routed.link.expect(AttemptWatch::Nothing);
        note_answer(routed, Verdict::Tunnel, now);
        return Ok(());
    }
    if response.status.is_informational() {
        let is_sent = routed.attempt.is_some_and(|attempt| attempt.sent.is_some());
        if response.status == StatusCode::CONTINUE && !is_sent {
            routed.link.client_sends();
        }
        return Ok(());
    }
    routed.link.expect_no_gap(now, routed.pool.timeouts().idle);
    if let Some(attempt) = &mut routed.attempt {
        attempt.is_capped = false;
    }
    if context.in_flight.is_draining() {
        routed.link.close_after_answer();
    }
    if judge(session, context, response, now) {
        let mut another_try = Error::new_up(ANOTHER_TRY);
        another_try.set_retry(true);
        return Err(another_try);
    }
    Ok(())
}

/// Whether a backend agrees to the WebSocket that a request asks for with a key of `lb`. One that says nothing of the
/// key, as a simple server may, must name the protocol.
fn is_agreed(received: Option<&Received>, response: &AnswerHeader) -> bool {
    let key = received.and_then(|received| received.fields.first(Known::SecWebSocketKey));
    match response.fields.named(b"sec-websocket-accept").next() {
        Some(accept) => key.is_some_and(|key| is_accepted(key, accept)),
        None => {
            let upgrade = response.fields.first(Known::Upgrade);
            upgrade.is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
        }
    }
}

/// What an answer says about its backend. Returns whether it is given up for another try.
fn judge(
    session: &Session,
    context: &mut RequestContext,
    response: &AnswerHeader,
    now: Instant,
) -> bool {
    let Some(routed) = &mut context.routed else { return false };
    let status = response.status.as_u16();
    let is_failure = retry::is_failure(&routed.pool.retry().on, status);
    if pool::is_gateway_error(status) {
        let after = response.fields.first(Known::RetryAfter);
        let after = after
            .filter(|_| status == 503)
            .and_then(|value| headers::retry_after(value, clock::wall()));
        let gives_up = failed(session, context, Failure::Status(status), after, now);
        if let Some(attempt) = context.routed.as_mut().and_then(|routed| routed.attempt.as_mut()) {
            attempt.verdict = Verdict::Failed;
        }
        return gives_up;
    }
    let is_too_many = response.status == StatusCode::TOO_MANY_REQUESTS;
    if response.status == StatusCode::LOOP_DETECTED {
        // Each try would go round again, and so would each of theirs.
        note_answer(routed, Verdict::Good, now);
        return false;
    }
    // Too many requests: the client's doing, and no sign of the backend's state.
    if !is_too_many {
        note_answer(routed, Verdict::Good, now);
    }
    if let (true, Some(lease), Some(attempt)) =
        (is_too_many || response.status.is_server_error(), &routed.lease, &routed.attempt)
    {
        routed.pool.refused_to_answer(lease, attempt.waited(now), now);
    }
    is_failure && failed(session, context, Failure::Status(status), None, now)
}

/// Notes an answer that does not count against its backend. An invalid answer of an earlier attempt
/// then does count against the backend that gave it.
fn note_answer(routed: &mut Routed, verdict: Verdict, now: Instant) {
    let (Some(attempt), Some(lease)) = (&mut routed.attempt, &routed.lease) else { return };
    attempt.verdict = verdict;
    if let Some((lease, failed)) = routed.doubted.take() {
        routed.pool.failed(&lease, &failed, now);
    }
    routed.pool.answered(lease, attempt.waited(now), now);
}

/// The request has ended well.
pub(in super::super) fn completed(routed: &Routed, now: Instant) {
    if let (Some(attempt), Some(lease)) = (&routed.attempt, &routed.lease)
        && attempt.verdict == Verdict::Good
    {
        routed.pool.completed(lease, now);
    }
}
