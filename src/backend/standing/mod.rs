//! What a backend's checks and its traffic have shown, and what follows from it.
//!
//! Two witnesses, two words. **Health** is the verdict of active checks: `fall` failures in a row
//! make a backend unhealthy, `rise` passes in a row make it healthy again. **Ejection** is the
//! verdict of traffic: a refused connection is proof enough, anything else must repeat.
//!
//! What brings a backend back depends on what took it out. One that refused connections listens
//! again when its checks pass. One that failed requests while it listened passes checks all the
//! time, so it serves its time, and then one request has to be answered. With checks off, one that
//! refused is probed as well, soon at first and later less often.
//!
//! Pingora keeps a verdict of its own and reports only when that flips. A backend that a failed
//! request took out while Pingora thinks it healthy would never be reported healthy again, which
//! is why the results themselves are counted here.

mod checks;
pub(in crate::backend) mod eligibility;
mod operator;

use std::time::{Duration, Instant};

pub use eligibility::Eligibility;
use serde::{Deserialize, Serialize};

use super::{
    event::{AttemptFailure, BackendChange, EjectionCause, EjectionEnd, Event, ReadmissionCause},
    policy::Policy,
};
use crate::config::EjectionRules;

/// The first cool-down after a refused connection where checks are off. It costs a client nothing.
const COOL_DOWN: Duration = Duration::from_secs(1);
/// The longest of these.
const COOL_DOWN_MAX: Duration = Duration::from_secs(60);
/// Failures that are all that a backend has shown for so long need not be so many.
const NOTHING_ELSE: Duration = Duration::from_secs(1);
/// How many are enough then: one may be the request's own fault.
const FEWER: u32 = 2;
/// The longest ejection that a backend can ask for itself.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);
/// Shortens a term by up to so much, so that those ejected together do not return together.
const JITTER: f64 = 0.1;

/// The verdict of active checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Health {
    /// No check has ended yet; it is used. The first result decides.
    #[default]
    Unchecked,
    /// Used.
    Healthy,
    /// Not used.
    Unhealthy,
}

/// An ejection that was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backend) struct Ejection {
    pub(in crate::backend) cause: EjectionCause,
    pub(in crate::backend) until: EjectionEnd,
    /// A probe is under way.
    pub(in crate::backend) probing: bool,
    /// Probes in a row that have shown nothing.
    unproven: u32,
}

impl Ejection {
    pub(in crate::backend) fn new(cause: EjectionCause, until: EjectionEnd) -> Self {
        Self { cause, until, probing: false, unproven: 0 }
    }

    /// Whether it is one of those that must not take out more than a part of a pool. Who refuses
    /// has taken itself out.
    pub(in crate::backend) fn is_limited(&self) -> bool {
        !matches!(self.cause, EjectionCause::Refused | EjectionCause::Operator)
    }
}

/// What checks and traffic have shown of one backend.
#[derive(Debug, Clone)]
pub struct Standing {
    pub(in crate::backend) health: Health,
    pub(in crate::backend) ejection: Option<Ejection>,
    /// The configuration says so.
    pub(in crate::backend) configured: bool,
    /// What an operator says instead: to drain, or not to.
    pub(in crate::backend) ordered: Option<bool>,
    /// Somebody accepted the last connection that a check or a request has tried.
    pub(in crate::backend) listens: bool,
    /// Since when it is back in service; `None` from the beginning.
    pub(in crate::backend) serving_since: Option<Instant>,
    /// Has been healthy at some time.
    pub(in crate::backend) was_healthy: bool,
    /// Checks passed in a row; an ejection starts the count anew.
    passes: u32,
    /// Checks failed in a row.
    failures: u32,
    /// Attempts failed in a row.
    row: u32,
    /// Since when these are all that it has shown.
    row_since: Option<Instant>,
    /// Answers of 503 in a row.
    unavailable: u32,
    /// Answers in a row that broke off in their middle.
    broken: u32,
    /// Ejections, each soon after the one before.
    pub(in crate::backend) ejections: u32,
    /// How long the last one lasted.
    pub(in crate::backend) term: Duration,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            health: Health::default(),
            ejection: None,
            configured: false,
            ordered: None,
            listens: true,
            serving_since: None,
            was_healthy: false,
            passes: 0,
            failures: 0,
            row: 0,
            row_since: None,
            unavailable: 0,
            broken: 0,
            ejections: 0,
            term: Duration::ZERO,
        }
    }
}

