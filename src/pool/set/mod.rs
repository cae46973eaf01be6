//! The pools of one configuration, by name, and the service that runs their loops.

mod supervisor;

use std::{collections::HashMap, sync::Arc, time::Instant};

use pingora_core::{Error, ErrorType, Result};

pub use supervisor::Supervisor;

use super::{Pool, PreparedPool};
use crate::backend::Registry;
use crate::config::{Config, PoolName};
use crate::discovery::ResolvedBackends;

/// The pools of one configuration, by name.
#[derive(Debug, Clone, Default)]
pub struct Pools {
    by_name: HashMap<PoolName, Arc<Pool>>,
}

/// The pools of a configuration that has not taken effect yet.
#[derive(Debug)]
pub struct PreparedPools {
    pools: Pools,
    prepared: Vec<PreparedPool>,
}

impl PreparedPools {
    /// The pools, whose backends are not enlisted yet.
    #[must_use]
    pub fn pools(&self) -> &Pools {
        &self.pools
    }

    /// Applies the configuration to the backends of every pool, and forgets those of all other
    /// pools.
    ///
    /// # Errors
    ///
    /// As for [`Pool::change_members`].
    pub async fn take_effect(self, registry: &Registry, now: Instant) -> Result<Pools> {
        for prepared in self.prepared {
            prepared.take_effect(now).await?;
        }
        registry.retain(|name| self.pools.by_name.contains_key(name));
        Ok(self.pools)
    }
}

impl Pools {
    /// Prepares every pool. Backends that the registry knows keep their state, and a pool that
    /// differs from the one in `previous` by its backends only is the same pool.
    ///
    /// # Errors
    ///
    /// A pool that is missing in `resolved`.
    pub fn prepare(
        config: &Config,
        resolved: &ResolvedBackends,
        registry: &Registry,
        previous: Option<&Self>,
        now: Instant,
    ) -> Result<PreparedPools> {
        let mut pools = Self::default();
        let mut prepared = vec![];
        for pool in &config.pools {
            let unresolved = || Error::explain(ErrorType::InternalError, "an unresolved pool");
            let endpoints = resolved.get(&pool.name).ok_or_else(unresolved)?;
            let previous = previous.and_then(|pools| pools.get(&pool.name));
            let roster = registry.roster(&pool.name, now);
            let next = Pool::prepare(pool, endpoints, roster, previous, now);
            pools.by_name.insert(pool.name.clone(), Arc::clone(&next.pool));
            prepared.push(next);
        }
        Ok(PreparedPools { pools, prepared })
    }

    /// The pool of this name.
    #[must_use]
    pub fn get(&self, name: &PoolName) -> Option<&Arc<Pool>> {
        self.by_name.get(name)
    }

    /// Whether the first round of checks is over: [`Pool::is_checked`] of all of them.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        self.iter().all(|pool| pool.is_checked())
    }

    /// All pools, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.by_name.values()
    }
}
