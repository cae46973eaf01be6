//! All backends of a selector, eligible or not.
//!
//! A member is an index into each of the lists. The lists are separate because a choice reads the
//! backends and nothing else, and among ten thousand the memory that it touches decides its cost.
//! Primaries come before backups, so that a tier is a range of indexes.

use std::{ops::Range, sync::Arc};

use pingora_load_balancing::Backend as Discovered;

use super::snapshot::TIERS;
use crate::backend::Backend;

/// One backend, as it is added to the members.
pub(super) struct Member {
    /// The backend as Pingora knows it.
    pub(super) discovered: Discovered,
    pub(super) backend: Arc<Backend>,
    /// The weight as configured; at least 1.
    pub(super) weight: u64,
    pub(super) is_backup: bool,
}

/// The backends of one pool, in a fixed order.
#[derive(Debug, Clone)]
pub(super) struct Members {
    discovered: Box<[Discovered]>,
    backends: Box<[Arc<Backend>]>,
    weights: Box<[u64]>,
    /// The ranges of the primaries and of the backups.
    tiers: [Range<usize>; TIERS],
}

impl Members {
    pub(super) fn new(members: impl Iterator<Item = Member>) -> Self {
        let (backups, primaries): (Vec<_>, Vec<_>) = members.partition(|member| member.is_backup);
        let all = || primaries.iter().chain(&backups);
        Self {
            discovered: all().map(|member| member.discovered.clone()).collect(),
            backends: all().map(|member| Arc::clone(&member.backend)).collect(),
            weights: all().map(|member| member.weight).collect(),
            tiers: [0..primaries.len(), primaries.len()..primaries.len() + backups.len()],
        }
    }

    pub(super) fn discovered(&self, member: usize) -> &Discovered {
        &self.discovered[member]
    }

    pub(super) fn backend(&self, member: usize) -> &Backend {
        &self.backends[member]
    }

    /// The members of a tier; `None` after the last tier.
    pub(super) fn tier(&self, tier: usize) -> Option<Range<usize>> {
        self.tiers.get(tier).cloned()
    }

    /// The members of each tier with their weights: the configured one, unless an operator has set
    /// another.
    pub(super) fn by_tier(&self) -> [impl Iterator<Item = (usize, &Backend, u64)>; TIERS] {
        self.tiers.clone().map(|members| {
            members.map(|member| {
                let backend = self.backend(member);
                (member, backend, backend.weight().unwrap_or(self.weights[member]))
            })
        })
    }
}
