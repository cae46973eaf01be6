//! An attempt's claim on a backend, given back on drop.
//!
//! What is in flight must be counted out on every path: an answer, an error, a client that left,
//! a retry, a panic. Dropping is the one thing that all of them do.

use std::sync::Arc;

use pingora_core::upstreams::peer::HttpPeer;

use super::Member;
use crate::backend::Backend;

/// One request in flight on one backend.
#[must_use = "dropping a lease gives the backend back"]
pub struct Lease {
    member: Arc<Member>,
}

impl Lease {
    pub(super) fn new(member: Arc<Member>) -> Self {
        member.backend.enter();
        Self { member }
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
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.member.backend.leave();
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Lease").field(&self.member.backend.id()).finish()
    }
}
