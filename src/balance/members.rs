//! Everyone that a selector knows, eligible or not.
//!
//! A member is a place in both lists. They are apart because choosing looks at several of the
//! backends and at nothing else, and among ten thousand what counts is the memory it touches.
//! Primaries come before backups, so that a tier is a range of places.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use pingora_load_balancing::Backend as Discovered;

use super::{
    SelectorConfig, ewma,
    snapshot::{Snapshot, TIERS},
};
use crate::backend::{Address, Backend};
use crate::clock;
use crate::config::{Algorithm, Weight};

/// The backends of one pool, in a fixed order.
#[derive(Debug, Clone)]
pub(super) struct Members {
    pub(super) discovered: Box<[Discovered]>,
    pub(super) backends: Box<[Arc<Backend>]>,
    /// Primaries, backups.
    pub(super) tiers: [Range<usize>; TIERS],
}

impl Members {
    pub(super) fn new(discovered: &BTreeSet<Discovered>, config: &SelectorConfig) -> Self {
        let known = discovered.iter().filter_map(|discovered| {
            let address = Address::Tcp(*discovered.addr.as_inet()?);
            let backend = config.roster.backend(&address);
            Some((address, (discovered.clone(), backend)))
        });
        let (backups, primaries): (Vec<_>, Vec<_>) =
            known.partition(|(address, _)| config.backups.contains(address));
        let first_backup = primaries.len();
        let all = primaries.into_iter().chain(backups).map(|(_, member)| member);
        let (discovered, backends): (Vec<_>, Vec<_>) = all.unzip();
        let tiers = [0..first_backup, first_backup..backends.len()];
        Self { discovered: discovered.into(), backends: backends.into(), tiers }
    }

    /// As configured, unless an operator has set another.
    fn weight(&self, place: usize) -> u64 {
        self.backends[place].weight().unwrap_or_else(|| configured(&self.discovered[place]))
    }

    /// Who is in service now; `turns` are those of the snapshot that this one replaces.
    pub(super) fn snapshot(&self, config: &SelectorConfig, turns: [u64; TIERS]) -> Snapshot {
        let changes = config.roster.changes();
        let now = clock::now();
        let tiers = self
            .tiers
            .clone()
            .map(|places| places.map(|place| (place, &*self.backends[place], self.weight(place))));
        let snapshot = Snapshot::take(tiers, config.slow_start, changes, turns, now);
        if config.algorithm == Algorithm::Ewma {
            ewma::introduce(snapshot.members().map(|member| &*self.backends[member]), now);
        }
        snapshot
    }
}

/// Zero would be a backend that is never found; the configuration excludes it.
fn configured(discovered: &Discovered) -> u64 {
    (discovered.weight as u64).clamp(1, u64::from(Weight::MAX))
}
