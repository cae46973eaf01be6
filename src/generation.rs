//! One configuration made live.
//!
//! Routes, pools and everything else that a request is served by are published together and
//! pinned together: a request sees one configuration from its first byte to its last.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Instant};

use arc_swap::ArcSwap;
use pingora_core::{Error, ErrorType, Result};
use tokio::sync::watch;

use crate::backend::Registry;
use crate::config::{ClientLimits, Config, PoolName, Shutdown};
use crate::discovery::Resolved;
use crate::headers::TrustedProxies;
use crate::pool::{self, Pool, Pools};
use crate::route::RouteTable;
use crate::telemetry::AccessLog;

/// One configuration made live.
#[derive(Debug)]
pub struct Generation {
    /// Which host and path go where.
    routes: RouteTable,
    /// The pool of each route, by the route's index.
    targets: Vec<Arc<Pool>>,
    /// Every pool, routed to or not.
    pools: Pools,
    /// Limits of the clients of each listener.
    client_limits: HashMap<SocketAddr, ClientLimits>,
    /// Whose word about the client is taken.
    pub trusted: TrustedProxies,
    /// Where request lines go.
    pub access_log: Option<Arc<AccessLog>>,
    /// All that it says.
    pub config: Arc<Config>,
    /// How the process ends.
    pub shutdown: Shutdown,
    /// Whether the configuration is loaded anew whenever its file changes.
    pub watch: bool,
}

impl Generation {
    /// The pool for a request, or `None` when no route matches.
    #[must_use]
    pub fn route(&self, host: Option<&str>, path: &str) -> Option<&Arc<Pool>> {
        self.targets.get(self.routes.find(host, path)?)
    }

    /// The pool of this name.
    #[must_use]
    pub fn pool(&self, name: &PoolName) -> Option<&Arc<Pool>> {
        self.pools.get(name)
    }

    /// The pools that a route leads to and in which nobody can take a request, by name.
    #[must_use]
    pub fn pools_without_backend(&self, now: Instant) -> Vec<PoolName> {
        let pools = self.targets.iter().filter(|pool| pool.has_nobody(now));
        let mut names: Vec<_> = pools.map(|pool| pool.name().clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Whether the first round of checks of every pool is over.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        self.pools.is_checked()
    }

    /// The limits of the clients of this listener, by its address as configured.
    #[must_use]
    pub fn client_limits(&self, listener: &SocketAddr) -> Option<ClientLimits> {
        self.client_limits.get(listener).copied()
    }
}

/// The generation that serves requests now, and what outlives it.
#[derive(Debug)]
pub struct Current {
    generation: ArcSwap<Generation>,
    registry: Registry,
    pools: watch::Sender<Pools>,
}

impl Current {
    /// Makes the first configuration live.
    ///
    /// # Errors
    ///
    /// As [`Current::publish`].
    pub async fn new(
        config: &Config,
        resolved: &Resolved,
        access_log: Option<Arc<AccessLog>>,
        now: Instant,
    ) -> Result<Self> {
        let registry = Registry::default();
        let pools = Pools::build(config, resolved, &registry, None, now).await?;
        pools.enlist(&registry, now);
        let generation = generation(config, pools.clone(), access_log)?;
        let generation = ArcSwap::from_pointee(generation);
        Ok(Self { generation, registry, pools: watch::Sender::new(pools) })
    }

    /// Makes another configuration live. Requests that began before see the one before to their
    /// end; pools that are as before go on as if nothing had happened.
    ///
    /// # Errors
    ///
    /// As [`Pool::build`]. A route to a pool that does not exist, which `config` excludes. Nothing
    /// has changed then.
    pub async fn publish(
        &self,
        config: &Config,
        resolved: &Resolved,
        access_log: Option<Arc<AccessLog>>,
        now: Instant,
    ) -> Result<()> {
        let before = self.pin();
        let previous = Some(&before.pools);
        let pools = Pools::build(config, resolved, &self.registry, previous, now).await?;
        let next = generation(config, pools.clone(), access_log)?;
        pools.enlist(&self.registry, now);
        self.generation.store(Arc::new(next));
        self.pools.send_replace(pools);
        Ok(())
    }

    /// The generation of a request that begins now; it lives as long as the request holds it.
    #[must_use]
    pub fn pin(&self) -> Arc<Generation> {
        self.generation.load_full()
    }

    /// What the next process should know of every pool.
    #[must_use]
    pub fn remember(&self, now: Instant) -> Vec<pool::Memory> {
        self.pin().pools.iter().map(|pool| pool.remember(now)).collect()
    }

    /// Goes on from what the process before knew; of pools that are not here, nothing.
    pub fn recall(&self, memories: &[pool::Memory], now: Instant) {
        let generation = self.pin();
        for memory in memories {
            if let Some(pool) = generation.pool(&PoolName::new(memory.pool.as_str())) {
                pool.recall(memory, now);
            }
        }
    }

    /// [`Generation::is_checked`] of the one that serves now.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        self.pin().is_checked()
    }

    /// The pools, as they change.
    #[must_use]
    pub fn pools(&self) -> watch::Receiver<Pools> {
        self.pools.subscribe()
    }

    /// What is known of all backends.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }
}

fn generation(
    config: &Config,
    pools: Pools,
    access_log: Option<Arc<AccessLog>>,
) -> Result<Generation> {
    let targets = config.routes.iter().map(|route| pools.get(&route.pool).cloned());
    let targets = targets.collect::<Option<_>>();
    let unknown = || Error::explain(ErrorType::InternalError, "a route to no pool");
    let limits = config.listeners.iter().map(|listener| (listener.address, listener.client));
    Ok(Generation {
        routes: RouteTable::new(&config.routes),
        targets: targets.ok_or_else(unknown)?,
        pools,
        client_limits: limits.collect(),
        trusted: TrustedProxies::new(&config.trusted_proxies),
        access_log,
        config: Arc::new(config.clone()),
        shutdown: config.process.shutdown,
        watch: config.process.watch,
    })
}
