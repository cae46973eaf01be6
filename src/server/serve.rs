//! From the first health check to the last answer: what a process needs to serve is put together
//! here, and everything that can fail does so before the first connection is accepted.

use std::{
    os::unix::net::UnixListener,
    path::{self, Path},
    process::ExitCode,
    sync::Arc,
};

use socket2::SockRef;
use tokio::sync::mpsc;

use super::{
    error::{StartError, set_up},
    life::{
        draining::{Draining, LocalSockets},
        supervision::{FileOperations, Supervision},
    },
    listeners::{ListenerSockets, Sockets, StopAccepting, UdpSharing},
    pingora_server::PingoraServer,
    reload::Reloader,
    root::RootHandles,
    signals::Signals,
    start::{Origin, Start},
    upgrade::{memory, predecessor, successor::Successor},
};
use crate::acme::{Renewals, Serving, StateFolder};
use crate::admin::{Admin, Api, Identity};
use crate::config::Config;
use crate::generation::Current;
use crate::in_flight::InFlight;
use crate::machine;
use crate::process::{
    background::Report,
    control::PendingCommand,
    handover::{Inherited, NamedSocket},
    meeting_socket::{MeetingSocket, Purpose},
    open_files, service_manager,
};
use crate::readiness::Readiness;

/// Reloads that wait for the one under way; they become one.
const RELOADS: usize = 64;
/// Commands that wait to be looked at.
const COMMANDS: usize = 16;

/// Serves until the process is to end; its exit code.
///
/// # Errors
///
/// When the process cannot start; no request was served then.
pub(super) async fn serve(
    start: Start,
    RootHandles { bound, pid_file }: RootHandles,
    current: Arc<Current>,
    mut signals: Signals,
    report: &mut Option<Report>,
) -> Result<ExitCode, StartError> {
    let open_files = open_files::raise_limit();
    let config = &start.config;
    let readiness = Arc::new(Readiness::new(Arc::clone(&current)));
    let in_flight = InFlight::default();
    let stop = StopAccepting::default();
    let server = PingoraServer::start(config, &current, &in_flight, &stop)?;

    let mut meeting = MeetingSockets::of(&start)?;
    let inherited = match &meeting {
        Some(meeting) if start.upgrade => {
            let socket = &meeting.upgrade;
            let taking = predecessor::take_over(socket, &readiness, report, &mut signals);
            let Some(inherited) = taking.await? else { return Ok(ExitCode::SUCCESS) };
            Some(inherited)
        }
        _ => None,
    };
    let commands = mpsc::channel(COMMANDS);
    let api = api(&start, &readiness, &current, &in_flight, &commands.0);
    let (inherited, opened) = open_all(config, bound, inherited, api);
    let Opened { owned, listeners, sharing, sockets } = match opened {
        Ok(opened) => opened,
        Err(error) => {
            inherited.into_iter().for_each(|inherited| inherited.failed(&error.to_string()));
            return Err(error);
        }
    };
    if let Some(inherited) = &inherited {
        memory::recall(&current, &inherited.memory);
    } else if let Some(pid_file) = &pid_file {
        pid_file.claim().map_err(StartError::PidFile)?;
    }
    // As soon as the log says that this process listens, a command may come.
    if let Some(meeting) = &mut meeting {
        meeting.commands = meeting.control.listen().ok();
    }
    if let Some(limit) = open_files {
        log::info!(limit; "open files are limited");
        tokio::spawn(open_files::watch(limit));
    }
    tokio::spawn(renewals(&current, &readiness).run());
    // The service that takes them is waiting for them.
    let _ = server.sockets.send((listeners, sharing));
    let agreement = inherited.map(Inherited::serving);
    announce(config, &owned);
    tokio::spawn(become_ready(Arc::clone(&readiness), report.take()));
    let file = meeting.and_then(|meeting| {
        file_operations(start, meeting, Arc::clone(&current), owned, Arc::clone(&readiness))
    });
    let successor = file.as_ref().map(|file| Arc::clone(&file.successor));
    let draining = Draining { current, in_flight, readiness, stop, sockets, successor };
    let supervision = Supervision { draining, pid_file, file, backends: server.backends };
    Ok(tokio::select! {
        code = supervision.run(signals, agreement, commands) => code,
        () = server.ended.notified() => {
            log::error!("the server ended by itself");
            ExitCode::FAILURE
        }
    })
}

/// What the admin listener sees of this process.
fn api(
    start: &Start,
    readiness: &Arc<Readiness>,
    current: &Arc<Current>,
    in_flight: &InFlight,
    commands: &mpsc::Sender<PendingCommand>,
) -> Api {
    let origin = start.origin.as_ref();
    let absolute = |origin: &Origin| path::absolute(&origin.file).unwrap_or(origin.file.clone());
    let identity = Identity { host: machine::host_name(), file: origin.map(absolute) };
    let (readiness, current) = (Arc::clone(readiness), Arc::clone(current));
    Api::new(readiness, current, in_flight.clone(), identity, origin.map(|_| commands.clone()))
}