impl Standing {
    /// Applies an event, and returns everything that it changes, in order. `has_room` says whether
    /// the pool can spare this backend.
    pub(in crate::backend) fn apply(
        &mut self,
        event: Event,
        policy: &Policy,
        has_room: bool,
        now: Instant,
    ) -> Vec<BackendChange> {
        let change = match event {
            Event::CheckPassed => return self.check_passed(policy),
            Event::CheckFailed { refused } => return self.check_failed(policy, refused, now),
            Event::ChecksEnded => {
                self.checks_ended(now);
                None
            }
            Event::Answered { probe } => self.answered(probe),
            Event::Completed => {
                self.broken = 0;
                None
            }
            Event::AttemptFailed(failed) => self.failed(&failed, policy, has_room, now),
            Event::ProbeEnded => {
                self.probe_ended(now);
                None
            }
            Event::Joined => self.joined(now),
            Event::Drain(draining) => self.configure_drain(draining),
            Event::Operator(action) => self.follow(action, now),
        };
        change.into_iter().collect()
    }

    /// Ends the ejection because nobody else is left.
    pub(in crate::backend) fn lift(&mut self) -> Vec<BackendChange> {
        self.forget_failures();
        let readmitted = BackendChange::Readmitted(ReadmissionCause::NoOtherBackend);
        self.ejection.take().map(|_| readmitted).into_iter().collect()
    }

    /// Whether a good answer would change anything.
    pub(in crate::backend) fn is_suspect(&self) -> bool {
        self.row > 0 || self.broken > 0
    }

    fn answered(&mut self, probe: bool) -> Option<BackendChange> {
        if self.ejection.is_none() {
            (self.row, self.row_since, self.unavailable) = (0, None, 0);
            return None;
        }
        // Others were under way when it was ejected; their answers prove nothing.
        self.ejection.take_if(|ejection| probe && ejection.probing)?;
        self.forget_failures();
        self.listens = true;
        Some(BackendChange::Readmitted(ReadmissionCause::Probe))
    }

    fn failed(
        &mut self,
        failed: &AttemptFailure,
        policy: &Policy,
        has_room: bool,
        now: Instant,
    ) -> Option<BackendChange> {
        if failed.cause == EjectionCause::Refused {
            return self.refused(policy, now);
        }
        if let Some(ejection) = self.ejection {
            return self.probe_failed(ejection, failed, policy, now);
        }
        self.count(failed);
        let rules = policy.ejection.filter(|_| has_room)?;
        if let Some(asked) = failed.retry_after.filter(|_| self.unavailable >= FEWER) {
            return Some(self.leave_alone(asked, now));
        }
        let is_all = |since| now.saturating_duration_since(since) >= NOTHING_ELSE;
        let enough = self.row.max(self.broken) >= rules.failures.get()
            || (self.row >= FEWER && self.row_since.is_some_and(is_all));
        if !enough {
            return None;
        }
        Some(self.eject_for(failed, &rules, now))
    }

    /// An attempt failed although the backend is ejected: it was under way, or it is the probe.
    fn probe_failed(
        &mut self,
        ejection: Ejection,
        failed: &AttemptFailure,
        policy: &Policy,
        now: Instant,
    ) -> Option<BackendChange> {
        if !(failed.probe && ejection.probing) {
            return None;
        }
        // Who refused is not among those that the limit on guesses counts, and stays so.
        if ejection.cause == EjectionCause::Refused {
            return Some(self.cool_down(now));
        }
        if let Some(asked) = failed.retry_after {
            return Some(self.leave_alone(asked, now));
        }
        let ordered = ejection.cause == EjectionCause::Operator;
        let rules = policy.ejection.or(ordered.then(EjectionRules::default))?;
        Some(self.eject_for(failed, &rules, now))
    }

    fn count(&mut self, failed: &AttemptFailure) {
        if failed.midway {
            self.broken = self.broken.saturating_add(1);
            return;
        }
        self.row = self.row.saturating_add(1);
        self.row_since = Some(self.row_since.map_or(failed.since, |since| since.min(failed.since)));
        let is_unavailable = failed.cause == EjectionCause::Status(503);
        self.unavailable = if is_unavailable { self.unavailable.saturating_add(1) } else { 0 };
    }

