//! Assembling and running the process: the only module that knows all the others.

mod changes;
mod commands;
mod draining;
mod error;
mod listeners;
mod predecessor;
mod reload;
mod root;
mod signals;
mod stop;
mod successor;
mod supervision;
mod watch;

use std::{
    ffi::OsString,
    fmt,
    os::unix::net::UnixListener,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
    thread,
};

use parking_lot::Mutex;
use pingora_core::{
    server::{RunArgs, Server, configuration::ServerConf},
    services::background::background_service,
};
use pingora_proxy::{HttpProxy, http_proxy};
use socket2::SockRef;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::admin::{Admin, Api, Readiness};
use crate::clock;
use crate::config::{AccessLog, Config, Problem};
use crate::discovery::ResolvedBackends;
use crate::generation::Current;
use crate::in_flight::InFlight;
use crate::pool::Supervisor;
use crate::process::{
    background::Report,
    handover::{Inherited, NamedSocket},
    meeting_socket::{MeetingSocket, Purpose},
    service_manager,
};
use crate::proxy::Proxy;
use crate::telemetry::{self, log as process_log};
pub use error::StartError;
use error::set_up;
use listeners::{Listeners, Sockets};
pub use reload::Load;
use reload::Reloader;
use root::RootHandles;
use signals::Signals;
use stop::StopAccepting;
use successor::Successor;
use supervision::{FromFile, Supervision};
pub use watch::WatchedFile;

/// Our own rule ends retries, see `retry`; Pingora's only has to be out of its way.
const PINGORA_MAX_RETRIES: usize = 1000;
/// Unused connections to backends that are kept, over all backends, for each worker thread.
/// Pingora's 128 are fewer than a busy site's connections to a handful of backends.
const POOLED_CONNECTIONS: usize = 1024;
/// Pingora sleeps this long on its own thread after it was told to stop; the process leaves
/// when its requests are done, which is long before.
const PINGORA_GRACE_SECONDS: u64 = 24 * 60 * 60;
/// Reloads that wait for the one under way; they are one.
const RELOADS: usize = 64;
/// As many commands may wait.
const ORDERS: usize = 16;

/// The file that a process runs from.
pub struct Origin {
    /// Its name.
    pub file: PathBuf,
    /// As it was before it was loaded.
    pub watched: WatchedFile,
    /// Reads it again, for a reload.
    pub load: Load,
    /// Arguments with which this program runs from it, takes over from this process, and takes
    /// its [`Report`].
    pub again: Vec<OsString>,
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin").field("file", &self.file).finish_non_exhaustive()
    }
}

/// What a process starts with.
#[derive(Debug)]
pub struct Start {
    /// What is served.
    pub config: Config,
    /// What is odd about it.
    pub warnings: Vec<Problem>,
    /// What its names are.
    pub resolved: ResolvedBackends,
    /// `None` where there is no file, but flags alone.
    pub origin: Option<Origin>,
    /// Take the sockets over from the process that serves.
    pub upgrade: bool,
}

/// Serves until a signal ends it. The process log must have been started; it goes where the
/// configuration says as soon as this process is who it is to be. `report`, if there is
/// one, is told when this process serves, or can, where another one serves until then.
///
/// # Errors
///
/// When the process cannot start; nothing was served then.
pub fn run(start: Start, report: &mut Option<Report>) -> Result<ExitCode, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| set_up("the runtime", source))?;
    let config = &start.config;
    let signals = {
        let _context = runtime.enter();
        Signals::listen().map_err(|source| set_up("signal handling", source))?
    };
    let direct_log =
        || process_log::open(config).map(process_log::direct).map_err(StartError::ProcessLog);
    let identity = root::identity(config)?;
    if identity.is_none() {
        direct_log()?;
    }
    let kept = root::last(config, identity.as_ref(), start.upgrade)?;
    // Only now: where another user may write, root does not open a file.
    if identity.is_some() {
        direct_log()?;
    }
    for warning in &start.warnings {
        log::warn!("{warning}");
    }
    let access_log = config.access_log.as_ref().map(open_access_log).transpose()?;
    let building = Current::new(config, &start.resolved, access_log, clock::now());
    let current =
        runtime.block_on(building).map_err(|source| set_up("the pools", source.to_string()))?;
    let current = Arc::new(current);
    let serving = serve(start, kept, Arc::clone(&current), signals, report);
    let code = runtime.block_on(serving)?;
    // A task that still waits for something must not hold up the end.
    runtime.shutdown_background();
    if let Some(access_log) = &current.pin().access_log {
        access_log.close();
    }
    Ok(code)
}

