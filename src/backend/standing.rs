//! What a backend's checks and its traffic have shown, and what follows from it.
//!
//! Two witnesses, two words. **Health** is the verdict of active checks: `fall` failures in a row
//! make a backend unhealthy, `rise` passes in a row make it healthy again. **Ejection** is the
//! verdict of traffic: a refused connection is proof enough, timeouts must repeat.
//!
//! A backend that was ejected comes back when active checks have passed `rise` times since. With
//! checks off nobody asks it, so it comes back by time: after a cool-down that doubles with each
//! ejection that follows another without an answer between them.
//!
//! Pingora keeps a verdict of its own and reports only when that flips. A backend that a failed
//! request took out while Pingora thinks it healthy would never be reported healthy again, which
//! is why the results themselves are counted here.

use std::{
    fmt,
    time::{Duration, Instant},
};

use super::eligibility::Until;

/// The first cool-down where checks are off.
const COOL_DOWN_MIN: Duration = Duration::from_secs(1);
/// The longest cool-down.
const COOL_DOWN_MAX: Duration = Duration::from_secs(60);

/// How results are judged; from the pool's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Passes in a row that bring a backend back.
    pub rise: u32,
    /// Failures in a row that take it out.
    pub fall: u32,
    /// Whether active checks run at all.
    pub checked: bool,
}

/// The verdict of active checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Health {
    /// No check has ended yet; it is used. The first result decides.
    #[default]
    Unchecked,
    /// Used.
    Healthy,
    /// Not used.
    Unhealthy,
}

/// What a backend was ejected for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It refused a connection.
    Refused,
    /// It let connections time out.
    ConnectTimeout,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "connection_refused",
            Self::ConnectTimeout => "connect_timeout",
        })
    }
}

/// An ejection that was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ejection {
    pub(super) cause: Cause,
    pub(super) until: Until,
}

impl Ejection {
    pub(super) fn holds(&self, now: Instant) -> bool {
        match self.until {
            Until::ChecksPass => true,
            Until::Instant(until) => now < until,
        }
    }
}

/// What an observation changed; each is logged once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Checks took it out, after so many failures in a row.
    BecameUnhealthy(u32),
    /// Checks brought it back, after so many passes in a row.
    BecameHealthy(u32),
    /// Traffic took it out.
    Ejected(Cause, Until),
    /// An ejection ended because checks passed.
    Readmitted(u32),
}

/// What checks and traffic have shown of one backend.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    pub(super) health: Health,
    pub(super) ejection: Option<Ejection>,
    pub(super) draining: bool,
    /// Checks passed in a row; an ejection starts the count anew.
    passes: u32,
    /// Checks failed in a row.
    failures: u32,
    /// Connections timed out in a row.
    connect_timeouts: u32,
    /// Ejections since the last answer.
    ejections: u32,
}

impl Standing {
    /// An active check passed.
    pub fn check_passed(&mut self, policy: &Policy) -> Option<Change> {
        self.failures = 0;
        self.passes = self.passes.saturating_add(1);
        let risen = self.passes >= policy.rise;
        let ejected = risen && self.ejection.take().is_some();
        match self.health {
            Health::Unchecked => self.health = Health::Healthy,
            Health::Unhealthy if risen => {
                self.health = Health::Healthy;
                return Some(Change::BecameHealthy(self.passes));
            }
            Health::Unhealthy | Health::Healthy => {}
        }
        ejected.then_some(Change::Readmitted(self.passes))
    }

    /// An active check failed.
    pub fn check_failed(&mut self, policy: &Policy) -> Option<Change> {
        self.passes = 0;
        self.failures = self.failures.saturating_add(1);
        let fallen = self.health == Health::Unchecked
            || (self.health == Health::Healthy && self.failures >= policy.fall);
        fallen.then(|| {
            self.health = Health::Unhealthy;
            Change::BecameUnhealthy(self.failures)
        })
    }

    /// A request's connection was refused.
    pub fn refused(&mut self, policy: &Policy, now: Instant) -> Option<Change> {
        self.eject(Cause::Refused, policy, now)
    }

    /// A request's connection timed out.
    pub fn connect_timed_out(&mut self, policy: &Policy, now: Instant) -> Option<Change> {
        self.connect_timeouts = self.connect_timeouts.saturating_add(1);
        if self.connect_timeouts < policy.fall {
            return None;
        }
        self.eject(Cause::ConnectTimeout, policy, now)
    }

    /// A request was answered.
    pub fn answered(&mut self) {
        self.connect_timeouts = 0;
        self.ejections = 0;
    }

    /// Whether an answer would change anything.
    pub(super) fn is_suspect(&self) -> bool {
        self.connect_timeouts > 0 || self.ejections > 0
    }

    /// Requests that were under way when the first of them ejected the backend fail too; they add
    /// nothing.
    fn eject(&mut self, cause: Cause, policy: &Policy, now: Instant) -> Option<Change> {
        if self.ejection.is_some_and(|ejection| ejection.holds(now)) {
            return None;
        }
        let until = if policy.checked {
            Until::ChecksPass
        } else {
            Until::Instant(now + cool_down(self.ejections))
        };
        self.passes = 0;
        self.connect_timeouts = 0;
        self.ejections = self.ejections.saturating_add(1);
        self.ejection = Some(Ejection { cause, until });
        Some(Change::Ejected(cause, until))
    }
}

