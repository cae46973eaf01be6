//! The changes that active checks make to a standing.

use std::{mem, time::Instant};

use super::super::{
    event::{BackendChange, EjectionEnd, ReadmissionCause},
    policy::Policy,
};
use super::{Health, Standing};

impl Standing {
    pub(super) fn check_passed(&mut self, policy: &Policy) -> Vec<BackendChange> {
        let mut changes = vec![];
        self.failures = 0;
        self.listens = true;
        self.passes = self.passes.saturating_add(1);
        let has_risen = self.passes >= policy.rise;
        // Only a backend that was healthy before can flap, so the first pass of another is enough.
        if self.health != Health::Unhealthy || has_risen || !self.was_healthy {
            self.was_healthy = true;
            if mem::replace(&mut self.health, Health::Healthy) == Health::Unhealthy {
                changes.push(BackendChange::BecameHealthy(self.passes));
            }
        }
        let waits = |ejection: &mut super::Ejection| ejection.until == EjectionEnd::ChecksPass;
        if has_risen && self.ejection.take_if(waits).is_some() {
            let cause = ReadmissionCause::ChecksPassed(self.passes);
            changes.push(BackendChange::Readmitted(cause));
        }
        changes
    }

    pub(super) fn check_failed(
        &mut self,
        policy: &Policy,
        refused: bool,
        now: Instant,
    ) -> Vec<BackendChange> {
        let mut changes = vec![];
        self.passes = 0;
        self.listens = !refused;
        self.failures = self.failures.saturating_add(1);
        let has_fallen = self.health == Health::Unchecked
            || (self.health == Health::Healthy && self.failures >= policy.fall);
        if has_fallen {
            self.health = Health::Unhealthy;
            changes.push(BackendChange::BecameUnhealthy(self.failures));
        }
        // A backend that does not even listen is gone, regardless of the cause of its ejection;
        // once something listens there again, that is another process.
        if refused && self.ejection.is_some_and(|ejection| ejection.is_limited()) {
            changes.push(self.eject_until_checks_pass(now));
        }
        changes
    }

    /// Handles the end of checks: a backend that waits for checks to pass is probed instead.
    pub(super) fn checks_ended(&mut self, now: Instant) {
        (self.health, self.was_healthy) = (Health::Unchecked, false);
        (self.passes, self.failures) = (0, 0);
        if let Some(ejection) = &mut self.ejection
            && ejection.until == EjectionEnd::ChecksPass
        {
            ejection.until = EjectionEnd::Probe(now);
        }
    }
}