/// From the first health check to the last answer.
async fn serve(
    start: Start,
    RootHandles { bound, pid_file }: RootHandles,
    current: Arc<Current>,
    mut signals: Signals,
    report: &mut Option<Report>,
) -> Result<ExitCode, StartError> {
    let config = &start.config;
    let readiness = Arc::new(Readiness::new(Arc::clone(&current)));
    let in_flight = InFlight::default();
    let stop = StopAccepting::default();
    let (sockets, proxy, ended) = start_server(config, &current, &in_flight, &stop)?;

    let mut places = places(&start)?;
    let given = match &places {
        Some(places) if start.upgrade => {
            let place = &places.upgrade;
            let taking = predecessor::take_over(place, &readiness, report, &mut signals);
            let Some(given) = taking.await? else { return Ok(ExitCode::SUCCESS) };
            Some(given)
        }
        _ => None,
    };
    let orders = mpsc::channel(ORDERS);
    let commands = start.origin.as_ref().map(|_| orders.0.clone());
    let api = Api::new(Arc::clone(&readiness), Arc::clone(&current), in_flight.clone(), commands);
    let (given, settled) = settle(config, bound, given, api);
    let (owned, listeners, admin) = match settled {
        Ok(settled) => settled,
        Err(error) => {
            given.into_iter().for_each(|given| given.failed(&error.to_string()));
            return Err(error);
        }
    };
    if let Some(given) = &given {
        recall(&current, given);
    } else if let Some(pid_file) = &pid_file {
        pid_file.claim().map_err(StartError::PidFile)?;
    }
    // Whoever reads that it serves may have a command.
    if let Some(places) = &mut places {
        places.orders = places.control.listen().ok();
    }
    announce(config, &owned);
    // The service that takes them is waiting for them.
    let _ = sockets.send(listeners);
    let agreement = given.map(Inherited::serving);
    tokio::spawn(become_ready(Arc::clone(&readiness), report.take()));
    let file = places.and_then(|places| {
        from_file(start, places, Arc::clone(&current), owned, Arc::clone(&readiness))
    });
    let supervision =
        Supervision { current, in_flight, readiness, stop, proxy, admin, pid_file, file };
    Ok(tokio::select! {
        code = supervision.run(signals, agreement, orders) => code,
        () = ended.notified() => {
            log::error!("the server ended by itself");
            ExitCode::FAILURE
        }
    })
}

/// Where this process meets others.
struct Places {
    control: MeetingSocket,
    upgrade: MeetingSocket,
    /// Where commands come in, once this process serves.
    orders: Option<UnixListener>,
}

/// None where it does not run from a file.
fn places(start: &Start) -> Result<Option<Places>, StartError> {
    let Some(origin) = &start.origin else { return Ok(None) };
    let of = |purpose| {
        MeetingSocket::of(purpose, &origin.file)
            .map_err(|source| set_up("to take commands", source))
    };
    let upgrade = match &start.config.process.upgrade_socket {
        Some(path) => MeetingSocket::File(path.clone()),
        None => of(Purpose::Upgrade)?,
    };
    Ok(Some(Places { control: of(Purpose::Control)?, upgrade, orders: None }))
}

/// What a process can do that runs from a file.
fn from_file(
    start: Start,
    places: Places,
    current: Arc<Current>,
    sockets: Sockets,
    readiness: Arc<Readiness>,
) -> Option<FromFile> {
    let Origin { load, again, watched, .. } = start.origin?;
    let (reload, wanted) = mpsc::channel(RELOADS);
    let reloader = Reloader::new(
        load,
        Arc::clone(&current),
        start.config,
        start.resolved,
        Arc::clone(&readiness),
    );
    tokio::spawn(reloader.run(wanted));
    let successor = Arc::new(Successor {
        place: places.upgrade,
        again,
        current,
        readiness,
        sockets: Mutex::new(Some(sockets)),
        is_over: AtomicBool::new(false),
    });
    Some(FromFile { control: places.control, orders: places.orders, reload, successor, watched })
}

/// What this process keeps for the next one, what it gives away, and its admin listener.
type Settled = (Sockets, Vec<NamedSocket>, Option<Admin>);