/// Where a process that runs from a file meets others.
struct MeetingSockets {
    control: MeetingSocket,
    upgrade: MeetingSocket,
    /// Accepts commands, once this process serves.
    commands: Option<UnixListener>,
}

impl MeetingSockets {
    /// Returns `None` for a process that does not run from a file.
    fn of(start: &Start) -> Result<Option<Self>, StartError> {
        let Some(origin) = &start.origin else { return Ok(None) };
        let of = |purpose| {
            MeetingSocket::of(purpose, &origin.file)
                .map_err(|source| set_up("to take commands", source))
        };
        let upgrade = match &start.config.process.upgrade_socket {
            Some(path) => MeetingSocket::File(path.clone()),
            None => of(Purpose::Upgrade)?,
        };
        Ok(Some(Self { control: of(Purpose::Control)?, upgrade, commands: None }))
    }
}

/// What a process that runs from a file can do.
fn file_operations(
    start: Start,
    meeting: MeetingSockets,
    current: Arc<Current>,
    sockets: Sockets,
    readiness: Arc<Readiness>,
) -> Option<FileOperations> {
    let Origin { load, again, sources: looked_at, .. } = start.origin?;
    let (reload, requests) = mpsc::channel(RELOADS);
    let reloader = Reloader::new(
        (load, Arc::clone(&looked_at)),
        Arc::clone(&current),
        start.config,
        start.resolved,
        Arc::clone(&readiness),
    );
    tokio::spawn(reloader.run(requests));
    let successor = Successor::new(meeting.upgrade, again, current, readiness, sockets);
    Some(FileOperations {
        control: meeting.control,
        commands: meeting.commands,
        reload,
        successor: Arc::new(successor),
        sources: looked_at,
    })
}

/// Everything that is open before this process serves.
struct Opened {
    /// Kept for the next process.
    owned: Sockets,
    /// Copies for Pingora's server.
    listeners: Vec<ListenerSockets>,
    sharing: UdpSharing,
    sockets: LocalSockets,
}

/// Opens everything that can still fail before this process serves.
fn open_all(
    config: &Config,
    bound: Vec<NamedSocket>,
    mut inherited: Option<Inherited>,
    api: Api,
) -> (Option<Inherited>, Result<Opened, StartError>) {
    let before = inherited.as_mut().map(|inherited| std::mem::take(&mut inherited.sockets));
    let open = || {
        let mut all = before.into_iter().flatten().chain(bound).collect();
        let (sharing, for_next) = UdpSharing::take(config, &mut all)
            .map_err(|source| set_up("the sockets of UDP", source))?;
        let mut owned = Sockets::bind(config, all, None)?;
        owned.sharing = for_next;
        let Sockets { listeners, admin, .. } =
            owned.duplicate().map_err(|source| set_up("the listeners", source))?;
        let address = config.admin.as_ref().map(|admin| admin.address.clone());
        let admin = admin.zip(address);
        let admin = admin.map(|((_, socket), address)| Admin::start(socket, address, api));
        let admin = admin.transpose().map_err(|source| set_up("the admin listener", source))?;
        let files = config.listeners.iter().filter_map(|listener| listener.address.file());
        let sockets = LocalSockets { admin, files: files.map(Path::to_owned).collect() };
        Ok(Opened { owned, listeners, sharing, sockets })
    };
    let opened = open();
    (inherited, opened)
}

/// The task that gets certificates and renews them.
fn renewals(current: &Arc<Current>, readiness: &Arc<Readiness>) -> Renewals {
    let progress = Arc::clone(current.orders());
    let (current, readiness) = (Arc::clone(current), Arc::clone(readiness));
    let serving = move || {
        let generation = current.pin();
        let listeners = generation.tls_listeners();
        let listeners = listeners.map(|(place, ready)| (place.tls.clone(), Arc::clone(ready)));
        Serving {
            number: generation.number,
            folder: StateFolder::of(&generation.config),
            listeners: listeners.collect(),
            may_ask: readiness.takes_orders(),
        }
    };
    Renewals::new(serving, progress)
}

/// Tells everything that waits for it that this process serves, once its backends are checked.
async fn become_ready(readiness: Arc<Readiness>, report: Option<Report>) {
    readiness.first_round().await;
    readiness.serve();
    service_manager::ready();
    if let Some(report) = report {
        report.serving();
    }
}

fn announce(config: &Config, Sockets { listeners, admin, .. }: &Sockets) {
    let at = |(configured, socket): &NamedSocket| {
        let address = SockRef::from(socket).local_addr().ok().and_then(|it| it.as_socket());
        address.map_or(configured.clone(), |address| address.to_string())
    };
    for listener in listeners {
        log::info!(address:% = at(&listener.stream); "listening");
        if let Some(udp) = &listener.udp {
            log::info!(address:% = at(udp); "listening for HTTP/3");
        }
    }
    if let Some(admin) = admin {
        log::info!(address:% = at(admin); "admin listening");
    }
    for pool in &config.pools {
        log::info!(pool = pool.name.as_str(), backends = pool.backends.len(); "serving");
    }
}
