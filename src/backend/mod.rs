//! One backend: who it is, and what we know about it now.
//!
//! Live state is keyed by pool and address and kept in a [`Registry`], outside both the
//! configuration and Pingora's selector: Pingora rebuilds its selector whenever the set of
//! backends changes, and a reload replaces the configuration, but a request in flight or an
//! ejection must survive both. The same address in two pools is two backends, because two pools
//! may check and judge it differently.

mod eligibility;
mod registry;
mod standing;

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;

pub use eligibility::{Eligibility, Until};
pub use registry::{Registry, Roster};
pub use standing::{Cause, Change, Health, Policy, Standing};

use crate::config::PoolName;

/// What tells one backend from another: the pool, and the address in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BackendId {
    /// The pool that it serves.
    pub pool: PoolName,
    /// Where it listens.
    pub address: SocketAddr,
}

impl fmt::Display for BackendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pool={} backend={}", self.pool, self.address)
    }
}

/// One backend's identity and live state. Shared by everything that deals with it.
#[derive(Debug)]
pub struct Backend {
    id: BackendId,
    url: Box<str>,
    active: AtomicUsize,
    standing: Mutex<Standing>,
    /// The standing as the request path reads it, see [`Gate`].
    gate: Gate,
    /// Whether an answer would change the standing; spares the request path the lock.
    suspect: AtomicBool,
    /// The roster's count of changes, see [`Roster::changes`].
    changes: Arc<AtomicU64>,
}

impl Backend {
    fn new(id: BackendId, changes: Arc<AtomicU64>, start: Instant) -> Self {
        Self {
            url: format!("http://{}", id.address).into(),
            id,
            active: AtomicUsize::new(0),
            standing: Mutex::default(),
            gate: Gate { opens: AtomicU64::new(Gate::OPEN), start },
            suspect: AtomicBool::new(false),
            changes,
        }
    }

    /// Pool and address.
    #[must_use]
    pub fn id(&self) -> &BackendId {
        &self.id
    }

    /// `http://address`, as logs show it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Requests in flight.
    #[must_use]
    pub fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }

    /// Counts a request in. Whoever calls this owes one [`Backend::leave`]; take a lease from the
    /// pool instead of calling it.
    pub fn enter(&self) {
        self.active.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request out.
    pub fn leave(&self) {
        self.active.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether it may get a request: the answer of [`Backend::eligibility`], without the reason
    /// and without a lock.
    #[must_use]
    pub fn is_eligible(&self, now: Instant) -> bool {
        self.gate.is_open(now)
    }

    /// When it becomes eligible by itself; `None` when it is, or when that takes an event.
    #[must_use]
    pub fn eligible_at(&self) -> Option<Instant> {
        self.gate.opens_at()
    }

    /// Whether it may get a request, and why not.
    #[must_use]
    pub fn eligibility(&self, now: Instant) -> Eligibility {
        eligibility::of(&self.standing.lock(), now)
    }

    /// Whether an active check has ended.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        self.standing.lock().health != Health::Unchecked
    }

    /// Applies an observation to the standing and publishes the result.
    ///
    /// Returns what the observation changed, for the caller to log.
    pub fn observe(
        &self,
        now: Instant,
        observation: impl FnOnce(&mut Standing) -> Option<Change>,
    ) -> Option<Change> {
        let mut standing = self.standing.lock();
        let change = observation(&mut standing);
        self.suspect.store(standing.is_suspect(), Ordering::Relaxed);
        if self.gate.publish(&eligibility::of(&standing, now)) {
            // Release: who sees the new count sees the new gate.
            self.changes.fetch_add(1, Ordering::Release);
        }
        change
    }

    /// It answered a request: what counted against it in a row is forgotten.
    pub fn answered(&self, now: Instant) {
        if self.suspect.load(Ordering::Relaxed) {
            self.observe(now, |standing| {
                standing.answered();
                None
            });
        }
    }
}

/// Eligibility as one word, so that the request path reads it without a lock.
///
/// Holds when the backend becomes eligible: 0 for already, [`Gate::SHUT`] for not before an
/// event, else milliseconds after `start`.
#[derive(Debug)]
struct Gate {
    opens: AtomicU64,
    start: Instant,
}

impl Gate {
    const OPEN: u64 = 0;
    const SHUT: u64 = u64::MAX;

    fn is_open(&self, now: Instant) -> bool {
        match self.opens.load(Ordering::Relaxed) {
            Self::OPEN => true,
            Self::SHUT => false,
            millis => self.start + Duration::from_millis(millis) <= now,
        }
    }

    fn opens_at(&self) -> Option<Instant> {
        match self.opens.load(Ordering::Relaxed) {
            Self::OPEN | Self::SHUT => None,
            millis => Some(self.start + Duration::from_millis(millis)),
        }
    }

    /// Returns whether this changed anything.
    fn publish(&self, eligibility: &Eligibility) -> bool {
        let opens = match eligibility {
            Eligibility::Eligible => Self::OPEN,
            Eligibility::Ejected { until: Until::Instant(until), .. } => {
                let after = until.saturating_duration_since(self.start).as_millis();
                // Rounded up, so that the gate never opens before its instant.
                u64::try_from(after).unwrap_or(Self::SHUT - 1).saturating_add(1).min(Self::SHUT - 1)
            }
            Eligibility::Draining | Eligibility::Unhealthy | Eligibility::Ejected { .. } => {
                Self::SHUT
            }
        };
        self.opens.swap(opens, Ordering::Relaxed) != opens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy { rise: 2, fall: 3, checked: false };

    fn backend(now: Instant) -> Arc<Backend> {
        Roster::new(PoolName::new("web"), now).backend("127.0.0.1:1".parse().unwrap())
    }

    #[test]
    fn the_gate_says_what_the_predicate_says() {
        let now = crate::clock::now();
        let backend = backend(now);
        assert!(backend.is_eligible(now));
        backend.observe(now, |standing| standing.refused(&POLICY, now));
        assert!(!backend.is_eligible(now));
        assert!(!backend.eligibility(now).is_eligible());
        let until = backend.eligible_at().unwrap();
        assert!(backend.is_eligible(until));
        assert!(backend.eligibility(until).is_eligible());
    }

    #[test]
    fn what_does_not_change_eligibility_is_not_counted() {
        let now = crate::clock::now();
        let roster = Roster::new(PoolName::new("web"), now);
        let backend = roster.backend("127.0.0.1:1".parse().unwrap());
        backend.answered(now);
        assert_eq!(roster.changes(), 0);
        backend.observe(now, |standing| standing.refused(&POLICY, now));
        assert_eq!(roster.changes(), 1);
        backend.observe(now, |standing| standing.refused(&POLICY, now));
        assert_eq!(roster.changes(), 1);
    }

    #[test]
    fn an_answer_ends_a_row_of_timeouts() {
        let now = crate::clock::now();
        let backend = backend(now);
        for _ in 0..2 {
            backend.observe(now, |standing| standing.connect_timed_out(&POLICY, now));
        }
        backend.answered(now);
        for _ in 0..2 {
            backend.observe(now, |standing| standing.connect_timed_out(&POLICY, now));
        }
        assert!(backend.is_eligible(now));
    }
}
