//! Another configuration in place of the one that serves, without a gap.
//!
//! Reading a file and resolving names may take long, so both happen on a thread of their own.
//! Nothing changes unless all of the new configuration is right. The command that asked for the
//! reload gets the same words as the log.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::{
    changes::{self, View},
    error::{StartError, set_up},
    logs,
};
use crate::backend::Address;
use crate::clock;
use crate::config::{Config, Loaded, PoolName, Problems};
use crate::discovery::ResolvedBackends;
use crate::generation::{Current, NOT_RELOADED, Opened};
use crate::process::{
    control::{Answer, Reply},
    service_manager,
};
use crate::readiness::{Phase, Readiness};
use crate::telemetry::{
    AccessLog,
    log::{self as process_log, Destination},
};
use crate::tls::TlsListeners;

/// Reads the configuration and resolves its names, as at the start.
pub type LoadConfig =
    Arc<dyn Fn() -> Result<(Loaded, ResolvedBackends, TlsListeners), Problems> + Send + Sync>;

/// What is asked of the thread that loads configurations.
#[derive(Debug)]
pub(super) enum ReloadRequest {
    /// A reload, with the place for its answer if a command asked.
    Reload(Option<Reply>),
    /// What a reload would change.
    DryRun(Reply),
}

type Logs = (Option<Arc<AccessLog>>, Option<Destination>);

const NOT_CHANGED: &str = "nothing has changed";

/// Loads the configuration again and makes it live.
pub(super) struct Reloader {
    load: LoadConfig,
    current: Arc<Current>,
    /// The configuration of the start; some of it cannot be changed by a reload.
    started: Config,
    config: Config,
    resolved: ResolvedBackends,
    readiness: Arc<Readiness>,
}

impl Reloader {
    /// `config` and `resolved` are what serves at this moment.
    pub(super) fn new(
        load: LoadConfig,
        current: Arc<Current>,
        config: Config,
        resolved: ResolvedBackends,
        readiness: Arc<Readiness>,
    ) -> Self {
        Self { load, current, started: config.clone(), config, resolved, readiness }
    }

