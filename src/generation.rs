//! One configuration made live.
//!
//! Routes, pools and everything else that a request is served by are published together and
//! pinned together: a request sees one configuration from its first byte to its last.

use std::{sync::Arc, time::Instant};

use arc_swap::ArcSwap;
use pingora_core::{Error, ErrorType, Result};

use crate::backend::Registry;
use crate::config::Config;
use crate::discovery::Resolved;
use crate::headers::TrustedProxies;
use crate::pool::{Pool, Pools};
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
    pub pools: Pools,
    /// Whose word about the client is taken.
    pub trusted: TrustedProxies,
    /// Where request lines go.
    pub access_log: Option<Arc<AccessLog>>,
}

impl Generation {
    /// Makes a configuration live, without publishing it.
    ///
    /// # Errors
    ///
    /// As [`Pool::build`]. A route to a pool that does not exist, which `config` excludes.
    pub async fn build(
        config: &Config,
        resolved: &Resolved,
        registry: &Registry,
        access_log: Option<Arc<AccessLog>>,
        now: Instant,
    ) -> Result<Self> {
        let pools = Pools::build(config, resolved, registry, now).await?;
        let targets = config.routes.iter().map(|route| pools.get(&route.pool).cloned());
        let targets = targets.collect::<Option<_>>();
        let unknown = || Error::explain(ErrorType::InternalError, "a route to no pool");
        Ok(Self {
            routes: RouteTable::new(&config.routes),
            targets: targets.ok_or_else(unknown)?,
            pools,
            trusted: TrustedProxies::new(&config.trusted_proxies),
            access_log,
        })
    }

    /// The pool for a request, or `None` when no route matches.
    #[must_use]
    pub fn route(&self, host: Option<&str>, path: &str) -> Option<&Arc<Pool>> {
        self.targets.get(self.routes.find(host, path)?)
    }
}

/// The generation that serves requests now.
#[derive(Debug)]
pub struct Current(ArcSwap<Generation>);

impl Current {
    /// Serving from this one.
    #[must_use]
    pub fn new(first: Generation) -> Self {
        Self(ArcSwap::from_pointee(first))
    }

    /// The generation of a request that begins now; it lives as long as the request holds it.
    #[must_use]
    pub fn pin(&self) -> Arc<Generation> {
        self.0.load_full()
    }
}
