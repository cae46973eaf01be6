//! The addresses we accept on.
//!
//! Pingora binds in a task, and a failure there is a panic that leaves a live process without a
//! port. So every address is bound here, before anything starts, or comes from the process before.

mod accepting;
mod stop_accepting;
mod udp;
mod unix;

use std::{
    io,
    net::{TcpListener, UdpSocket},
    os::fd::OwnedFd,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use pingora_core::{
    server::{ListenFds, ShutdownWatch, configuration::ServerConf},
    services::Service,
};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    sync::{Notify, oneshot},
    task::{JoinSet, spawn_blocking},
};

use super::error::StartError;
use crate::config::{Config, ListenAddress, Listener, SocketFile};
use crate::generation::Current;
use crate::in_flight::InFlight;
use crate::process::{
    handover::NamedSocket, meeting_socket::MeetingSocket, privileges::Identity, service_manager,
};
use crate::proxy::{Backends, ListenerApp};
pub use accepting::{accept, accept_and_introduce};
pub(super) use stop_accepting::StopAccepting;
pub(super) use udp::UdpSharing;

/// A client may be silent for this long before the system asks whether it is still there: a client
/// that vanished would hold a tunnel for ever. Accepted connections inherit this.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// A port that the system has chosen for TCP may be taken for UDP; this number of others are tried.
const OTHER_PORTS: usize = 8;

/// Every listening socket of the process.
#[derive(Debug)]
pub(super) struct Sockets {
    /// Those of each listener of the configuration, in its order.
    pub(super) listeners: Vec<ListenerSockets>,
    /// The socket of the admin listener.
    pub(super) admin: Option<NamedSocket>,
    /// What the next process gets to share the sockets of UDP.
    pub(super) sharing: Vec<NamedSocket>,
}

/// The sockets of one listener.
#[derive(Debug)]
pub(super) struct ListenerSockets {
    /// Of TCP, or a Unix socket.
    pub(super) stream: NamedSocket,
    /// Of UDP, on the same address; `None` without HTTP/3.
    pub(super) udp: Option<NamedSocket>,
}

impl ListenerSockets {
    fn duplicate(&self) -> io::Result<Self> {
        let udp = self.udp.as_ref().map(duplicate).transpose()?;
        Ok(Self { stream: duplicate(&self.stream)?, udp })
    }
}

fn duplicate((name, socket): &NamedSocket) -> io::Result<NamedSocket> {
    Ok((name.clone(), socket.try_clone()?))
}

impl Sockets {
    /// Takes the sockets that are open already, by their address in the configuration, and binds the
    /// others. Sockets that the configuration does not name are closed.
    ///
    /// # Errors
    ///
    /// When an address cannot be bound.
    pub(super) fn bind(
        config: &Config,
        mut given: Vec<NamedSocket>,
        identity: Option<&Identity>,
    ) -> Result<Self, StartError> {
        let mut given = Given { sockets: &mut given, identity };
        let listeners = config.listeners.iter().enumerate();
        let listeners = listeners.map(|(index, listener)| {
            given.bind_all(listener, &format!("listeners[{index}].address"))
        });
        let listeners = listeners.collect::<Result<_, _>>()?;
        let admin = config.admin.as_ref();
        let admin = admin.map(|admin| given.bind(&admin.address, None, "admin.address"));
        Ok(Self { listeners, admin: admin.transpose()?, sharing: Vec::new() })
    }

    /// Duplicates every socket.
    pub(super) fn duplicate(&self) -> io::Result<Self> {
        let listeners = self.listeners.iter().map(ListenerSockets::duplicate);
        Ok(Self {
            listeners: listeners.collect::<io::Result<_>>()?,
            admin: self.admin.as_ref().map(duplicate).transpose()?,
            sharing: self.sharing.iter().map(duplicate).collect::<io::Result<_>>()?,
        })
    }

    /// Returns every socket, for the next process.
    pub(super) fn into_all(self) -> Vec<NamedSocket> {
        let each = |it: ListenerSockets| std::iter::once(it.stream).chain(it.udp);
        let listeners = self.listeners.into_iter().flat_map(each);
        listeners.chain(self.admin).chain(self.sharing).collect()
    }
}

/// The sockets that are open already, until they are taken, and the user that others are bound for.
struct Given<'a> {
    sockets: &'a mut Vec<NamedSocket>,
    identity: Option<&'a Identity>,
}

impl Given<'_> {
    fn take(&mut self, name: &str) -> Option<NamedSocket> {
        let index = self.sockets.iter().position(|(given, _)| *given == name)?;
        Some(self.sockets.remove(index))
    }

    /// The socket of an address that the configuration has under this key, taken or bound.
    fn bind(
        &mut self,
        address: &ListenAddress,
        file: Option<&SocketFile>,
        key: &str,
    ) -> Result<NamedSocket, StartError> {
        let name = address.to_string();
        if let Some(given) = self.take(&name) {
            return Ok(given);
        }
        match listen(address, file, self.identity) {
            Ok(socket) => Ok((name, socket)),
            Err(source) => Err(StartError::Listen { address: name, key: key.to_owned(), source }),
        }
    }

    /// All sockets of a listener.
    fn bind_all(&mut self, listener: &Listener, key: &str) -> Result<ListenerSockets, StartError> {
        let name = listener.address.to_string();
        // Clients know the port of a socket that was given.
        let is_given = self.sockets.iter().any(|(given, _)| *given == name);
        let may_move = udp::has_any_port(listener) && !is_given;
        let mut others = if may_move { OTHER_PORTS } else { 0 };
        loop {
            let stream = self.bind(&listener.address, Some(&listener.file), key)?;
            let udp = udp::name(listener).map(|name| match self.take(&name) {
                Some(given) => Ok(given),
                None => udp::listen(listener, &stream.1).map(|socket| (name, socket)),
            });
            match udp.transpose() {
                Ok(udp) => return Ok(ListenerSockets { stream, udp }),
                Err(error) if others > 0 && error.kind() == io::ErrorKind::AddrInUse => others -= 1,
                Err(source) => {
                    let address = udp::name(listener).unwrap_or(name);
                    return Err(StartError::Listen { address, key: key.to_owned(), source });
                }
            }
        }
    }
}

