//! What is known about a request on its way through.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use super::in_flight::InFlightGuard;
use crate::generation::Generation;
use crate::headers::{Client, RequestId};
use crate::pool::{Lease, Pool};
use crate::retry::Failure;

/// One request, from its header to its log line.
pub struct RequestContext {
    pub(super) generation: Arc<Generation>,
    /// When its header was complete.
    pub(super) started: Instant,
    /// Who sent it; unknown only where the system did not say.
    pub(super) client: Option<Client>,
    pub(super) request_id: Option<RequestId>,
    /// Set by the route.
    pub(super) pool: Option<Arc<Pool>>,
    /// The backend of the attempt under way, or of the last one.
    pub(super) lease: Option<Lease>,
    /// The backend that the next attempt is for. Claimed when that attempt is decided on, so that
    /// an answer is not given up for a try that then finds nobody.
    pub(super) next: Option<Lease>,
    /// Backends whose attempt has failed.
    pub(super) tried: Vec<SocketAddr>,
    /// Attempts begun.
    pub(super) attempts: u32,
    /// How the last attempt that failed did so.
    pub(super) failure: Option<Failure>,
    /// What the client was sent; 499 when it left before that, as in nginx.
    pub(super) status: u16,
    pub(super) in_flight: InFlightGuard,
}

impl RequestContext {
    pub(super) fn new(generation: Arc<Generation>, now: Instant, in_flight: InFlightGuard) -> Self {
        Self {
            generation,
            started: now,
            client: None,
            request_id: None,
            pool: None,
            lease: None,
            next: None,
            tried: Vec::new(),
            attempts: 0,
            failure: None,
            status: 0,
            in_flight,
        }
    }

    /// Claims a backend that was not tried for the next attempt. Returns whether there was one.
    pub(super) fn claim_next(&mut self) -> bool {
        self.next = self.pool.as_ref().and_then(|pool| pool.pick(&self.tried));
        self.next.is_some()
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
