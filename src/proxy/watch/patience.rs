//! Decides when a learned limit passes: the attempt ends only if another one can begin at once, on
//! a backend that was not tried and has been claimed, with the budget paid.
//!
//! This is decided at that moment and not when the attempt begins, because backends and budget have
//! changed by then. Otherwise the backend keeps its full time, so that if all backends are slow,
//! requests are slow and do not fail.

use std::{sync::Arc, time::Instant};

use crate::backend::Backend;
use crate::pool::{Lease, PickRequest, Pool, TriedBackend};
use crate::retry::Failure;

/// Everything needed to begin another attempt while one is under way.
#[derive(Debug)]
pub(in super::super) struct Patience {
    pub(in super::super) pool: Arc<Pool>,
    /// Backends that have failed the request before.
    pub(in super::super) tried: Vec<TriedBackend>,
    /// The backend that has not answered.
    pub(in super::super) late: Arc<Backend>,
    /// Whether the request may serve as a probe.
    pub(in super::super) repeatable: bool,
    /// Whether another attempt is charged to the budget; the retry of a probe is free.
    pub(in super::super) pays: bool,
}

impl Patience {
    /// Claims and pays for the backend of another attempt; `None` to go on waiting.
    pub(in super::super) fn give_up(&self, now: Instant) -> Option<Lease> {
        let late =
            TriedBackend { backend: Arc::clone(&self.late), failure: Failure::LearnedTimeout };
        let tried: Vec<_> = self.tried.iter().cloned().chain([late]).collect();
        let wanted = PickRequest::new(tried, self.repeatable);
        let (budget, policy) = (self.pool.budget(), self.pool.retry());
        if self.pays && !budget.has_left(policy, now) {
            return None;
        }
        let next = self.pool.pick(&wanted, now).ok()?;
        // A backend that the request has waited for already would only make it wait longer.
        let is_new = !wanted.is_tried(&next.backend().id().address);
        (is_new && (!self.pays || budget.try_take(policy, now))).then_some(next)
    }
}
