//! One selector: the backends of a pool, a snapshot of those in service, and their turns.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::Guard;

use super::{
    ewma,
    members::Members,
    random::Random,
    renewed::Renewed,
    snapshot::{Snapshot, TIERS},
};
use crate::backend::Roster;
use crate::clock;
use crate::config::Algorithm;

/// The configuration of a selector, beside its backends.
#[derive(Debug, Clone)]
pub struct SelectorConfig {
    /// The algorithm that decides which backend gets the next request.
    pub algorithm: Algorithm,
    /// The roster with the live state of the backends.
    pub roster: Arc<Roster>,
    /// How long a backend that comes back takes to reach its full share; zero for at once.
    pub slow_start: Duration,
    /// Seeds the random draws.
    pub seed: u64,
}

/// Knows which backends of a pool are in service, and takes a new snapshot when that has changed.
#[derive(Debug)]
pub(super) struct Selector {
    pub(super) config: SelectorConfig,
    pub(super) members: Members,
    pub(super) random: Random,
    pub(super) snapshot: Renewed<Snapshot>,
}

impl Selector {
    /// The first selector of a pool.
    pub(super) fn first(members: Members, config: SelectorConfig) -> Self {
        let random = Random::new(config.seed);
        Self::starting_at([0; TIERS], members, config, random)
    }

    /// The selector that replaces this one: it goes on with the same turns and random draws, over
    /// other members.
    pub(super) fn followed_by(&self, members: Members) -> Self {
        let turns = self.snapshot.latest().turns();
        Self::starting_at(turns, members, self.config.clone(), self.random.copy())
    }

    fn starting_at(
        turns: [u64; TIERS],
        members: Members,
        config: SelectorConfig,
        random: Random,
    ) -> Self {
        let snapshot = Renewed::new(take(&members, &config, turns, clock::now()));
        Self { config, members, random, snapshot }
    }

    /// A complete snapshot; or the previous one, while another thread takes a new one.
    pub(super) fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.get(
            |snapshot| self.is_complete(snapshot),
            |before| take(&self.members, &self.config, before.turns(), clock::now()),
        )
    }

    /// A selector that makes the same picks, with turns of its own.
    pub(super) fn copy(&self) -> Self {
        Self {
            config: self.config.clone(),
            members: self.members.clone(),
            random: self.random.copy(),
            snapshot: Renewed::new(Snapshot::clone(&self.snapshot())),
        }
    }

    /// Whether the snapshot names every member that is in service now.
    pub(super) fn is_complete(&self, snapshot: &Snapshot) -> bool {
        snapshot.is_complete(self.config.roster.changes(), clock::now)
    }
}

/// Takes a snapshot of the members that are in service; `turns` are those of the snapshot that it
/// replaces.
fn take(members: &Members, config: &SelectorConfig, turns: [u64; TIERS], now: Instant) -> Snapshot {
    let changes = config.roster.changes();
    let snapshot = Snapshot::take(members.by_tier(), config.slow_start, changes, turns, now);
    if config.algorithm == Algorithm::Ewma {
        ewma::introduce(snapshot.members().map(|member| members.backend(member)), now);
    }
    snapshot
}
