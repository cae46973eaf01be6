//! The sockets of UDP, for HTTP/3: on the address of the listener's other one. One process at a time reads
//! from them.

use std::{
    io,
    net::UdpSocket,
    os::fd::{AsFd, OwnedFd},
};

use pingora_core::server::ShutdownWatch;
use socket2::SockRef;
use tokio::task::JoinSet;

use crate::config::Listener;
use crate::process::turn::Turn;
use crate::proxy::QuicListener;

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

/// Serves the clients of these sockets from this process's turn until `shutdown`, and then those that are
/// there.
///
/// # Errors
///
/// When the system refuses to use a socket.
pub(super) async fn serve(
    listeners: Vec<(QuicListener, UdpSocket)>,
    turn: Turn,
    mut shutdown: ShutdownWatch,
) -> io::Result<()> {
    let watched = shutdown.clone();
    let _held = tokio::select! {
        held = turn.come() => held,
        // The sender ends with the process.
        _ = shutdown.wait_for(|is_over| *is_over) => return Ok(()),
    };
    let mut running = JoinSet::new();
    for (listener, socket) in listeners {
        running.spawn(listener.serve(socket, watched.clone()));
    }
    while let Some(ended) = running.join_next().await {
        ended.map_err(io::Error::other).and_then(|ended| ended)?;
    }
    Ok(())
}
