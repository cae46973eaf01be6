//! What is known about a request, stage by stage: received, routed, and attempted on one backend
//! after another.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::StatusCode;

use super::{answer_header::AnswerHeader, client::ClientLink};
use crate::backend::Backend;
use crate::generation::Generation;
use crate::headers::{Client, RequestId, TraceContext};
use crate::http1::Fields;
use crate::in_flight::InFlightGuard;
use crate::pool::{FailedAttempt, Lease, PickRequest, Pool, TriedBackend};
use crate::retry::{self, Failure};
use crate::target::Target;

/// One request, from its header to its log line.
pub struct RequestContext {
    pub(super) generation: Arc<Generation>,
    /// When its header was complete.
    pub(super) started: Instant,
    /// Present once the first hook has run.
    pub(super) received: Option<Received>,
    /// Present once the request has a pool.
    pub(super) routed: Option<Routed>,
    /// The header of an answer between the hooks that see it.
    pub(super) answer: Option<Box<AnswerHeader>>,
    /// The fields of the answer, if the access log asks for any of them.
    pub(super) logged_answer: Option<Box<Fields>>,
    /// Why `lb` answered the request itself, before any attempt.
    pub(super) refusal: Option<&'static str>,
    /// The status of `lb`'s own answer, or 499 as in nginx for a client that left before one.
    pub(super) status: Option<u16>,
    pub(super) in_flight: InFlightGuard,
}

/// What the header of a request says about where it comes from.
pub(super) struct Received {
    pub(super) link: Arc<ClientLink>,
    /// The fields that are for the server behind the proxy.
    pub(super) fields: Fields,
    pub(super) client: Client,
    pub(super) request_id: RequestId,
    /// The trace that the request is a part of, if any.
    pub(super) trace: Option<TraceContext>,
}

/// A request on its way to the backends of a pool.
pub(super) struct Routed {
    pub(super) link: Arc<ClientLink>,
    /// The place of its route in the configuration.
    pub(super) route: usize,
    pub(super) pool: Arc<Pool>,
    /// Whether executing the request twice does no harm.
    pub(super) repeatable: bool,
    /// Whether all of the body has been received, so that the client cannot delay the request.
    pub(super) is_body_at_hand: bool,
    /// When the header of an answer is due, over all attempts; `None` for a tunnel.
    pub(super) deadline: Option<Instant>,
    /// The attempt under way, or the last one.
    pub(super) attempt: Option<Attempt>,
    /// The claim on the backend of that attempt, until it is given back.
    pub(super) lease: Option<Lease>,
    /// The backend that the next attempt is for. It is claimed when that attempt is decided on, so
    /// that no answer is given up for a try that then finds no backend. It is `None` while the
    /// attempt waits in the queue.
    pub(super) next: Option<Lease>,
    /// How long to wait before the next attempt.
    pub(super) back_off: Duration,
    pub(super) failed: FailedTries,
    /// The claim on a backend whose answer was invalid. Whether that counts against the backend shows
    /// when another one has answered: where both answers are invalid, the request is what is odd.
    pub(super) doubted: Option<(Lease, FailedAttempt)>,
    /// How the last attempt that failed did so.
    pub(super) failure: Option<Failure>,
    /// When no backend could take the request: how many backends for each reason.
    pub(super) unavailable: Option<Vec<(&'static str, usize)>>,
}

/// The attempts of a request that have failed, in order.
#[derive(Debug, Default)]
pub(super) struct FailedTries {
    /// Kept apart from the progress of the tries, because a pick needs these alone.
    tried: Vec<TriedBackend>,
    attempts: Vec<Attempt>,
}

/// The progress of an attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    /// Which attempt of the request it is, counted from 1.
    pub(super) number: u32,
    pub(super) began: Instant,
    pub(super) connected: Option<Instant>,
    /// Whether that connection had served another request.
    pub(super) reused: bool,
    /// When the last of the request was sent.
    pub(super) sent: Option<Instant>,
    /// When the header of an answer had come.
    pub(super) first_byte: Option<Instant>,
    /// Whether the time for the whole request leaves less than the backend may take.
    pub(super) is_capped: bool,
    pub(super) verdict: Verdict,
    /// The status of the answer.
    pub(super) status: Option<u16>,
    /// When it failed.
    pub(super) failed: Option<Instant>,
}

/// What the answer of an attempt says about its backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There is no answer yet.
    None,
    /// The answer has begun and does not count against the backend.
    Good,
    /// The answer has begun, counts against the backend, and was noted.
    Failed,
    /// A tunnel. How it ends says nothing about the backend.
    Tunnel,
}

impl RequestContext {
    pub(super) fn new(generation: Arc<Generation>, now: Instant, in_flight: InFlightGuard) -> Self {
        Self {
            generation,
            started: now,
            received: None,
            routed: None,
            answer: None,
            logged_answer: None,
            refusal: None,
            status: None,
            in_flight,
        }
    }

    /// The id of the request, as answers and logs show it.
    pub(super) fn id(&self) -> &str {
        self.received.as_ref().map_or("-", |received| received.request_id.as_str())
    }

    /// The target of the request's route.
    pub(super) fn target(&self) -> Option<&Target> {
        self.generation.target(self.routed.as_ref()?.route)
    }