/// Doubles with each ejection that went before without an answer since.
fn cool_down(ejections: u32) -> Duration {
    COOL_DOWN_MIN.saturating_mul(2_u32.saturating_pow(ejections)).min(COOL_DOWN_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::eligibility;

    const CHECKED: Policy = Policy { rise: 2, fall: 3, checked: true };
    const UNCHECKED: Policy = Policy { rise: 2, fall: 3, checked: false };

    fn now() -> Instant {
        crate::clock::now()
    }

    fn is_eligible(standing: &Standing, now: Instant) -> bool {
        eligibility::of(standing, now).is_eligible()
    }

    #[test]
    fn a_backend_never_checked_is_used() {
        assert!(is_eligible(&Standing::default(), now()));
    }

    #[test]
    fn the_first_check_decides() {
        let mut standing = Standing::default();
        assert_eq!(standing.check_failed(&CHECKED), Some(Change::BecameUnhealthy(1)));
        assert!(!is_eligible(&standing, now()));

        let mut standing = Standing::default();
        assert_eq!(standing.check_passed(&CHECKED), None);
        assert_eq!(standing.health, Health::Healthy);
    }

    #[test]
    fn falls_after_fall_failures_in_a_row() {
        let mut standing = Standing::default();
        standing.check_passed(&CHECKED);
        assert_eq!(standing.check_failed(&CHECKED), None);
        assert_eq!(standing.check_failed(&CHECKED), None);
        standing.check_passed(&CHECKED);
        assert_eq!(standing.check_failed(&CHECKED), None);
        assert_eq!(standing.check_failed(&CHECKED), None);
        assert!(is_eligible(&standing, now()));
        assert_eq!(standing.check_failed(&CHECKED), Some(Change::BecameUnhealthy(3)));
        assert_eq!(standing.check_failed(&CHECKED), None, "a change is reported once");
        assert!(!is_eligible(&standing, now()));
    }

    #[test]
    fn rises_after_rise_passes_in_a_row() {
        let mut standing = Standing::default();
        standing.check_failed(&CHECKED);
        assert_eq!(standing.check_passed(&CHECKED), None);
        standing.check_failed(&CHECKED);
        assert_eq!(standing.check_passed(&CHECKED), None);
        assert_eq!(standing.check_passed(&CHECKED), Some(Change::BecameHealthy(2)));
        assert!(is_eligible(&standing, now()));
    }

    #[test]
    fn a_refused_connection_ejects_until_rise_checks_have_passed_since() {
        let now = now();
        let mut standing = Standing::default();
        standing.check_passed(&CHECKED);
        standing.check_passed(&CHECKED);
        let ejected = Change::Ejected(Cause::Refused, Until::ChecksPass);
        assert_eq!(standing.refused(&CHECKED, now), Some(ejected));
        assert!(!is_eligible(&standing, now + Duration::from_secs(3600)));
        assert_eq!(standing.check_passed(&CHECKED), None);
        assert!(!is_eligible(&standing, now), "passes from before do not count");
        assert_eq!(standing.check_passed(&CHECKED), Some(Change::Readmitted(2)));
        assert!(is_eligible(&standing, now));
    }

    #[test]
    fn unhealthy_and_ejected_end_together() {
        let now = now();
        let mut standing = Standing::default();
        standing.check_passed(&CHECKED);
        standing.refused(&CHECKED, now);
        for _ in 0..3 {
            standing.check_failed(&CHECKED);
        }
        standing.check_passed(&CHECKED);
        assert_eq!(standing.check_passed(&CHECKED), Some(Change::BecameHealthy(2)));
        assert!(is_eligible(&standing, now));
    }

    #[test]
    fn connections_that_time_out_eject_after_fall_in_a_row() {
        let now = now();
        let mut standing = Standing::default();
        assert_eq!(standing.connect_timed_out(&CHECKED, now), None);
        assert_eq!(standing.connect_timed_out(&CHECKED, now), None);
        standing.answered();
        assert_eq!(standing.connect_timed_out(&CHECKED, now), None);
        assert_eq!(standing.connect_timed_out(&CHECKED, now), None);
        let ejected = Change::Ejected(Cause::ConnectTimeout, Until::ChecksPass);
        assert_eq!(standing.connect_timed_out(&CHECKED, now), Some(ejected));
    }

    #[test]
    fn with_checks_off_the_cool_down_grows_from_a_second_to_a_minute() {
        let mut now = now();
        let mut standing = Standing::default();
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert!(standing.refused(&UNCHECKED, now).is_some());
            assert_eq!(standing.refused(&UNCHECKED, now), None, "one ejection at a time");
            let until = now + Duration::from_secs(seconds);
            assert!(!is_eligible(&standing, until - Duration::from_millis(1)));
            assert!(is_eligible(&standing, until));
            now = until;
        }
        standing.answered();
        standing.refused(&UNCHECKED, now);
        assert!(is_eligible(&standing, now + Duration::from_secs(1)), "an answer starts it anew");
    }
}
