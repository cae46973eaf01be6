//! The number of a pool's backends in each state, and what the pool can therefore afford.
//!
//! Ejection is a guess, so it removes at most half of a pool and never the last backend. If the
//! last backend goes for another reason, ejected backends are readmitted.

use std::time::Instant;

use super::super::standing::{
    Health, Standing,
    eligibility::{self, Circumstances},
};
use crate::config::Percent;

/// The contribution of one backend to the tally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TallyEntry {
    /// Whether nothing but its load keeps it from a request.
    pub(super) in_service: bool,
    /// Whether it is ejected for a cause that is limited to half of the pool.
    pub(super) ejected: bool,
    /// Whether it is ejected for such a cause, and nothing else keeps it from a request.
    pub(super) spare: bool,
    /// Whether it is neither drained nor refusing connections, so that panic may use it.
    pub(super) listens: bool,
    /// Whether panic may use it and it is unhealthy.
    pub(super) unhealthy: bool,
}

impl TallyEntry {
    pub(super) fn of(standing: &Standing, now: Instant) -> Self {
        let drains = standing.draining().is_some();
        let listens = !drains && standing.listens;
        let ejected = standing.ejection.is_some_and(|ejection| ejection.is_limited());
        Self {
            in_service: eligibility::of(standing, Circumstances::default(), now).is_eligible(),
            ejected,
            spare: ejected && !drains && standing.health != Health::Unhealthy,
            listens,
            unhealthy: listens && standing.health == Health::Unhealthy,
        }
    }
}

/// The backends of a pool by state.
#[derive(Debug, Default)]
pub(super) struct Tally {
    members: usize,
    in_service: usize,
    ejected: usize,
    spare: usize,
    listening: usize,
    unhealthy: usize,
}

impl Tally {
    pub(super) fn add(&mut self, part: TallyEntry) {
        self.members += 1;
        self.in_service += usize::from(part.in_service);
        self.ejected += usize::from(part.ejected);
        self.spare += usize::from(part.spare);
        self.listening += usize::from(part.listens);
        self.unhealthy += usize::from(part.unhealthy);
    }

    pub(super) fn remove(&mut self, part: TallyEntry) {
        self.members -= 1;
        self.in_service -= usize::from(part.in_service);
        self.ejected -= usize::from(part.ejected);
        self.spare -= usize::from(part.spare);
        self.listening -= usize::from(part.listens);
        self.unhealthy -= usize::from(part.unhealthy);
    }

    /// Whether the pool can spare this backend.
    pub(super) fn has_room(&self, part: TallyEntry) -> bool {
        let ejected = self.ejected + usize::from(!part.ejected);
        let left = self.in_service - usize::from(part.in_service);
        2 * ejected <= self.members && left > 0
    }

    /// Whether ejected backends must be readmitted because no backend is in service.
    pub(super) fn must_lift(&self) -> bool {
        self.in_service == 0 && self.spare > 0
    }

    /// Whether the share of unhealthy backends is above the threshold, so that the checks are more
    /// likely wrong than the backends.
    pub(super) fn is_panic(&self, threshold: Option<Percent>) -> bool {
        threshold.is_some_and(|threshold| {
            100 * self.unhealthy > usize::from(threshold.get()) * self.listening
        })
    }

    /// Whether no backend can take a request, regardless of load.
    pub(super) fn is_empty(&self, panic: bool) -> bool {
        self.in_service == 0 && !(panic && self.unhealthy > 0)
    }

    /// The number of unhealthy backends, and the number of those that listen.
    pub(super) fn unhealthy(&self) -> (usize, usize) {
        (self.unhealthy, self.listening)
    }
}