    /// The attempt under way, or the last one.
    pub(super) fn attempt(&self) -> Option<&Attempt> {
        self.routed.as_ref()?.attempt.as_ref()
    }

    /// A copy of the fields of an answer, if the access log asks for any of them.
    pub(super) fn copy_for_log(&self, answer: &Fields) -> Option<Box<Fields>> {
        let is_logged =
            self.generation.access_log.as_ref().is_some_and(|log| log.has_answer_headers());
        is_logged.then(|| Box::new(answer.clone()))
    }

    /// Notes that no backend could take the request. The reasons are counted on the spot, because
    /// they may have changed by the time the request is logged; without an access log and traces they are
    /// not counted.
    pub(super) fn note_unavailable(&mut self, now: Instant) {
        let is_told = self.generation.access_log.is_some() || self.generation.tracer.is_some();
        if let (true, Some(routed)) = (is_told, &mut self.routed) {
            routed.unavailable = Some(routed.pool.reasons(&routed.pick_request(), now));
        }
    }
}

impl Routed {
    pub(super) fn new(
        link: Arc<ClientLink>,
        (route, pool): (usize, Arc<Pool>),
        repeatable: bool,
    ) -> Self {
        Self {
            is_body_at_hand: link.facts().is_body_at_hand,
            link,
            route,
            pool,
            repeatable,
            deadline: None,
            attempt: None,
            lease: None,
            next: None,
            back_off: Duration::ZERO,
            failed: FailedTries::default(),
            doubted: None,
            failure: None,
            unavailable: None,
        }
    }

    /// What the next attempt asks of a backend.
    pub(super) fn pick_request(&self) -> PickRequest<'_> {
        let is_at_hand = self.repeatable && self.is_body_at_hand;
        let may_probe = retry::may_probe(self.pool.retry(), self.attempts(), is_at_hand);
        let request = PickRequest::new(self.failed.tried(), may_probe);
        PickRequest { may_be_last_resort: is_at_hand, ..request }
    }

    /// Whether a retry of the attempt under way costs no budget.
    pub(super) fn has_free_retry(&self) -> bool {
        let doubted = self.doubted.as_ref().map(|(lease, _)| lease);
        self.lease.as_ref().or(doubted).is_some_and(Lease::has_free_retry)
    }

    /// Attempts begun.
    pub(super) fn attempts(&self) -> u32 {
        self.attempt.map_or(0, |attempt| attempt.number)
    }

    /// Whether the last attempt is one of those that failed.
    pub(super) fn has_failed_last(&self) -> bool {
        self.failed.attempts.last().is_some_and(|failed| failed.number == self.attempts())
    }

    /// The backend of the last attempt.
    pub(super) fn last_backend(&self) -> Option<&Backend> {
        let current = self.lease.as_ref().map(|lease| &**lease.backend());
        current.or_else(|| self.failed.tried().last().map(|tried| &*tried.backend))
    }

    /// The time left for the whole request; `None` if it has no limit.
    pub(super) fn time_left(&self, now: Instant) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(now))
    }

    /// Extends the deadline by time that the client took to send its body, which is neither the
    /// backend's nor `lb`'s.
    pub(super) fn prolong(&mut self, by: Duration) {
        if let Some(deadline) = &mut self.deadline {
            *deadline += by;
        }
    }
}

impl FailedTries {
    pub(super) fn push(&mut self, tried: TriedBackend, attempt: Attempt) {
        self.tried.push(tried);
        self.attempts.push(attempt);
    }

    /// The backends that failed, and how.
    pub(super) fn tried(&self) -> &[TriedBackend] {
        &self.tried
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&TriedBackend, &Attempt)> {
        self.tried.iter().zip(&self.attempts)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tried.is_empty()
    }
}

impl Attempt {
    pub(super) fn beginning(number: u32, now: Instant) -> Self {
        Self {
            number,
            began: now,
            connected: None,
            reused: false,
            sent: None,
            first_byte: None,
            is_capped: false,
            verdict: Verdict::None,
            status: None,
            failed: None,
        }
    }

    /// The header of an answer has come; 100 and 103 only announce one.
    pub(super) fn answer_began(&mut self, status: StatusCode, now: Instant) {
        if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
            (self.first_byte, self.status) = (Some(now), Some(status.as_u16()));
        }
    }

    /// How long the connection took; `None` when there is none.
    pub(super) fn connect_time(&self) -> Option<Duration> {
        self.connected.map(|connected| connected.saturating_duration_since(self.began))
    }

    /// From the end of the request to the beginning of the answer; `None` when there is none, and
    /// zero when it came before the end of the request.
    pub(super) fn first_byte_time(&self) -> Option<Duration> {
        let since = |sent: Instant, answered: Instant| answered.saturating_duration_since(sent);
        self.first_byte.map(|at| self.sent.map_or(Duration::ZERO, |sent| since(sent, at)))
    }

    /// How long ago the last of the request was sent.
    pub(super) fn waited(&self, now: Instant) -> Option<Duration> {
        self.sent.map(|sent| now.saturating_duration_since(sent))
    }
}

impl std::fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestContext")
            .field("request_id", &self.id())
            .field("attempt", &self.attempt())
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}
