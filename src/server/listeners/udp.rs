//! The sockets of UDP, for HTTP/3: on the address of the listener's other one. One process at a time reads
//! from them, and passes on what belongs to connections of those before it.

use std::{
    io,
    net::UdpSocket,
    os::fd::{AsFd, OwnedFd},
};

use pingora_core::server::ShutdownWatch;
use socket2::SockRef;
use tokio::task::JoinSet;

use super::stop_accepting::StopAccepting;
use crate::config::{Config, Listener};
use crate::process::{
    handover::NamedSocket,
    udp::{relay::Relay, turn::Turn},
};
use crate::proxy::{QuicListener, Reading};

/// How much may wait in the socket for packets that come in bursts: all connections share it. The system
/// may allow less.
const BUFFER: usize = 2 << 20;

/// The name of a listener's socket of UDP; `None` if it has none.
pub(super) fn name(listener: &Listener) -> Option<String> {
    let has_one = listener.protocols.iter().any(|protocol| protocol.is_http3());
    has_one.then(|| format!("udp:{}", listener.address))
}

/// Whether the system chooses the listener's port.
pub(super) fn has_any_port(listener: &Listener) -> bool {
    listener.address.tcp().is_some_and(|address| address.port() == 0)
}

/// Opens a listener's address for UDP. `stream` is its socket of TCP, which knows the port if the system has
/// chosen it.
///
/// # Errors
///
/// When the address cannot be bound.
pub(super) fn listen(listener: &Listener, stream: &impl AsFd) -> io::Result<OwnedFd> {
    let configured = listener.address.tcp();
    let bound = SockRef::from(stream).local_addr()?.as_socket();
    let address = bound.or(configured).ok_or(io::ErrorKind::AddrNotAvailable)?;
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    // Less is slower, and no reason not to serve.
    let _ = SockRef::from(&socket).set_recv_buffer_size(BUFFER);
    let _ = SockRef::from(&socket).set_send_buffer_size(BUFFER);
    Ok(socket.into())
}

/// How this process shares its sockets of UDP with others.
#[derive(Debug)]
pub(in crate::server) struct UdpSharing {
    turn: Turn,
    /// Of each of these sockets, in the order of the listeners.
    relays: Vec<Relay>,
}

impl UdpSharing {
    /// Takes what processes before have for it out of the sockets that were handed over. Returns what the next
    /// process gets.
    ///
    /// # Errors
    ///
    /// When the system refuses a descriptor.
    pub(in crate::server) fn take(
        config: &Config,
        sockets: &mut Vec<NamedSocket>,
    ) -> io::Result<(Self, Vec<NamedSocket>)> {
        let (turn, next) = Turn::take(sockets)?;
        let (mut relays, mut sharing) = (Vec::new(), Vec::new());
        for name in config.listeners.iter().filter_map(name) {
            let (relay, next) = Relay::take(&name, sockets)?;
            relays.push(relay);
            sharing.extend(next);
        }
        if !relays.is_empty() {
            sharing.extend(next.sockets()?);
        }
        Ok((Self { turn, relays }, sharing))
    }
}

/// Serves the clients of these sockets from this process's turn until `shutdown`, and then those that are
/// there.
///
/// # Errors
///
/// When the system refuses to use a socket.
pub(super) async fn serve(
    listeners: Vec<(QuicListener, UdpSocket)>,
    UdpSharing { turn, relays }: UdpSharing,
    stop: StopAccepting,
    mut shutdown: ShutdownWatch,
) -> io::Result<()> {
    let watched = shutdown.clone();
    let mut held = tokio::select! {
        held = turn.come() => Some(held),
        // The sender ends with the process.
        _ = shutdown.wait_for(|is_over| *is_over) => return Ok(()),
    };
    let (mut running, mut readings) = (JoinSet::new(), Vec::new());
    for ((listener, socket), relay) in listeners.into_iter().zip(relays) {
        let reading = Reading::default();
        readings.push(reading.clone());
        running.spawn(listener.serve(socket, relay, reading, watched.clone()));
    }
    loop {
        tokio::select! {
            ended = running.join_next() => match ended {
                Some(ended) => ended.map_err(io::Error::other).and_then(|ended| ended)?,
                None => return Ok(()),
            },
            () = stop.is_for_next(), if held.is_some() => {
                readings.iter().for_each(Reading::pass_on);
                // The next process reads from here on.
                held = None;
            }
        }
    }
}
