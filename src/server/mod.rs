//! Assembling and running the process: the only module that knows all the others.

mod changes;
mod listeners;
mod reload;
mod signals;

use std::{io, net::SocketAddr, process::ExitCode, sync::Arc, thread};

use pingora_core::{
    server::{RunArgs, Server, configuration::ServerConf},
    services::background::background_service,
};
use pingora_proxy::http_proxy;
use thiserror::Error;

use crate::clock;
use crate::config::{AccessLog, Config};
use crate::discovery::Resolved;
use crate::generation::Current;
use crate::pool::Supervisor;
use crate::proxy::{InFlight, Proxy};
use crate::telemetry;
use listeners::{Bound, Listeners};
pub use reload::Load;
use reload::Reloader;
use signals::Stop;

/// Our own rule ends retries, see `retry`; Pingora's only has to be out of its way.
const PINGORA_MAX_RETRIES: usize = 1000;
/// Unused connections to backends that are kept, over all backends, for each worker thread.
/// Pingora's 128 are fewer than a busy site's connections to a handful of backends.
const POOLED_CONNECTIONS: usize = 1024;
/// Pingora sleeps this long on its own thread after it was told to stop; the process leaves
/// when its requests are done, which is long before.
const PINGORA_GRACE_SECONDS: u64 = 24 * 60 * 60;

/// Why the process could not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address could not be bound.
    #[error("cannot listen on {address} (listeners[{index}].address): {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Which listener of the configuration.
        index: usize,
        /// What the system says.
        source: io::Error,
    },
    /// The access log could not be opened.
    #[error("cannot open the access log (access_log.path): {0}")]
    AccessLog(
        /// What the system says, with the file's name.
        io::Error,
    ),
    /// A part of the process could not be set up.
    #[error("cannot start {what}: {source}")]
    SetUp {
        /// Which part.
        what: &'static str,
        /// What was wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Serves until a signal ends it. The process log must have been set up. `load` gives the
/// configuration anew, for a reload; `None` where there is nothing to load it from.
///
/// # Errors
///
/// When the process cannot start; nothing was served then.
pub fn run(config: Config, resolved: Resolved, load: Option<Load>) -> Result<ExitCode, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| set_up("the runtime", source))?;
    let bound = listeners::bind(&config.listeners)?;
    let access_log = config.access_log.as_ref().map(open_access_log).transpose()?;
    let building = Current::new(&config, &resolved, access_log, clock::now());
    let current =
        runtime.block_on(building).map_err(|source| set_up("the pools", source.to_string()))?;
    let current = Arc::new(current);

    let addresses: Vec<SocketAddr> = bound.iter().map(|bound| bound.address).collect();
    let in_flight = InFlight::default();
    let server = assemble(&config, bound, &current, in_flight.clone());
    let code = runtime.block_on(async {
        let stop = Arc::new(Stop::default());
        let reloader =
            load.map(|load| Reloader::new(load, Arc::clone(&current), config.clone(), resolved));
        let supervision =
            signals::supervise(Arc::clone(&stop), in_flight, Arc::clone(&current), reloader);
        let supervision = supervision.map_err(|source| set_up("signal handling", source))?;
        let ended = start(server, Arc::clone(&stop))?;
        announce(&config, &addresses);
        Ok(tokio::select! {
            code = supervision => code,
            _ = ended => {
                log::error!("the server ended by itself");
                ExitCode::FAILURE
            }
        })
    })?;
    if let Some(access_log) = &current.pin().access_log {
        access_log.close();
    }
    Ok(code)
}

/// Everything that runs, as Pingora's services.
fn assemble(
    config: &Config,
    bound: Vec<Bound>,
    current: &Arc<Current>,
    in_flight: InFlight,
) -> Server {
    let mut server = Server::new_with_opt_and_conf(None, pingora_conf(config));
    let mut checks = background_service("checks", Supervisor::new(current.pools()));
    checks.threads = Some(1);
    let proxy = Proxy::new(Arc::clone(current), in_flight);
    let proxy = Arc::new(http_proxy(&server.configuration, proxy));
    server.add_service(Listeners::new(bound, &proxy, current));
    server.add_service(checks);
    server
}

/// What Pingora is told about the process.
#[must_use]
pub fn pingora_conf(config: &Config) -> ServerConf {
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    ServerConf {
        threads: config.threads.map_or_else(cores, usize::from),
        max_retries: PINGORA_MAX_RETRIES,
        upstream_keepalive_pool_size: POOLED_CONNECTIONS,
        grace_period_seconds: Some(PINGORA_GRACE_SECONDS),
        ..ServerConf::default()
    }
}

/// Runs Pingora's server on a thread of its own: it blocks its thread for its whole grace period.
/// Resolves when that thread is done, which takes a panic.
fn start(
    server: Server,
    stop: Arc<Stop>,
) -> Result<tokio::sync::oneshot::Receiver<()>, StartError> {
    let (alive, ended) = tokio::sync::oneshot::channel::<()>();
    let run = move || {
        let _alive = alive;
        server.run(RunArgs { shutdown_signal: Box::new(signals::StopWatch::new(stop)) });
    };
    thread::Builder::new()
        .name("server".to_owned())
        .spawn(run)
        .map_err(|source| set_up("the server's thread", source))?;
    Ok(ended)
}

fn announce(config: &Config, addresses: &[SocketAddr]) {
    for address in addresses {
        log::info!(address:% = address; "listening");
    }
    for pool in &config.pools {
        log::info!(pool = pool.name.as_str(), backends = pool.backends.len(); "serving");
    }
}

fn open_access_log(config: &AccessLog) -> Result<Arc<telemetry::AccessLog>, StartError> {
    telemetry::AccessLog::open(config).map(Arc::new).map_err(StartError::AccessLog)
}

fn set_up(
    what: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StartError {
    StartError::SetUp { what, source: source.into() }
}