/// Everything that still can go wrong before this process serves.
fn settle(
    config: &Config,
    bound: Vec<NamedSocket>,
    mut given: Option<Inherited>,
    api: Api,
) -> (Option<Inherited>, Result<Settled, StartError>) {
    let before = given.as_mut().map(|given| std::mem::take(&mut given.sockets));
    let settle = || {
        let all = before.into_iter().flatten().chain(bound).collect();
        let owned = Sockets::bind(config, all)?;
        let Sockets { listeners, admin } =
            owned.duplicate().map_err(|source| set_up("the listeners", source))?;
        let address = config.admin.as_ref().map(|admin| admin.address.clone());
        let admin = admin.zip(address);
        let admin = admin.map(|((_, socket), address)| Admin::start(socket, address, api));
        let admin = admin.transpose().map_err(|source| set_up("the admin listener", source))?;
        Ok((owned, listeners, admin))
    };
    let settled = settle();
    (given, settled)
}

/// What the process before knew, in so far as its words are understood.
fn recall(current: &Current, given: &Inherited) {
    match serde_json::from_value::<Vec<crate::pool::Memory>>(given.memory.clone()) {
        Ok(memories) => current.recall(&memories, clock::now()),
        Err(error) => log::warn!(error:% = error; "what the process before knew is not understood"),
    }
}

/// Tells everybody that this process serves, once its backends are checked.
async fn become_ready(readiness: Arc<Readiness>, report: Option<Report>) {
    readiness.first_round().await;
    readiness.serve();
    service_manager::ready();
    if let Some(report) = report {
        report.serving();
    }
}

type Started = (oneshot::Sender<Vec<NamedSocket>>, Arc<HttpProxy<Proxy>>, Arc<Notify>);

/// Tells when it is dropped.
struct Ends(Arc<Notify>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// Starts Pingora's server with everything that runs as one of its services. It checks backends at
/// once, and accepts when it is given sockets. What comes with it is told when it ends by itself,
/// or accepts no more, which takes a panic.
fn start_server(
    config: &Config,
    current: &Arc<Current>,
    in_flight: &InFlight,
    stop: &StopAccepting,
) -> Result<Started, StartError> {
    let mut server = Server::new_with_opt_and_conf(None, pingora_conf(config));
    let mut checks = background_service("checks", Supervisor::new(current.pools()));
    checks.threads = Some(1);
    let proxy = Proxy::new(Arc::clone(current), in_flight.clone());
    let proxy = Arc::new(http_proxy(&server.configuration, proxy));
    let (give, sockets) = oneshot::channel();
    let ended = Arc::new(Notify::new());
    let listeners = Listeners {
        listeners: config.listeners.clone(),
        sockets: Some(sockets),
        proxy: Arc::clone(&proxy),
        current: Arc::clone(current),
        in_flight: in_flight.clone(),
        failed: Arc::clone(&ended),
    };
    server.add_service(listeners);
    server.add_service(checks);

    let stop = stop.clone();
    let ends = Ends(Arc::clone(&ended));
    // A thread of its own: it blocks its thread for its whole grace period.
    let run = move || {
        let _ends = ends;
        server.run(RunArgs { shutdown_signal: Box::new(stop) });
    };
    thread::Builder::new()
        .name("server".to_owned())
        .spawn(run)
        .map_err(|source| set_up("the server's thread", source))?;
    Ok((give, proxy, ended))
}

/// What Pingora is told about the process.
#[must_use]
pub fn pingora_conf(config: &Config) -> ServerConf {
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    let threads = config.threads.map_or_else(cores, usize::from);
    ServerConf {
        threads,
        max_retries: PINGORA_MAX_RETRIES,
        upstream_keepalive_pool_size: POOLED_CONNECTIONS,
        grace_period_seconds: Some(PINGORA_GRACE_SECONDS),
        // A thread that is alone has nobody to steal from, and pays for it all the same.
        work_stealing: threads > 1,
        ..ServerConf::default()
    }
}

fn announce(config: &Config, Sockets { listeners, admin }: &Sockets) {
    let at = |(configured, socket): &NamedSocket| {
        let address = SockRef::from(socket).local_addr().ok().and_then(|it| it.as_socket());
        address.map_or(configured.clone(), |address| address.to_string())
    };
    for listener in listeners {
        log::info!(address:% = at(listener); "listening");
    }
    if let Some(admin) = admin {
        log::info!(address:% = at(admin); "admin listening");
    }
    for pool in &config.pools {
        log::info!(pool = pool.name.as_str(), backends = pool.backends.len(); "serving");
    }
}

fn open_access_log(config: &AccessLog) -> Result<Arc<telemetry::AccessLog>, StartError> {
    telemetry::AccessLog::open(config).map(Arc::new).map_err(StartError::AccessLog)
}
