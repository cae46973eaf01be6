//! The pools of one configuration, by name.

use std::{collections::HashMap, sync::Arc, time::Instant};

use pingora_core::{Error, ErrorType, Result};

use super::Pool;
use crate::backend::Registry;
use crate::config::{Config, PoolName};
use crate::discovery::Resolved;

/// The pools of one configuration, by name.
#[derive(Debug, Clone, Default)]
pub struct Pools {
    by_name: HashMap<PoolName, Arc<Pool>>,
}

impl Pools {
    /// Builds every pool; backends that the registry knows keep what is known of them.
    ///
    /// # Errors
    ///
    /// As [`Pool::build`]; a pool that is not among the resolved.
    pub async fn build(
        config: &Config,
        resolved: &Resolved,
        registry: &Registry,
        now: Instant,
    ) -> Result<Self> {
        let mut by_name = HashMap::new();
        for pool in &config.pools {
            let unresolved = || Error::explain(ErrorType::InternalError, "an unresolved pool");
            let addresses = resolved.get(&pool.name).ok_or_else(unresolved)?;
            let roster = registry.roster(&pool.name, now);
            let built = Pool::build(pool, addresses, roster, fastrand::u64(..)).await?;
            by_name.insert(pool.name.clone(), Arc::new(built));
        }
        Ok(Self { by_name })
    }

    /// The pool of this name.
    #[must_use]
    pub fn get(&self, name: &PoolName) -> Option<&Arc<Pool>> {
        self.by_name.get(name)
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.by_name.values()
    }
}
