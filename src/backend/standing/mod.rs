//! The standing of a backend: the results of its checks and its traffic, and the verdicts that
//! follow.
//!
//! Two witnesses, two words. **Health** is the verdict of active checks: `fall` failures in a row
//! make a backend unhealthy, `rise` passes in a row make it healthy again. **Ejection** is the
//! verdict of traffic: a refused connection is proof enough, anything else must repeat.
//!
//! The way back depends on the cause. A backend that refused connections listens again when its
//! checks pass. A backend that failed requests while it listened passes checks all the time, so its
//! ejection lasts a term, and then a probe has to be answered. With checks off, a backend that
//! refused is probed as well, soon at first and later less often.
//!
//! Pingora keeps a verdict of its own and reports only when that flips. A backend that a failed
//! request took out while Pingora thinks it healthy would never be reported healthy again, which
//! is why the results themselves are counted here.

mod checks;
pub(in crate::backend) mod eligibility;
mod operator;
mod since;
mod terms;

use std::time::{Duration, Instant};

pub use eligibility::Eligibility;
use serde::{Deserialize, Serialize};
pub(in crate::backend) use since::Since;

use super::{
    event::{AttemptFailure, BackendChange, EjectionCause, EjectionEnd, Event, ReadmissionCause},
    policy::Policy,
};
use crate::config::EjectionRules;

/// The first cool-down after a refused connection where checks are off. It costs a client nothing.
const COOL_DOWN: Duration = Duration::from_secs(1);
/// The longest such cool-down.
const COOL_DOWN_MAX: Duration = Duration::from_secs(60);
/// If a backend has produced nothing but failures for this long, `FEWER` of them are enough to eject it.
const NOTHING_ELSE: Duration = Duration::from_secs(1);
/// At the least between two probes before their time that no request has need of: a backend that is
/// still bad fails one request a second for them.
const EARLY_PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// The number of failures that are enough then: a single one may be the request's fault.
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

/// An ejection under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backend) struct Ejection {
    pub(in crate::backend) cause: EjectionCause,
    pub(in crate::backend) until: EjectionEnd,
    /// When the ejection began.
    pub(in crate::backend) began: Instant,
    /// When the ejection began, or an early probe failed last.
    since: Instant,
    /// When its last probe began, or the ejection itself.
    tried: Instant,
    /// Probes under way.
    pub(in crate::backend) probes: u32,
    /// When its term ends, where its probe is due before that because the pool could not spare
    /// another ejection.
    pub(in crate::backend) hastened_from: Option<Instant>,
    /// Probes in a row that were inconclusive.
    unproven: u32,
}

impl Ejection {
    pub(in crate::backend) fn new(
        cause: EjectionCause,
        until: EjectionEnd,
        began: Instant,
    ) -> Self {
        Self {
            cause,
            until,
            began,
            since: began,
            tried: began,
            probes: 0,
            hastened_from: None,
            unproven: 0,
        }
    }

    /// Whether a failure is that of a probe of this ejection. A probe that began before this
    /// ejection does not count.
    fn is_of_its_probe(&self, failed: &AttemptFailure) -> bool {
        failed.probe && self.probes > 0 && failed.since >= self.since
    }

    /// Whether a probe that fails now was sent before its time.
    fn is_early(&self, now: Instant) -> bool {
        match self.until {
            EjectionEnd::ChecksPass => true,
            EjectionEnd::Probe(at) => self.hastened_from.unwrap_or(at) > now,
        }
    }

    /// An early probe has failed, which says what was known: the term stays as it was. Other backends
    /// are tried before this one from now on.
    fn put_off(&mut self, now: Instant) {
        if let Some(end) = self.hastened_from.take() {
            self.until = EjectionEnd::Probe(end);
        }
        self.since = now;
    }

    /// Whether the limit of half of the pool applies to this ejection. It does not apply to a
    /// backend that refuses connections.
    pub(in crate::backend) fn is_limited(&self) -> bool {
        !matches!(self.cause, EjectionCause::Refused | EjectionCause::Operator)
    }
}

