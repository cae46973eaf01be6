//! One try of a request on one backend: which backend, how long it may take, and what its answer says.

mod answer;
mod failure;
mod tunnel;
mod waiting;
mod websocket;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use pingora_core::{Error, ErrorType, Result, upstreams::peer::HttpPeer};
use pingora_proxy::Session;

use super::{
    context::{Attempt, RequestContext, Routed, Verdict},
    record::counting,
    watch::{AttemptWatch, Patience},
};
use crate::clock;
use crate::pool::{Lease, Unavailable};
use crate::retry::{self, Failure};
pub(super) use answer::{answer_began, answered, completed};
pub(super) use failure::{broke_off, has_answered, not_connected};

/// Marks the error of a retry for which no backend was free.
const NO_PLACE: ErrorType = ErrorType::Custom("no place for another try");
/// Pingora treats a timeout of zero as "no timeout".
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(1);

/// Begins an attempt: the backend that was claimed for it, and how to connect.
///
/// # Errors
///
/// If the client leaves, or if no backend becomes free in time.
pub(super) async fn begin(
    session: &mut Session,
    context: &mut RequestContext,
) -> Result<Box<HttpPeer>> {
    let Some(routed) = &mut context.routed else {
        return Err(Error::explain(ErrorType::InternalError, "an attempt without a pool"));
    };
    // The lease on the failed backend is dropped before waiting.
    routed.lease = None;
    if !routed.back_off.is_zero() {
        let back_off = tokio::time::sleep(std::mem::take(&mut routed.back_off));
        waiting::while_client_stays(session, &routed.link, back_off).await?;
    }
    if routed.next.is_none() {
        routed.next = wait_in_queue(session, routed).await?.ok();
    }
    let now = clock::now();
    let Some(lease) = routed.next.take() else {
        context.note_unavailable(now);
        return Err(Error::explain(NO_PLACE, "every other backend is full"));
    };
    counting::attempt_begins(routed);
    let mut attempt = Attempt::beginning(routed.attempts() + 1, now);
    let mut peer = Box::new(lease.peer().clone());
    routed.lease = Some(lease);
    if routed.link.facts().wants_tunnel {
        tunnel::prepare(&mut peer);
    }
    attempt.is_capped = cap_connect(&mut peer, routed.deadline, now);
    routed.attempt = Some(attempt);
    Ok(peer)
}

/// Waits in the queue for a backend for the next attempt; the client may leave meanwhile.
///
/// # Errors
///
/// If the client leaves.
pub(super) async fn wait_in_queue(
    session: &mut Session,
    routed: &Routed,
) -> Result<Result<Lease, Unavailable>> {
    let waiting = routed.pool.wait(routed.pick_request(), routed.deadline, clock::now());
    waiting::while_client_stays(session, &routed.link, waiting).await
}

/// Caps the connect timeout at the time left for the whole request. Returns whether the cap
/// applies.
fn cap_connect(peer: &mut HttpPeer, deadline: Option<Instant>, now: Instant) -> bool {
    let Some(deadline) = deadline else { return false };
    let left = deadline.saturating_duration_since(now).max(SHORTEST_TIMEOUT);
    let options = &mut peer.options;
    let is_capped = options.total_connection_timeout.is_some_and(|timeout| left < timeout);
    if is_capped {
        options.connection_timeout = Some(left);
        options.total_connection_timeout = Some(left);
    }
    is_capped
}

/// The connection to the backend is there; the request is about to be sent.
///
/// Its answer is due when all of it was sent, with one exception: a client that waits for 100
/// Continue before it sends the body waits for the backend, so the backend is late, not the client.
pub(super) fn connected(session: &Session, routed: &mut Routed, reused: bool, now: Instant) {
    let Some(attempt) = &mut routed.attempt else { return };
    (attempt.connected, attempt.reused, attempt.is_capped) = (Some(now), reused, false);
    if routed.link.facts().expects_continue && session.body_bytes_read() == 0 {
        expect_answer(session, routed, now);
    } else {
        routed.link.expect(AttemptWatch::Nothing);
    }
}

/// The last of the request is on its way to the backend, which owes an answer from now on.
pub(super) fn request_sent(session: &Session, routed: &mut Routed, now: Instant) {
    let Some(attempt) = &mut routed.attempt else { return };
    attempt.sent = Some(now);
    let Attempt { connected, verdict, .. } = *attempt;
    if let Some(connected) = connected {
        routed.prolong(now.saturating_duration_since(connected));
    }
    routed.is_body_at_hand |= !session.retry_buffer_truncated();
    if verdict == Verdict::None && !has_answered(session) {
        expect_answer(session, routed, now);
    }
}

/// The backend owes an answer from now on.
fn expect_answer(session: &Session, routed: &mut Routed, now: Instant) {
    let own = now + routed.pool.timeouts().response.ceiling();
    let by = routed.deadline.map_or(own, |deadline| deadline.min(own));
    if let Some(attempt) = &mut routed.attempt {
        attempt.is_capped = by < own;
    }
    let soon = routed.pool.learned_limit().map(|limit| now + limit).filter(|soon| {
        *soon < by
            && retry::decide(
                routed.pool.retry(),
                Failure::Timeout,
                failure::attempted(session, routed),
            ) == retry::Verdict::Pay
    });
    let (Some(soon), Some(lease)) = (soon, &routed.lease) else {
        return routed.link.expect(AttemptWatch::Answer { by });
    };
    let patience = Patience {
        pool: Arc::clone(&routed.pool),
        tried: routed.failed.tried().to_vec(),
        late: Arc::clone(lease.backend()),
        repeatable: routed.pick_request().repeatable,
        pays: !lease.has_free_retry(),
    };
    let again = soon.saturating_duration_since(now);
    routed.link.expect_soon(AttemptWatch::AnswerSoon { soon, again, by }, patience);
}
