//! Since when a backend has been in its state.
//!
//! Each reason that keeps a backend out has an instant of its own, so that the time is that of the reason
//! which is shown: a backend that is undrained while an ejection goes on was ejected when that ejection
//! began, not when the drain ended.

use std::time::Instant;

use super::super::event::EjectionEnd;
use super::{
    Health, Standing,
    eligibility::{self, Circumstances, Eligibility},
};

/// When each of these began; `None` while it does not hold. An ejection knows its own beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::backend) struct Since {
    /// Nothing but its load keeps it from a request.
    pub(in crate::backend) in_service: Option<Instant>,
    pub(in crate::backend) draining: Option<Instant>,
    pub(in crate::backend) unhealthy: Option<Instant>,
}

impl Standing {
    /// Notes what has begun or ended with the last change.
    pub(in crate::backend) fn note_since(&mut self, now: Instant) {
        let since = |holds: bool, before: Option<Instant>| holds.then(|| before.unwrap_or(now));
        let in_service = eligibility::of(self, Circumstances::default(), now).is_eligible();
        self.since = Since {
            in_service: since(in_service, self.since.in_service),
            draining: since(self.draining().is_some(), self.since.draining),
            unhealthy: since(self.health == Health::Unhealthy, self.since.unhealthy),
        };
    }

    /// When this state of the backend began. `None` if that is not noted: a backend is full for as long as
    /// requests last, and panic makes it eligible without an event of its own.
    pub(in crate::backend) fn since(&self, state: Eligibility) -> Option<Instant> {
        match state {
            Eligibility::Eligible => self.since.in_service,
            Eligibility::Draining(_) => self.since.draining,
            Eligibility::Unhealthy => self.since.unhealthy,
            Eligibility::Ejected { .. } => self.ejection.map(|ejection| ejection.began),
            Eligibility::HalfOpen { .. } => self.ejection.map(|ejection| match ejection.until {
                EjectionEnd::Probe(due) => due.max(ejection.began),
                EjectionEnd::ChecksPass => ejection.began,
            }),
            Eligibility::Full => None,
        }
    }
}
