//! What a learned limit on the first byte comes to.
//!
//! A backend that takes much longer than its pool usually does is probably stuck, and another one
//! would answer sooner. Probably: so the attempt is given up only when another can be begun on the
//! spot, with a backend in hand that was not tried and the budget paid. Otherwise the backend keeps its time, and a
//! day on which all of them are slow is slow, but nothing fails.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::backend::Backend;
use crate::pool::{Lease, PickRequest, Pool, TriedBackend};
use crate::retry::Failure;

/// Decides, once the learned limit has passed, whether to wait on.
#[derive(Debug)]
pub(super) struct Patience {
    pub(super) pool: Arc<Pool>,
    /// Who has failed the request before.
    pub(super) tried: Vec<TriedBackend>,
    /// Who is late.
    pub(super) late: Arc<Backend>,
    /// Whether the request may serve as a probe.
    pub(super) repeatable: bool,
    /// Whether the budget pays for another attempt; a probe is our own doing.
    pub(super) pays: bool,
    /// How long to wait where no other attempt can be begun.
    pub(super) at_most: Instant,
    /// How long until that is asked again.
    pub(super) again: Duration,
}

impl Patience {
    /// The backend of another attempt, claimed and paid for; `None` to wait on.
    fn give_up(&self, now: Instant) -> Option<Lease> {
        let late =
            TriedBackend { backend: Arc::clone(&self.late), failure: Failure::LearnedTimeout };
        let tried: Vec<_> = self.tried.iter().cloned().chain([late]).collect();
        let wanted = PickRequest::new(tried, self.repeatable);
        let (budget, policy) = (self.pool.budget(), self.pool.retry());
        if self.pays && !budget.has_left(policy, now) {
            return None;
        }
        let next = self.pool.pick(&wanted, now).ok()?;
        // To begin again where the request has waited already is to wait longer.
        let is_new = !wanted.is_tried(&next.backend().id().address);
        (is_new && (!self.pays || budget.try_take(policy, now))).then_some(next)
    }
}

/// The learned limit of a connection's request, if it has one now, and what came of it.
#[derive(Debug, Default)]
pub(super) struct LearnedLimit {
    patience: Mutex<Option<Patience>>,
    /// Whether there is any; spares the lock.
    is_set: AtomicBool,
    next: Mutex<Option<Lease>>,
}

impl LearnedLimit {
    pub(super) fn set(&self, patience: Patience) {
        *self.patience.lock() = Some(patience);
        self.is_set.store(true, Ordering::Relaxed);
    }

    pub(super) fn forget(&self) {
        if self.is_set.swap(false, Ordering::Relaxed) {
            *self.patience.lock() = None;
        }
    }

    /// A deadline has passed. Returns a later one, if it was the learned one and nothing better
    /// than waiting can be done.
    pub(super) fn prolonged(&self, now: Instant) -> Option<Instant> {
        if !self.is_set.load(Ordering::Relaxed) {
            return None;
        }
        let mut patience = self.patience.lock();
        let waiting = patience.as_ref().filter(|patience| now < patience.at_most)?;
        let next = waiting.give_up(now);
        let later = (now + waiting.again).min(waiting.at_most);
        if next.is_none() {
            return Some(later);
        }
        *self.next.lock() = next;
        *patience = None;
        self.is_set.store(false, Ordering::Relaxed);
        None
    }

    /// The backend of another attempt, when the learned limit has ended this one.
    pub(super) fn take_next(&self) -> Option<Lease> {
        self.next.lock().take()
    }
}
