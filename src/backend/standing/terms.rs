//! The term of an ejection, and the event that ends it.

use std::time::{Duration, Instant};

use super::super::{
    event::{AttemptFailure, BackendChange, EjectionCause, EjectionEnd},
    policy::Policy,
};
use super::{Ejection, Standing, doubling};
use crate::config::EjectionRules;

/// The longest ejection that a backend can ask for itself.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);
/// A term is shortened at random by up to this share, so that backends ejected together do not
/// return together.
const JITTER: f64 = 0.1;

impl Standing {
    /// Handles a refused connection. Requests that were under way when the first refusal ejected
    /// the backend change nothing more.
    pub(super) fn refused(
        &mut self,
        failed: &AttemptFailure,
        policy: &Policy,
        now: Instant,
    ) -> Option<BackendChange> {
        let adds_nothing =
            |ejection: Ejection| !ejection.is_limited() && !ejection.is_of_its_probe(failed);
        if self.ejection.is_some_and(adds_nothing) {
            return None;
        }
        self.listens = false;
        if policy.checked {
            return Some(self.eject_until_checks_pass(now));
        }
        Some(self.cool_down(now))
    }

    pub(super) fn eject_until_checks_pass(&mut self, now: Instant) -> BackendChange {
        self.ejections = self.in_succession(now);
        self.eject(EjectionCause::Refused, EjectionEnd::ChecksPass, now)
    }

    /// Ejects a backend that refuses until a probe; used if checks are off.
    pub(super) fn cool_down(&mut self, now: Instant) -> BackendChange {
        self.eject_again(EjectionCause::Refused, now, |times| doubling(times - 1))
    }

    /// Ejects for `base` times the number of ejections that followed one another. If no connection
    /// was made and checks run, it ejects until they pass, because a check tries the same.
    pub(super) fn eject_for(
        &mut self,
        failed: &AttemptFailure,
        policy: &Policy,
        rules: &EjectionRules,
        now: Instant,
    ) -> BackendChange {
        let no_connection =
            matches!(failed.cause, EjectionCause::ConnectTimeout | EjectionCause::ConnectFailure);
        if no_connection && policy.checked {
            self.ejections = self.in_succession(now);
            return self.eject(failed.cause, EjectionEnd::ChecksPass, now);
        }
        self.eject_again(failed.cause, now, |times| {
            let term = rules.base.saturating_mul(times).min(rules.max);
            term.mul_f64(1.0 - JITTER * failed.draw.clamp(0.0, 1.0))
        })
    }

    /// Ejects for as long as the backend has asked for, regardless of its failures.
    pub(super) fn leave_alone(&mut self, asked: Duration, now: Instant) -> BackendChange {
        self.ejections = self.in_succession(now);
        let end = EjectionEnd::Probe(now + asked.min(RETRY_AFTER_MAX));
        self.eject(EjectionCause::RetryAfter, end, now)
    }

    pub(super) fn eject_again(
        &mut self,
        cause: EjectionCause,
        now: Instant,
        length: impl Fn(u32) -> Duration,
    ) -> BackendChange {
        self.ejections = self.in_succession(now).saturating_add(1);
        self.term = length(self.ejections);
        self.eject(cause, EjectionEnd::Probe(now + self.term), now)
    }

    /// The number of ejections that followed one another; 0 once it has served for as long as the
    /// last one lasted.
    pub(super) fn in_succession(&self, now: Instant) -> u32 {
        let has_served = |since| now.saturating_duration_since(since) >= self.term;
        let is_over = self.ejection.is_none() && self.serving_since.is_none_or(has_served);
        if is_over { 0 } else { self.ejections }
    }
}
