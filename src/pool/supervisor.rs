//! One Pingora background service that runs the loops of all pools.
//!
//! Pingora starts its services once; pools come and go with the configuration. So not every pool
//! is a service of its own: this one is, and it runs Pingora's discovery and health-check loop of
//! each pool as a task.

use async_trait::async_trait;
use pingora_core::{server::ShutdownWatch, services::background::BackgroundService};
use tokio::task::JoinSet;

use super::Pools;

/// Runs the health checks of pools until shutdown.
#[derive(Debug)]
pub struct Supervisor {
    pools: Pools,
}

impl Supervisor {
    /// Of these pools.
    #[must_use]
    pub fn new(pools: Pools) -> Self {
        Self { pools }
    }
}

#[async_trait]
impl BackgroundService for Supervisor {
    async fn start(&self, shutdown: ShutdownWatch) {
        let mut loops = JoinSet::new();
        for pool in self.pools.iter().cloned() {
            let shutdown = shutdown.clone();
            loops.spawn(async move { pool.balancer.run(shutdown, None).await });
        }
        while loops.join_next().await.is_some() {}
    }
}