/// The standing of one backend.
#[derive(Debug, Clone)]
pub struct Standing {
    pub(in crate::backend) health: Health,
    pub(in crate::backend) ejection: Option<Ejection>,
    /// Whether the configuration drains it.
    pub(in crate::backend) configured: bool,
    /// An operator's order instead: to drain, or not to.
    pub(in crate::backend) ordered: Option<bool>,
    /// Whether the last connection of a check or a request was accepted.
    pub(in crate::backend) listens: bool,
    /// When it came back into service; `None` if it has always been.
    pub(in crate::backend) serving_since: Option<Instant>,
    /// Since when it has been in its state.
    pub(in crate::backend) since: Since,
    /// Whether it has ever been healthy.
    pub(in crate::backend) was_healthy: bool,
    /// Checks passed in a row; an ejection starts the count anew.
    passes: u32,
    /// Checks failed in a row.
    failures: u32,
    /// Attempts failed in a row.
    row: u32,
    /// When the current row of failures began.
    row_since: Option<Instant>,
    /// Answers of 503 in a row.
    unavailable: u32,
    /// Answers in a row that broke off midway.
    broken: u32,
    /// The number of ejections that followed one another closely.
    pub(in crate::backend) ejections: u32,
    /// The term of the last ejection.
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
            since: Since::default(),
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
    /// Applies an event, and returns all changes in order. `has_room` says whether the pool can
    /// spare this backend.
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

    /// Readmits the backend because no other one is left.
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
        // Requests that were under way when it was ejected prove nothing by their answers.
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

    /// Whether it stays only because the pool cannot spare it.
    pub(in crate::backend) fn is_kept_for_want_of_another(
        &self,
        policy: &Policy,
        now: Instant,
    ) -> bool {
        let has_failed = |rules: EjectionRules| self.has_failed_enough(&rules, now);
        self.ejection.is_none() && policy.ejection.is_some_and(has_failed)
    }

    /// Handles a failure while the backend is ejected: the attempt was under way, or it is the
    /// probe.
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
        if ejection.is_early(now) {
            self.ejection.iter_mut().for_each(|ejection| ejection.put_off(now));
            return None;
        }
        // A refusal is not counted by the limit on guesses, and that must not change.
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
        // Probes of the previous ejection are still under way.
        let probes = self.ejection.map_or(0, |ejection| ejection.probes);
        self.ejection = Some(Ejection { probes, ..Ejection::new(cause, until, now) });
        BackendChange::Ejected(cause, until, failures)
    }

    pub(in crate::backend) fn forget_failures(&mut self) {
        (self.row, self.row_since, self.unavailable, self.broken) = (0, None, 0, 0);
    }

    /// Notes that a probe has begun.
    pub(in crate::backend) fn begin_probe(&mut self, now: Instant) {
        if let Some(ejection) = &mut self.ejection {
            ejection.probes = ejection.probes.saturating_add(1);
            ejection.tried = now;
        }
    }

    /// Notes that a probe has ended. If it was inconclusive because its client left, the next one
    /// waits, each time longer.
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

    /// When it was ejected, if a request may try it as a last resort: the backend listens, its
    /// checks do not fail, and only the ejection keeps it out.
    pub(in crate::backend) fn last_resort_since(&self) -> Option<Instant> {
        let is_out = self.draining().is_some() || self.health == Health::Unhealthy;
        let ejection = self.ejection.filter(|_| self.listens && !is_out)?;
        (ejection.cause != EjectionCause::Operator).then_some(ejection.since)
    }

    /// Makes the next request its probe, regardless of the term that is left, but not within a second of
    /// the last probe.
    pub(in crate::backend) fn hasten(&mut self, now: Instant) {
        if let Some(ejection) = self.ejection.as_mut().filter(|ejection| ejection.probes == 0)
            && let EjectionEnd::Probe(at) = ejection.until
            && let early = now.max(ejection.tried + EARLY_PROBE_INTERVAL)
            && at > early
        {
            ejection.hastened_from.get_or_insert(at);
            ejection.until = EjectionEnd::Probe(early);
        }
    }

    /// When any request may be the probe. A backend that refuses connections cannot harm a request,
    /// so any request will do at once. For other causes one request may be lost, which is better
    /// than a backend that is never tried again because no request can be repeated.
    pub(in crate::backend) fn any_probe_from(&self, due: Instant) -> Instant {
        match self.ejection {
            Some(ejection) if ejection.is_limited() => due + self.term,
            _ => due,
        }
    }
}

/// The cool-down, doubled each time up to the longest.
fn doubling(times: u32) -> Duration {
    COOL_DOWN.saturating_mul(2_u32.saturating_pow(times)).min(COOL_DOWN_MAX)
}
