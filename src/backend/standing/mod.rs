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
mod terms;

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
/// If a backend has produced nothing but failures for this long, `FEWER` of them are enough to eject it.
const NOTHING_ELSE: Duration = Duration::from_secs(1);
/// At the least between two probes before their time that no request has need of: a backend that is
/// still bad fails one request a second for them.
const EARLY_PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// How many are enough then: one may be the request's own fault.
const FEWER: u32 = 2;

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
    /// When it began.
    since: Instant,
    /// When its last probe began, or the ejection itself.
    tried: Instant,
    /// Probes under way.
    pub(in crate::backend) probes: u32,
    /// Its probe is due before its time, because the pool could not spare another ejection.
    pub(in crate::backend) is_hastened: bool,
    /// Probes in a row that have shown nothing.
    unproven: u32,
}

impl Ejection {
    pub(in crate::backend) fn new(
        cause: EjectionCause,
        until: EjectionEnd,
        since: Instant,
    ) -> Self {
        Self { cause, until, since, tried: since, probes: 0, is_hastened: false, unproven: 0 }
    }

    /// Whether a failure is that of a probe of this ejection. Another probe, begun before it, has
    /// nothing to add.
    fn is_of_its_probe(&self, failed: &AttemptFailure) -> bool {
        failed.probe && self.probes > 0 && failed.since >= self.since
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
    /// The last connection that a check or a request has tried was accepted.
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

    /// Ends the ejection because no other backend is left.
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
        self.ejection.take_if(|ejection| probe && ejection.probes > 0)?;
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
            return self.refused(failed, policy, now);
        }
        if let Some(ejection) = self.ejection {
            return self.probe_failed(ejection, failed, policy, now);
        }
        self.count(failed);
        let rules = policy.ejection.filter(|_| has_room)?;
        if let Some(asked) = failed.retry_after.filter(|_| self.unavailable >= FEWER) {
            return Some(self.leave_alone(asked, now));
        }
        if !self.has_failed_enough(&rules, now) {
            return None;
        }
        Some(self.eject_for(failed, policy, &rules, now))
    }

    fn has_failed_enough(&self, rules: &EjectionRules, now: Instant) -> bool {
        let is_all = |since| now.saturating_duration_since(since) >= NOTHING_ELSE;
        self.row.max(self.broken) >= rules.failures.get()
            || (self.row >= FEWER && self.row_since.is_some_and(is_all))
    }

    /// Whether it would be ejected if the pool could spare it.
    pub(in crate::backend) fn is_kept_for_want_of_another(
        &self,
        policy: &Policy,
        now: Instant,
    ) -> bool {
        let has_failed = |rules: EjectionRules| self.has_failed_enough(&rules, now);
        self.ejection.is_none() && policy.ejection.is_some_and(has_failed)
    }

    /// An attempt failed although the backend is ejected: it was under way, or it is the probe.
    fn probe_failed(
        &mut self,
        ejection: Ejection,
        failed: &AttemptFailure,
        policy: &Policy,
        now: Instant,
    ) -> Option<BackendChange> {
        if !ejection.is_of_its_probe(failed) {
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
        Some(self.eject_for(failed, policy, &rules, now))
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

    pub(in crate::backend) fn eject(
        &mut self,
        cause: EjectionCause,
        until: EjectionEnd,
        now: Instant,
    ) -> BackendChange {
        let failures = self.row.max(self.broken).max(1);
        self.passes = 0;
        self.forget_failures();
        // Probes of the ejection before have yet to be given back.
        let probes = self.ejection.map_or(0, |ejection| ejection.probes);
        self.ejection = Some(Ejection { probes, ..Ejection::new(cause, until, now) });
        BackendChange::Ejected(cause, until, failures)
    }

    pub(in crate::backend) fn forget_failures(&mut self) {
        (self.row, self.row_since, self.unavailable, self.broken) = (0, None, 0, 0);
    }

    /// A probe is under way.
    pub(in crate::backend) fn begin_probe(&mut self, now: Instant) {
        if let Some(ejection) = &mut self.ejection {
            ejection.probes = ejection.probes.saturating_add(1);
            ejection.tried = now;
        }
    }

    /// A probe has ended. One that has shown nothing, because its client left, has cost a client:
    /// the next one waits, each time longer.
    fn probe_ended(&mut self, now: Instant) {
        let Some(ejection) = self.ejection.as_mut().filter(|ejection| ejection.probes > 0) else {
            return;
        };
        ejection.probes -= 1;
        if let EjectionEnd::Probe(at) = ejection.until
            && at <= now
        {
            ejection.until = EjectionEnd::Probe(now + doubling(ejection.unproven));
            ejection.unproven = ejection.unproven.saturating_add(1);
        }
    }

    /// When it was ejected, where a request may try it all the same before it fails: nothing but the
    /// ejection speaks against the backend, since it listens and its checks do not fail.
    pub(in crate::backend) fn last_resort_since(&self) -> Option<Instant> {
        let is_out = self.draining().is_some() || self.health == Health::Unhealthy;
        let ejection = self.ejection.filter(|_| self.listens && !is_out)?;
        (ejection.cause != EjectionCause::Operator).then_some(ejection.since)
    }

    /// Makes the next request its probe, however long its ejection was to last; the first one that
    /// comes a second after it was last tried.
    pub(in crate::backend) fn hasten(&mut self, now: Instant) {
        if let Some(ejection) = self.ejection.as_mut().filter(|ejection| ejection.probes == 0)
            && let EjectionEnd::Probe(at) = ejection.until
        {
            let early = now.max(ejection.tried + EARLY_PROBE_INTERVAL);
            ejection.is_hastened |= at > early;
            ejection.until = EjectionEnd::Probe(at.min(early));
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
