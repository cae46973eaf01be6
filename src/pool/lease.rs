//! An attempt's claim on a backend, given back on drop.
//!
//! What is in flight must be counted out on every path: an answer, an error, a client that left,
//! a retry, a panic. Dropping is the one thing that all of them do.

use std::sync::Arc;

use pingora_core::upstreams::peer::HttpPeer;

use super::{Member, Pool};
use crate::backend::Backend;

/// One request in flight on one backend.
#[must_use = "dropping a lease gives the backend back"]
pub struct Lease {
    member: Arc<Member>,
    is_probe: bool,
    /// The pool, where it has to know that the backend is given back.
    pool: Option<Arc<Pool>>,
}

impl Lease {
    /// Of a backend that counts this request already.
    pub(super) fn new(pool: &Arc<Pool>, member: &Arc<Member>, is_probe: bool) -> Self {
        let concerns_pool = is_probe || member.backend.limit().is_some();
        Self { member: Arc::clone(member), is_probe, pool: concerns_pool.then(|| Arc::clone(pool)) }
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

    /// Whether this request is to show that an ejected backend works again.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.is_probe
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.member.backend.leave();
        if let Some(pool) = &self.pool {
            pool.given_back(&self.member.backend, self.is_probe);
        }
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease")
            .field("backend", &self.member.backend.id())
            .field("is_probe", &self.is_probe)
            .finish_non_exhaustive()
    }
}
