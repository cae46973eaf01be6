//! One Pingora background service that runs the loops of all pools.
//!
//! Pingora starts its services once; pools come and go with the configuration. So this is the only
//! service, and it runs Pingora's health-check loop of each pool as a task, for as long as the pool
//! exists.

use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::{server::ShutdownWatch, services::background::BackgroundService};
use tokio::{sync::watch, task::JoinHandle};

use super::{super::Pool, Pools};

/// Runs the health checks of pools until shutdown.
#[derive(Debug)]
pub struct Supervisor {
    pools: watch::Receiver<Pools>,
}

impl Supervisor {
    /// A supervisor of these pools, as they change.
    #[must_use]
    pub fn new(pools: watch::Receiver<Pools>) -> Self {
        Self { pools }
    }
}

#[async_trait]
impl BackgroundService for Supervisor {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut pools = self.pools.clone();
        let mut loops: Vec<Loop> = Vec::new();
        loop {
            let now = pools.borrow_and_update().clone();
            loops.retain(|running| now.iter().any(|pool| Arc::ptr_eq(pool, &running.pool)));
            for pool in now.iter() {
                if !loops.iter().any(|running| Arc::ptr_eq(pool, &running.pool)) {
                    loops.push(Loop::start(Arc::clone(pool), shutdown.clone()));
                }
            }
            tokio::select! {
                changed = pools.changed() => if changed.is_err() {
                    // The sender is gone, so the pools change no more.
                    let _ = shutdown.changed().await;
                    return;
                },
                _ = shutdown.changed() => return,
            }
        }
    }
}

/// The loop of one pool; ends when dropped.
struct Loop {
    pool: Arc<Pool>,
    task: JoinHandle<()>,
}

impl Loop {
    fn start(pool: Arc<Pool>, shutdown: ShutdownWatch) -> Self {
        let runs = Arc::clone(&pool);
        let task = tokio::spawn(async move { runs.run(shutdown).await });
        Self { pool, task }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        self.task.abort();
    }
}