    /// Requests that were under way when the first of them ejected the backend are refused too;
    /// they add nothing.
    fn refused(&mut self, policy: &Policy, now: Instant) -> Option<BackendChange> {
        if self.ejection.is_some_and(|e| !e.is_limited() && !e.probing) {
            return None;
        }
        self.listens = false;
        if policy.checked {
            return Some(self.eject_until_checks_pass(now));
        }
        Some(self.cool_down(now))
    }

    fn eject_until_checks_pass(&mut self, now: Instant) -> BackendChange {
        self.ejections = self.in_succession(now);
        self.eject(EjectionCause::Refused, EjectionEnd::ChecksPass)
    }

    /// Ejects who refuses until a probe, where checks are off.
    fn cool_down(&mut self, now: Instant) -> BackendChange {
        self.eject_again(EjectionCause::Refused, now, |times| doubling(times - 1))
    }

    /// Ejects as often `base` as ejections have followed one another.
    fn eject_for(
        &mut self,
        failed: &AttemptFailure,
        rules: &EjectionRules,
        now: Instant,
    ) -> BackendChange {
        self.eject_again(failed.cause, now, |times| {
            let term = rules.base.saturating_mul(times).min(rules.max);
            term.mul_f64(1.0 - JITTER * failed.draw.clamp(0.0, 1.0))
        })
    }

    /// Ejects for as long as the backend has asked for; how often it failed has no part in that.
    fn leave_alone(&mut self, asked: Duration, now: Instant) -> BackendChange {
        self.ejections = self.in_succession(now);
        self.eject(EjectionCause::RetryAfter, EjectionEnd::Probe(now + asked.min(RETRY_AFTER_MAX)))
    }

    fn eject_again(
        &mut self,
        cause: EjectionCause,
        now: Instant,
        length: impl Fn(u32) -> Duration,
    ) -> BackendChange {
        self.ejections = self.in_succession(now).saturating_add(1);
        self.term = length(self.ejections);
        self.eject(cause, EjectionEnd::Probe(now + self.term))
    }

    /// Ejections that followed one another up to now; none when it has served since for as long as
    /// the last one lasted.
    fn in_succession(&self, now: Instant) -> u32 {
        let has_served = |since| now.saturating_duration_since(since) >= self.term;
        let is_over = self.ejection.is_none() && self.serving_since.is_none_or(has_served);
        if is_over { 0 } else { self.ejections }
    }

    pub(in crate::backend) fn eject(
        &mut self,
        cause: EjectionCause,
        until: EjectionEnd,
    ) -> BackendChange {
        let failures = self.row.max(self.broken).max(1);
        self.passes = 0;
        self.forget_failures();
        self.ejection = Some(Ejection::new(cause, until));
        BackendChange::Ejected(cause, until, failures)
    }

    pub(in crate::backend) fn forget_failures(&mut self) {
        (self.row, self.row_since, self.unavailable, self.broken) = (0, None, 0, 0);
    }

    /// A probe is under way.
    pub(in crate::backend) fn begin_probe(&mut self) {
        if let Some(ejection) = &mut self.ejection {
            ejection.probing = true;
        }
    }

    /// A probe has ended. One that has shown nothing, because its client left, has cost a client:
    /// the next one waits, each time longer.
    fn probe_ended(&mut self, now: Instant) {
        if let Some(ejection) = self.ejection.as_mut().filter(|ejection| ejection.probing) {
            ejection.probing = false;
            ejection.until = EjectionEnd::Probe(now + doubling(ejection.unproven));
            ejection.unproven = ejection.unproven.saturating_add(1);
        }
    }

    /// From when on any request may be the probe: one that is executed if it gets through at all
    /// cannot be hurt by who refuses; of others one may be lost, which is better than a backend
    /// that is never tried again because no request can be repeated.
    pub(in crate::backend) fn any_probe_from(&self, due: Instant) -> Instant {
        match self.ejection {
            Some(ejection) if ejection.is_limited() => due + self.term,
            _ => due,
        }
    }
}

/// Once, twice, four times… as long, up to the longest.
fn doubling(times: u32) -> Duration {
    COOL_DOWN.saturating_mul(2_u32.saturating_pow(times)).min(COOL_DOWN_MAX)
}
