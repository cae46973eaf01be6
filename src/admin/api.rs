//! The interface between the listener and the process: views of its state, and changes.

use std::sync::Arc;

use http::StatusCode;
use tokio::sync::mpsc;

use super::{
    change::{ApiError, BackendName, Change},
    metrics::Scrape,
    view::{self, EventFeed, ExplainQuery, Identity, Monitor, SampleRequest, Sources},
};
use crate::clock;
use crate::config::{self, PoolName};
use crate::generation::Current;
use crate::in_flight::InFlight;
use crate::pool::OrderError;
use crate::process::control::{self, Command, PendingCommand};
use crate::readiness::{Phase, Readiness};

/// The process, as the admin listener sees it.
#[derive(Debug, Clone)]
pub struct Api {
    pub(super) readiness: Arc<Readiness>,
    pub(super) current: Arc<Current>,
    in_flight: InFlight,
    identity: Arc<Identity>,
    pub(super) monitor: Arc<Monitor>,
    /// Takes commands; `None` for a process without a file to load.
    commands: Option<mpsc::Sender<PendingCommand>>,
}

impl Api {
    /// The API of a process that serves `current`. `commands` leads to its main loop, if the process
    /// runs from a file.
    #[must_use]
    pub fn new(
        readiness: Arc<Readiness>,
        current: Arc<Current>,
        in_flight: InFlight,
        identity: Identity,
        commands: Option<mpsc::Sender<PendingCommand>>,
    ) -> Self {
        let identity = Arc::new(identity);
        Self { readiness, current, in_flight, identity, monitor: Arc::default(), commands }
    }

    /// The metrics as Prometheus reads them, to be written in pieces.
    pub(super) fn metrics(&self) -> Scrape {
        let Self { readiness, current, in_flight, .. } = self.clone();
        Scrape::new(current, readiness, in_flight, clock::now())
    }

    /// The state of every pool. May take long.
    pub(super) fn status(&self) -> view::Status {
        self.with_sources(|sources| view::status(sources, clock::now()))
    }

    fn with_sources<T>(&self, read: impl FnOnce(Sources<'_>) -> T) -> T {
        let Self { readiness, current, in_flight, identity, monitor, .. } = self;
        let last_minute = monitor.last_minute.lock();
        let last_minute = &last_minute;
        read(Sources { identity, current, readiness, in_flight, last_minute })
    }

    /// Changes a backend in the name of `by`. Returns the backend after the change.
    pub(super) fn change(
        &self,
        name: &BackendName,
        change: Change,
        by: &str,
    ) -> Result<view::Backend, ApiError> {
        if !self.readiness.takes_orders() {
            let reason =
                "the process is starting, or hands over to its successor: try again in a moment";
            return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, reason));
        }
        let address = self.backend(name)?.address;
        if let Some(pool) = self.current.pin().pool(&PoolName::new(&*name.pool)) {
            let action = change.action(pool.config())?;
            match pool.order(&address, action, by, clock::now()) {
                // A reload has just removed it; `backend` below says so.
                Ok(()) | Err(OrderError::UnknownBackend) => {}
                Err(error) => return Err(ApiError::new(StatusCode::CONFLICT, error.to_string())),
            }
        }
        self.backend(name)
    }

    /// How a request would be served.
    pub(super) fn explain(&self, query: &ExplainQuery) -> Result<view::Explanation, ApiError> {
        let request = SampleRequest::parse(query)
            .map_err(|reason| ApiError::new(StatusCode::BAD_REQUEST, reason))?;
        Ok(view::explain(&self.current, &request, clock::now()))
    }

    /// The events, for a client that follows them.
    pub(super) fn events(&self) -> EventFeed {
        self.monitor.feed(&self.current)
    }

    /// One pool of the status.
    pub(super) fn pool(&self, name: &str) -> Result<view::Pool, ApiError> {
        let pools = self.status().pools;
        let names: Vec<_> = pools.iter().map(|pool| pool.name.clone()).collect();
        pools.into_iter().find(|pool| pool.name == name).ok_or_else(|| {
            let reason = format!("no pool is named {name:?}; the pools are {}", names.join(", "));
            ApiError::new(StatusCode::NOT_FOUND, reason)
        })
    }

    /// One backend of the status.
    pub(super) fn backend(&self, name: &BackendName) -> Result<view::Backend, ApiError> {
        name.find_in(self.pool(&name.pool)?.backends)
    }

    /// The certificates of all listeners.
    pub(super) fn certificates(&self) -> view::Certificates {
        view::certificates(&self.current.pin(), clock::wall())
    }

    /// The configuration in force.
    pub(super) fn config(&self) -> serde_json::Value {
        config::effective(&self.current.pin().config)
    }

    /// Loads the configuration file. Returns what `lb reload` prints.
    pub(super) async fn reload(&self, by: &str) -> Result<String, ApiError> {
        let conflict = |reason: String| ApiError::new(StatusCode::CONFLICT, reason);
        let Some(commands) = &self.commands else {
            let reason = "not reloaded: this process was started without a file (lb -c FILE)";
            return Err(conflict(reason.to_owned()));
        };
        log::info!(by; "reload requested");
        match control::order(commands, Command::Reload).await {
            Ok(text) => Ok(text),
            Err(reason) if self.readiness.phase() == Phase::Draining => Err(conflict(reason)),
            Err(reason) => Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, reason)),
        }
    }
}
