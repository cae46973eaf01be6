//! Another configuration in place of the one that serves, without a gap.
//!
//! Reading a file and resolving names may take long, so both happen on a thread of their own.
//! Only when all of it is right is anything changed.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use super::changes::{self, View};
use crate::clock;
use crate::config::{Config, Loaded, PoolName, Problems};
use crate::discovery::Resolved;
use crate::generation::Current;
use crate::telemetry::AccessLog;

/// Reads and resolves the configuration as at the start.
pub type Load = Arc<dyn Fn() -> Result<(Loaded, Resolved), Problems> + Send + Sync>;

/// Loads the configuration anew and makes it live.
pub(super) struct Reloader {
    load: Load,
    current: Arc<Current>,
    config: Config,
    resolved: Resolved,
}

impl Reloader {
    /// Of what serves now.
    pub(super) fn new(
        load: Load,
        current: Arc<Current>,
        config: Config,
        resolved: Resolved,
    ) -> Self {
        Self { load, current, config, resolved }
    }

    /// Reloads, and logs what changed or why nothing did.
    pub(super) async fn reload(&mut self) {
        let began = clock::now();
        let load = Arc::clone(&self.load);
        let loading = tokio::task::spawn_blocking(move || load());
        let Ok(loaded) = loading.await else {
            log::error!("not reloaded: loading the configuration failed; still serving as before");
            return;
        };
        match loaded {
            Err(problems) => {
                for problem in problems.iter() {
                    log::error!("{problem}");
                }
                log::error!(problems = problems.iter().count(); "not reloaded, still serving as before");
            }
            Ok((Loaded { config, warnings }, resolved)) => {
                for warning in &warnings {
                    log::warn!("{warning}");
                }
                let loading = clock::now().saturating_duration_since(began);
                self.take_over(config, resolved, loading).await;
            }
        }
    }

    async fn take_over(&mut self, config: Config, resolved: Resolved, loading: Duration) {
        let access_log = match self.access_log(&config) {
            Ok(access_log) => access_log,
            Err(error) => {
                log::error!(
                    "not reloaded, still serving as before: cannot open the access log \
                     (access_log.path): {error}"
                );
                return;
            }
        };
        let before = self.current.pin();
        let in_flight = |pool: &PoolName, address: SocketAddr| {
            before.pool(pool).map_or(0, |pool| pool.active(&address))
        };
        let changes = changes::between(
            View { config: &self.config, resolved: &self.resolved },
            View { config: &config, resolved: &resolved },
            in_flight,
        );
        let began = clock::now();
        if let Err(error) = self.current.publish(&config, &resolved, access_log, began).await {
            log::error!("not reloaded, still serving as before: {error}");
            return;
        }
        for change in &changes {
            log::info!("{change}");
        }
        let publishing_ms = clock::now().saturating_duration_since(began).as_millis();
        let loading_ms = loading.as_millis();
        log::info!(changes = changes.len(), loading_ms, publishing_ms; "reloaded");
        (self.config, self.resolved) = (config, resolved);
    }

    /// The one that is open, when nothing is said otherwise.
    fn access_log(&self, config: &Config) -> std::io::Result<Option<Arc<AccessLog>>> {
        if config.access_log == self.config.access_log {
            return Ok(self.current.pin().access_log.clone());
        }
        config.access_log.as_ref().map(|config| AccessLog::open(config).map(Arc::new)).transpose()
    }
}
