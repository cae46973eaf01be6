//! How many of a pool are in which state, and what a pool can therefore afford.
//!
//! Ejecting is a guess from traffic. A guess must not make things worse, so it takes out half of a
//! pool at most, and never the last one; when the last one goes for another reason, whoever was
//! ejected by a guess is better than nobody.

use std::time::Instant;

use super::super::standing::{
    Health, Standing,
    eligibility::{self, Circumstances},
};
use crate::config::Percent;

/// What one backend adds to the tally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TallyEntry {
    /// Nothing but its load stands in the way of a request.
    pub(super) in_service: bool,
    /// Ejected for a cause that is limited.
    pub(super) ejected: bool,
    /// One of those, and nothing else stands in its way.
    pub(super) spare: bool,
    /// Neither drained nor refusing: panic may use it.
    pub(super) listens: bool,
    /// One of those, but unhealthy.
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

    /// Whether somebody must be let back in.
    pub(super) fn is_nobody_left(&self) -> bool {
        self.in_service == 0 && self.spare > 0
    }

    /// Whether so many are unhealthy that the checks are more likely wrong than the backends.
    pub(super) fn is_panic(&self, threshold: Option<Percent>) -> bool {
        threshold.is_some_and(|threshold| {
            100 * self.unhealthy > usize::from(threshold.get()) * self.listening
        })
    }

    /// Whether nobody can take a request, full or not.
    pub(super) fn is_empty(&self, panic: bool) -> bool {
        self.in_service == 0 && !(panic && self.unhealthy > 0)
    }

    /// Unhealthy backends, of so many that listen.
    pub(super) fn unhealthy(&self) -> (usize, usize) {
        (self.unhealthy, self.listening)
    }
}
