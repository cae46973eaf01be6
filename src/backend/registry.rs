//! Where live state is kept: outside the selector and outside the configuration.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use parking_lot::Mutex;

use super::{Backend, BackendId};
use crate::config::PoolName;

/// The rosters of all pools, by name.
#[derive(Debug, Default)]
pub struct Registry {
    rosters: Mutex<HashMap<PoolName, Arc<Roster>>>,
}

impl Registry {
    /// The roster of this pool: the one that is there, or a first one.
    pub fn roster(&self, pool: &PoolName, now: Instant) -> Arc<Roster> {
        let mut rosters = self.rosters.lock();
        let roster =
            rosters.entry(pool.clone()).or_insert_with(|| Arc::new(Roster::new(pool.clone(), now)));
        Arc::clone(roster)
    }
}

/// The backends of one pool, by address.
#[derive(Debug)]
pub struct Roster {
    pool: PoolName,
    changes: Arc<AtomicU64>,
    /// What the gates of its backends count from.
    start: Instant,
    backends: Mutex<HashMap<SocketAddr, Arc<Backend>>>,
}

impl Roster {
    /// Without backends.
    #[must_use]
    pub fn new(pool: PoolName, now: Instant) -> Self {
        Self { pool, changes: Arc::default(), start: now, backends: Mutex::default() }
    }

    /// The pool whose backends these are.
    #[must_use]
    pub fn pool(&self) -> &PoolName {
        &self.pool
    }

    /// How often any backend's eligibility has changed. Whoever keeps something that was computed
    /// from eligibility compares this, and each backend's [`Backend::eligible_at`].
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// The backend at this address: the one that is known, or a first one.
    #[must_use]
    pub fn backend(&self, address: SocketAddr) -> Arc<Backend> {
        let mut backends = self.backends.lock();
        let backend = backends.entry(address).or_insert_with(|| {
            let id = BackendId { pool: self.pool.clone(), address };
            Arc::new(Backend::new(id, Arc::clone(&self.changes), self.start))
        });
        Arc::clone(backend)
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
        let first = registry.roster(&web, now).backend(address);
        assert!(Arc::ptr_eq(&first, &registry.roster(&web, now).backend(address)));
        assert!(!Arc::ptr_eq(&first, &registry.roster(&api, now).backend(address)));
    }
}
