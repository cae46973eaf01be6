//! What is known about a request on its way through.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::StatusCode;

use crate::generation::Generation;
use crate::headers::{Client, RequestId, TraceContext};
use crate::in_flight::InFlightGuard;
use crate::pool::{Lease, PickRequest, Pool, TriedBackend};
use crate::retry::Failure;

/// As much of a body as Pingora keeps for a retry.
const REPLAYED: u64 = 64 * 1024;

/// One request, from its header to its log line.
pub struct RequestContext {
    pub(super) generation: Arc<Generation>,
    /// When its header was complete.
    pub(super) started: Instant,
    /// When the header of an answer is due, whatever happens; `None` for a tunnel.
    pub(super) deadline: Option<Instant>,
    /// Who sent it; unknown only where the system did not say.
    pub(super) client: Option<Client>,
    pub(super) request_id: Option<RequestId>,
    /// The trace that it is a part of, if any.
    pub(super) trace: Option<TraceContext>,
    /// Set by the route.
    pub(super) pool: Option<Arc<Pool>>,
    /// Whether executing it twice does no harm.
    pub(super) repeatable: bool,
    /// Bytes of its body, where that is known.
    pub(super) body: Option<u64>,
    /// The backend of the attempt under way, or of the last one.
    pub(super) lease: Option<Lease>,
    /// The backend that the next attempt is for. Claimed when that attempt is decided on, so that
    /// an answer is not given up for a try that then finds nobody; not yet claimed when the
    /// attempt has to wait in the queue.
    pub(super) next: Option<Lease>,
    /// How long to wait before the next attempt.
    pub(super) back_off: Duration,
    /// Backends whose attempt has failed, in order.
    pub(super) tried: Vec<TriedBackend>,
    /// How far each of those attempts had come, in the same order.
    pub(super) ended: Vec<Progress>,
    /// Why nobody could take it, when nobody could: how many backends for each reason.
    pub(super) no_backend: Option<Vec<(&'static str, usize)>>,
    /// Attempts begun.
    pub(super) attempts: u32,
    /// The attempt under way, or the last one.
    pub(super) attempt: Progress,
    /// How the last attempt that failed did so.
    pub(super) failure: Option<Failure>,
    /// Why we answered ourselves before any attempt.
    pub(super) refusal: Option<&'static str>,
    /// What the client was sent; 499 when it left before that, as in nginx.
    pub(super) status: u16,
    pub(super) in_flight: InFlightGuard,
}

/// How far an attempt has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
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
    /// What has come back.
    pub(super) answer: Answer,
    /// The status of that; 0 for none.
    pub(super) status: u16,
}

/// What has come back of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nothing yet.
    None,
    /// The beginning of an answer that does not count against the backend.
    Good,
    /// The beginning of one that does, and was noted.
    Failed,
    /// A tunnel; how it ends is the two ends' business.
    Tunnel,
}

impl Progress {
    pub(super) fn beginning(number: u32, now: Instant) -> Self {
        Self {
            number,
            began: now,
            connected: None,
            reused: false,
            sent: None,
            first_byte: None,
            is_capped: false,
            answer: Answer::None,
            status: 0,
        }
    }

    /// The header of an answer has come; 100 and 103 only announce one.
    pub(super) fn answer_began(&mut self, status: StatusCode, now: Instant) {
        if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
            (self.first_byte, self.status) = (Some(now), status.as_u16());
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
}

impl RequestContext {
    pub(super) fn new(generation: Arc<Generation>, now: Instant, in_flight: InFlightGuard) -> Self {
        Self {
            generation,
            started: now,
            deadline: None,
            client: None,
            request_id: None,
            trace: None,
            pool: None,
            repeatable: false,
            body: None,
            lease: None,
            next: None,
            back_off: Duration::ZERO,
            tried: Vec::new(),
            ended: Vec::new(),
            no_backend: None,
            attempts: 0,
            attempt: Progress::beginning(0, now),
            failure: None,
            refusal: None,
            status: 0,
            in_flight,
        }
    }

    /// What the next attempt asks of a backend.
    pub(super) fn pick_request(&self) -> PickRequest<'_> {
        let is_small = self.body.is_some_and(|bytes| bytes <= REPLAYED);
        PickRequest::new(&*self.tried, self.repeatable && is_small)
    }

    /// Whether the last attempt is one of those that failed.
    pub(super) fn has_failed_last(&self) -> bool {
        self.ended.last().is_some_and(|ended| ended.number == self.attempts)
    }

    /// Nobody could take it. The reasons are counted on the spot, because they may be others when
    /// it is logged; without a log nobody asks.
    pub(super) fn found_nobody(&mut self, now: Instant) {
        if let (Some(_), Some(pool)) = (&self.generation.access_log, &self.pool) {
            self.no_backend = Some(pool.reasons(&self.pick_request(), now));
        }
    }

    /// What is left of the time for the whole request; `None` when that has no limit.
    pub(super) fn time_left(&self, now: Instant) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(now))
    }

    /// The client took so long to send; that is not the backend's time, nor ours.
    pub(super) fn prolong(&mut self, by: Duration) {
        if let Some(deadline) = &mut self.deadline {
            *deadline += by;
        }
    }
}

impl std::fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestContext")
            .field("request_id", &self.request_id)
            .field("lease", &self.lease)
            .field("attempts", &self.attempts)
            .field("failure", &self.failure)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}
