//! An attempt's claim on a backend, given back on drop.
//!
//! Every path must count the request out: an answer, an error, a client that left, a retry, a
//! panic. A drop happens on all of them.

use std::sync::{Arc, Weak};

use pingora_core::upstreams::peer::HttpPeer;

use crate::backend::Backend;
use crate::discovery::Endpoint;

/// A backend of a pool, and how to connect to it under the pool's configuration.
pub(super) struct Member {
    pub(super) backend: Arc<Backend>,
    pub(super) endpoint: Endpoint,
    pub(super) peer: HttpPeer,
    /// The pool that it is given back to.
    pub(super) lender: Weak<dyn Lender>,
}

/// The owner of leases, which is notified when a backend is given back.
pub(super) trait Lender: Send + Sync {
    /// Notes that a request on this backend has ended; `was_probe` says whether it was its probe.
    fn given_back(&self, backend: &Arc<Backend>, was_probe: bool);
}

/// One request in flight on one backend.
#[must_use = "dropping a lease gives the backend back"]
pub struct Lease {
    member: Arc<Member>,
    claim: Claim,
}

/// The reason for a claim on a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// An ordinary request.
    Request,
    /// A probe that was due.
    Probe,
    /// A probe before its time, because the request would fail otherwise.
    EarlyProbe,
}

impl Lease {
    /// A lease of a backend that counts this request already.
    pub(super) fn new(member: Arc<Member>, claim: Claim) -> Self {
        Self { member, claim }
    }

    /// The backend that is claimed.
    #[must_use]
    pub fn backend(&self) -> &Arc<Backend> {
        &self.member.backend
    }

    /// How to connect to it.
    #[must_use]
    pub fn peer(&self) -> &HttpPeer {
        &self.member.peer
    }

    /// Whether this request is the probe of an ejected backend.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.claim != Claim::Request
    }

    /// Whether a retry of the request costs no budget: a probe that was due was sent in `lb`'s
    /// interest. In an outage many requests are early probes, and free retries of these would make
    /// it worse.
    #[must_use]
    pub fn has_free_retry(&self) -> bool {
        self.claim == Claim::Probe
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let backend = &self.member.backend;
        backend.leave();
        // Only probes and backends with a limit concern other requests. Most leases end without
        // touching the pool, which all threads share.
        if (self.is_probe() || backend.limit().is_some())
            && let Some(lender) = self.member.lender.upgrade()
        {
            lender.given_back(backend, self.is_probe());
        }
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease")
            .field("backend", &self.member.backend.id())
            .field("claim", &self.claim)
            .finish_non_exhaustive()
    }
}