    /// Reloads for every request. Requests that come before a load begins share one reload.
    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<ReloadRequest>) {
        while let Some(first) = requests.recv().await {
            let mut all = vec![first];
            while let Ok(another) = requests.try_recv() {
                all.push(another);
            }
            let mut replies = Vec::new();
            for request in all {
                match request {
                    ReloadRequest::Reload(reply) => replies.push(reply),
                    ReloadRequest::DryRun(reply) => reply.send_later(self.dry_run().await),
                }
            }
            if replies.is_empty() {
                continue;
            }
            // Before and after that phase the service manager is told something else.
            let is_serving = self.readiness.phase() == Phase::Serving;
            if is_serving {
                service_manager::reloading();
            }
            let answer = self.reload().await;
            self.current.reloaded(answer.as_deref().map_err(String::as_str));
            if is_serving && self.readiness.phase() == Phase::Serving {
                service_manager::ready();
            }
            for reply in replies.into_iter().flatten() {
                reply.send_later(answer.clone());
            }
        }
    }

    /// Loads, and says what a reload would change.
    async fn dry_run(&self) -> Answer {
        let load = Arc::clone(&self.load);
        let Ok(loaded) = tokio::task::spawn_blocking(move || load()).await else {
            return Err(format!("loading failed by a fault of this program; {NOT_CHANGED}"));
        };
        let (Loaded { config, warnings }, resolved, _) =
            loaded.map_err(|problems| format!("{problems}\na reload would fail; {NOT_CHANGED}"))?;
        let warnings = warnings.iter().map(|warning| format!("warning: {warning}"));
        let changes = self.changes(&config, &resolved);
        let end = match changes.is_empty() {
            true => "a reload would change nothing".to_owned(),
            false => format!("a reload would change this; {NOT_CHANGED}"),
        };
        let lines: Vec<String> = warnings.chain(changes).chain([end]).collect();
        Ok(lines.join("\n"))
    }

    /// What differs from the configuration that serves.
    fn changes(&self, config: &Config, resolved: &ResolvedBackends) -> Vec<String> {
        let before = self.current.pin();
        let in_flight = |pool: &PoolName, address: &Address| {
            before.pool(pool).map_or(0, |pool| pool.active(address))
        };
        changes::between(
            &self.started,
            View { config: &self.config, resolved: &self.resolved },
            View { config, resolved },
            in_flight,
        )
    }

    /// Reloads, and logs what changed or why nothing did.
    async fn reload(&mut self) -> Answer {
        let began = clock::now();
        let load = Arc::clone(&self.load);
        let loading = tokio::task::spawn_blocking(move || load());
        let failed = |error| {
            Err(format!("{NOT_RELOADED}: loading failed by a fault of this program ({error})"))
        };
        let answer = match loading.await {
            Err(error) => failed(error),
            Ok(Err(problems)) => {
                for problem in problems.iter() {
                    log::error!("{problem}");
                }
                log::error!(problems = problems.iter().count(); "{NOT_RELOADED}");
                return Err(format!("{problems}\n{NOT_RELOADED}"));
            }
            Ok(Ok((Loaded { config, warnings }, resolved, tls))) => {
                for warning in &warnings {
                    log::warn!("{warning}");
                }
                let warnings = warnings.iter().map(|warning| format!("warning: {warning}"));
                let loading = clock::now().saturating_duration_since(began);
                let changes = self.take_over(config, (resolved, tls), loading).await;
                changes.map(|changes| {
                    warnings.chain(changes).map(|line| line + "\n").collect::<String>() + "reloaded"
                })
            }
        };
        if let Err(reason) = &answer {
            log::error!("{reason}");
        }
        answer
    }

    async fn take_over(
        &mut self,
        config: Config,
        (resolved, tls): (ResolvedBackends, TlsListeners),
        loading: Duration,
    ) -> Result<Vec<String>, String> {
        let failed = |error: String| format!("{NOT_RELOADED}: {error}");
        let (access_log, destination) =
            self.logs(&config).await.map_err(|error| failed(error.to_string()))?;
        let changes = self.changes(&config, &resolved);
        let began = clock::now();
        let publishing =
            self.current.publish(&config, &resolved, Opened { access_log, tls }, began);
        publishing.await.map_err(|error| failed(format!("the pools cannot be built: {error}")))?;
        if let Some(destination) = destination {
            if config.process.error_log != self.config.process.error_log {
                log::info!(to:% = destination; "the process log goes on elsewhere");
            }
            process_log::direct(destination);
        }
        for change in &changes {
            log::info!("{change}");
        }
        let publishing_ms = clock::now().saturating_duration_since(began).as_millis();
        let loading_ms = loading.as_millis();
        log::info!(changes = changes.len(), loading_ms, publishing_ms; "reloaded");
        (self.config, self.resolved) = (config, resolved);
        Ok(changes)
    }

    /// Opens the logs of this configuration. An access log that stays the same is the open one; for
    /// the process log, `None` means that it stays the same.
    async fn logs(&self, config: &Config) -> Result<Logs, StartError> {
        let as_before = self.current.pin().access_log.clone();
        let is_same = (
            config.access_log == self.config.access_log,
            process_log::is_same(&self.config, config),
        );
        let config = config.clone();
        // A file system may be slow or hang.
        let opening = tokio::task::spawn_blocking(move || {
            let access_log = if is_same.0 {
                as_before
            } else {
                config.access_log.as_ref().map(logs::open_access_log).transpose()?
            };
            let destination = (!is_same.1).then(|| process_log::open(&config)).transpose();
            Ok((access_log, destination.map_err(StartError::ProcessLog)?))
        });
        opening.await.map_err(|error| set_up("the logs", error))?
    }
}
