//! The registry of live state, outside the selector and outside the configuration.

use std::{collections::HashMap, sync::Arc, time::Instant};

use parking_lot::Mutex;

use super::super::journal::Journal;
use super::Roster;
use crate::config::PoolName;

/// The rosters of all pools, by name.
#[derive(Debug, Default)]
pub struct Registry {
    rosters: Mutex<HashMap<PoolName, Arc<Roster>>>,
    journal: Arc<Journal>,
}

impl Registry {
    /// The roster of this pool; it is created if there is none.
    pub fn roster(&self, pool: &PoolName, now: Instant) -> Arc<Roster> {
        let mut rosters = self.rosters.lock();
        let first = || Arc::new(Roster::new(pool.clone(), Arc::clone(&self.journal), now));
        Arc::clone(rosters.entry(pool.clone()).or_insert_with(first))
    }

    /// The journal of all pools.
    #[must_use]
    pub fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// Forgets the pools that are not wanted any more.
    pub fn retain(&self, is_wanted: impl Fn(&PoolName) -> bool) {
        self.rosters.lock().retain(|pool, _| is_wanted(pool));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_pool_and_address_is_the_same_backend() {
        let now = crate::clock::now();
        let registry = Registry::default();
        let (web, api) = (PoolName::new("web"), PoolName::new("api"));
        let address = "127.0.0.1:1".parse().unwrap();
        let first = registry.roster(&web, now).backend(&address);
        assert!(Arc::ptr_eq(&first, &registry.roster(&web, now).backend(&address)));
        assert!(!Arc::ptr_eq(&first, &registry.roster(&api, now).backend(&address)));
    }
}