/// Binds what can be bound while another process serves, because this process may do so only now: a
/// port below 1024 takes root. An address that cannot be bound belongs to the other process, or fails
/// later with a message.
pub(super) fn bind_what_is_free(config: &Config, identity: Option<&Identity>) -> Vec<NamedSocket> {
    let addresses = config.listeners.iter().map(|it| (&it.address, Some(&it.file)));
    let addresses = addresses.chain(config.admin.as_ref().map(|admin| (&admin.address, None)));
    // Port 0 is another port each time, and the other process may have one.
    let fixed = addresses.filter(|(address, _)| address.tcp().is_none_or(|tcp| tcp.port() != 0));
    let bind = |(address, file): (&ListenAddress, _)| {
        Some((address.to_string(), listen(address, file, identity).ok()?))
    };
    let mut bound: Vec<NamedSocket> = fixed.filter_map(bind).collect();
    for listener in &config.listeners {
        let stream = bound.iter().find(|(name, _)| *name == listener.address.to_string());
        if let (Some(name), Some((_, stream))) = (udp::name(listener), stream)
            && let Ok(socket) = udp::listen(listener, stream)
        {
            bound.push((name, socket));
        }
    }
    bound
}

/// Opens the address. A socket's file belongs to `identity`, and only to it without `file`.
fn listen(
    address: &ListenAddress,
    file: Option<&SocketFile>,
    identity: Option<&Identity>,
) -> io::Result<OwnedFd> {
    let address = match address {
        ListenAddress::Tcp(address) => address,
        ListenAddress::Unix(path) => {
            let meeting = MeetingSocket::File(path.clone());
            let socket = meeting.listen_alone()?;
            let set = match (file, identity) {
                (Some(file), _) => unix::set_owner_and_mode(path, file, identity),
                (None, Some(identity)) => identity.own_socket(path),
                (None, None) => Ok(()),
            };
            set.inspect_err(|_| meeting.remove())?;
            return Ok(socket.into());
        }
        ListenAddress::Abstract(name) => {
            return Ok(MeetingSocket::Abstract(name.to_string()).listen()?.into());
        }
    };
    let socket = TcpListener::bind(address)?;
    socket.set_nonblocking(true)?;
    SockRef::from(&socket).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
    Ok(socket.into())
}

/// All listeners as one of Pingora's services: each service has threads of its own, and listeners
/// share theirs. It accepts as soon as it is given its sockets, one for each listener.
pub(super) struct Listeners {
    pub(super) listeners: Vec<Listener>,
    pub(super) sockets: Option<oneshot::Receiver<(Vec<ListenerSockets>, UdpSharing)>>,
    pub(super) conf: Arc<ServerConf>,
    pub(super) backends: Backends,
    pub(super) current: Arc<Current>,
    pub(super) in_flight: InFlight,
    pub(super) stop: StopAccepting,
    /// Told when one of them ends by itself: without its port the process would be of no use, and
    /// no one would notice.
    pub(super) failed: Arc<Notify>,
}

#[async_trait]
impl Service for Listeners {
    async fn start_service(
        &mut self,
        _: Option<ListenFds>,
        shutdown: ShutdownWatch,
        listeners_per_fd: usize,
    ) {
        let Some(sockets) = self.sockets.take() else { return };
        // They never come if the process ends before it serves.
        let Ok((sockets, sharing)) = sockets.await else { return };
        if let Some(interval) = service_manager::watchdog_interval() {
            tokio::spawn(tell_that_it_is_alive(interval));
        }
        let (mut running, mut udp_listeners) = (JoinSet::new(), Vec::new());
        for (listener, ListenerSockets { stream: (_, stream), udp }) in
            self.listeners.iter().zip(sockets)
        {
            let app = ListenerApp::new(Arc::clone(&self.current), self.in_flight.clone(), listener);
            let Some((_, udp)) = udp else {
                let service = app.into_service(&self.conf, &self.backends);
                running.spawn(accept(service, stream, shutdown.clone(), listeners_per_fd));
                continue;
            };
            let (service, quic) = app.into_services(&self.conf, &self.backends);
            let stream = accept_and_introduce(service, stream, shutdown.clone(), listeners_per_fd);
            running.spawn(stream);
            udp_listeners.push((quic, UdpSocket::from(udp)));
        }
        if !udp_listeners.is_empty() {
            running.spawn(udp::serve(udp_listeners, sharing, self.stop.clone(), shutdown));
        }
        while let Some(ended) = running.join_next().await {
            if let Err(error) = ended.map_err(io::Error::other).and_then(|ended| ended) {
                log::error!(error:% = error; "a listener failed");
                self.failed.notify_one();
            }
        }
    }

    fn name(&self) -> &'static str {
        "listeners"
    }
}

/// Runs on the threads that serve: the service manager learns when they do nothing any more.
async fn tell_that_it_is_alive(interval: Duration) {
    let mut ticks = tokio::time::interval(interval);
    loop {
        ticks.tick().await;
        // This blocks on a service manager that does not read, and must not hold up requests.
        let _ = spawn_blocking(service_manager::alive).await;
    }
}
