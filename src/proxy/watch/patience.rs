//! What a learned limit comes to when it passes: the attempt ends only when another one can begin on
//! the spot, on a backend that was not tried, claimed, and with the budget paid.
//!
//! Whether that is possible is asked at that moment and not when the attempt begins, because
//! backends and budget have changed by then. Otherwise the backend keeps its time, so that on a day
//! on which all backends are slow requests are slow and do not fail.

use std::{sync::Arc, time::Instant};

use crate::backend::Backend;
use crate::pool::{Lease, PickRequest, Pool, TriedBackend};
use crate::retry::Failure;

/// What it takes to begin another attempt while one is under way.
#[derive(Debug)]
pub(in super::super) struct Patience {
    pub(in super::super) pool: Arc<Pool>,
    /// Backends that have failed the request before.
    pub(in super::super) tried: Vec<TriedBackend>,
    /// The backend that has not answered.
    pub(in super::super) late: Arc<Backend>,
    /// Whether the request may serve as a probe.
    pub(in super::super) repeatable: bool,
    /// Whether the budget pays for another attempt; the retry of a probe is free.
    pub(in super::super) pays: bool,
}

impl Patience {
    /// The backend of another attempt, claimed and paid for; `None` to wait on.
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
        // On a backend that the request has waited for already it would only wait longer.
        let is_new = !wanted.is_tried(&next.backend().id().address);
        (is_new && (!self.pays || budget.try_take(policy, now))).then_some(next)
    }
}
