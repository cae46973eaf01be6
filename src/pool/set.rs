//! The pools of one configuration, by name.

use std::{collections::HashMap, sync::Arc, time::Instant};

use pingora_core::{Error, ErrorType, Result};

use super::Pool;
use crate::backend::Registry;
use crate::config::{Config, PoolName};
use crate::discovery::ResolvedBackends;

/// The pools of one configuration, by name.
#[derive(Debug, Clone, Default)]
pub struct Pools {
    by_name: HashMap<PoolName, Arc<Pool>>,
}

impl Pools {
    /// Builds every pool; backends that the registry knows keep what is known of them, and a pool
    /// that is as in `previous` is that one.
    ///
    /// # Errors
    ///
    /// As [`Pool::build`]; a pool that is not among the resolved.
    pub async fn build(
        config: &Config,
        resolved: &ResolvedBackends,
        registry: &Registry,
        previous: Option<&Self>,
        now: Instant,
    ) -> Result<Self> {
        let mut by_name = HashMap::new();
        for pool in &config.pools {
            let unresolved = || Error::explain(ErrorType::InternalError, "an unresolved pool");
            let endpoints = resolved.get(&pool.name).ok_or_else(unresolved)?;
            let previous = previous.and_then(|pools| pools.get(&pool.name));
            let built = match previous.filter(|previous| previous.is_built_from(pool, endpoints)) {
                Some(unchanged) => Arc::clone(unchanged),
                None => {
                    let roster = registry.roster(&pool.name, now);
                    let previous = previous.map(|pool| &**pool);
                    Arc::new(Pool::build(pool, endpoints, roster, previous).await?)
                }
            };
            by_name.insert(pool.name.clone(), built);
        }
        Ok(Self { by_name })
    }

    /// Takes effect on the backends of every pool, and forgets those of all others.
    pub fn enlist(&self, registry: &Registry, now: Instant) {
        self.iter().for_each(|pool| pool.enlist(now));
        registry.retain(|name| self.by_name.contains_key(name));
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

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.by_name.values()
    }
}
