//! Which backend gets the request, and which one after it was refused.
//!
//! [`Selector`] plugs into Pingora's load balancer, which asks it for backends one by one until
//! its caller accepts one. It yields each eligible backend at most once and ends only when there
//! is no other; backups come when of the primaries none is left. Who is eligible says
//! [`crate::backend`]; Pingora's own verdict is not asked.
//!
//! The first backend comes from the algorithm. If the caller refuses it, because this request has
//! tried it already, the next one depends on the algorithm: with least connections the best of
//! the rest, with expected latency the better of two of them, with round robin one drawn by
//! weight. Taking the next turn instead would give the whole share of a backend that fails to
//! whoever follows it in the list.
//!
//! The order of the list is Pingora's, which sorts backends by address; that of the configuration
//! is not known here.
//!
//! Pingora rebuilds its selector when the set of backends changes. What must survive that lives
//! in the [`Roster`], which reaches each new selector through [`SelectorConfig`].

mod candidates;
mod ewma;
mod least_conn;
mod members;
mod picks;
mod random;
mod renewed;
mod round_robin;
mod slow_start;
mod snapshot;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::Guard;
use pingora_load_balancing::{Backend as Discovered, selection::BackendSelection};

pub use picks::Picks;

use crate::backend::{Address, Backend, Roster};
use crate::clock;
use crate::config::{Algorithm, PoolName, defaults};

use members::Members;
use random::Random;
use renewed::Renewed;
use snapshot::Snapshot;

/// The key with which a selection is only rehearsed.
pub const REHEARSAL: &[u8] = b"rehearsal";

/// What a selector needs beside the backends.
#[derive(Debug, Clone)]
pub struct SelectorConfig {
    /// Who gets the next request.
    pub algorithm: Algorithm,
    /// Where the live state of the backends is.
    pub roster: Arc<Roster>,
    /// Who gets requests only when nobody else is left.
    pub backups: Arc<HashSet<Address>>,
    /// How long a backend that comes back takes to reach its full share; zero for at once.
    pub slow_start: Duration,
    /// For what is drawn at random.
    pub seed: u64,
}

/// What slow start leaves of a backend's share, from 0 to 1; `since` is when it came back.
#[must_use]
pub fn share(since: Option<Instant>, slow_start: Duration, now: Instant) -> f64 {
    slow_start::Share::of(since, slow_start, now).parts as f64 / slow_start::FULL as f64
}

/// What a backend with this weight is expected to take for one more request, in milliseconds, as
/// [`Algorithm::Ewma`] compares it.
#[must_use]
pub fn expected_millis(backend: &Backend, weight: f64, now: Instant) -> f64 {
    let latency = backend.latency().estimate(now).unwrap_or(ewma::USUAL);
    f64::from(latency) / 1000.0 * (backend.active() + 1) as f64 / weight
}

/// Picks backends for one pool.
#[derive(Debug)]
pub struct Selector {
    config: SelectorConfig,
    members: Members,
    random: Random,
    snapshot: Renewed<Snapshot>,
}

impl Selector {
    /// A complete snapshot; or, while another thread takes that, the one before.
    fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.get(
            |snapshot| self.is_complete(snapshot),
            |before| self.members.snapshot(&self.config, before.turns()),
        )
    }

    fn is_complete(&self, snapshot: &Snapshot) -> bool {
        snapshot.is_complete(self.config.roster.changes(), clock::now)
    }

    /// One that picks the same, and whose turns are its own.
    fn copy(&self) -> Self {
        Self {
            config: self.config.clone(),
            members: self.members.clone(),
            random: self.random.copy(),
            snapshot: Renewed::new(Snapshot::clone(&self.snapshot())),
        }
    }
}

impl BackendSelection for Selector {
    type Iter = Picks;
    type Config = SelectorConfig;

    fn build_with_config(discovered: &BTreeSet<Discovered>, config: &SelectorConfig) -> Self {
        let members = Members::new(discovered, config);
        let snapshot = members.snapshot(config, Default::default());
        Self {
            config: config.clone(),
            members,
            random: Random::new(config.seed),
            snapshot: Renewed::new(snapshot),
        }
    }

    /// With the default algorithm, and live state that nobody else sees.
    fn build(discovered: &BTreeSet<Discovered>) -> Self {
        let roster = Roster::new(PoolName::new(""), Arc::default(), clock::now());
        let config = SelectorConfig {
            algorithm: defaults::ALGORITHM,
            roster: Arc::new(roster),
            backups: Arc::default(),
            slow_start: Duration::ZERO,
            seed: 0,
        };
        Self::build_with_config(discovered, &config)
    }

    /// No algorithm here depends on the request. The key [`REHEARSAL`] asks for the same picks as the
    /// next request would get, and takes no turn.
    fn iter(self: &Arc<Self>, key: &[u8]) -> Picks {
        let selector = if key == REHEARSAL { Arc::new(self.copy()) } else { Arc::clone(self) };
        let snapshot = selector.snapshot();
        Picks::new(selector, snapshot)
    }
}
