//! Accepting on a socket that is open already.
//!
//! Pingora opens sockets itself, unless an earlier process has handed them over; so ours are given to it
//! as if one had.

use std::{
    io,
    net::SocketAddr,
    os::{
        fd::{AsRawFd, IntoRawFd, OwnedFd},
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr as UnixAddress, UnixListener, UnixStream},
    },
    sync::Arc,
};

use parking_lot::Mutex;
use pingora_core::{
    apps::ServerApp,
    listeners::ListenerConfig,
    protocols::l4::stream::L4BufferSettings,
    server::{Fds, ShutdownWatch},
    services::{Service as _, listening::Service},
};
use socket2::SockRef;

/// None for reads: sessions read into places of their own, and Pingora's 64 KiB, zeroed for each connection,
/// would be most of what an idle client costs. What is written is gathered, since the frames of HTTP/2 and
/// the records of TLS may be small.
const BUFFERS: L4BufferSettings = L4BufferSettings { read: Some(0), write: None };

/// Accepts connections for the service until `shutdown`, in this number of tasks.
///
/// # Errors
///
/// When the system refuses a descriptor.
pub async fn accept<A: ServerApp + Send + Sync + 'static>(
    service: Service<A>,
    socket: OwnedFd,
    shutdown: ShutdownWatch,
    tasks: usize,
) -> io::Result<()> {
    start(service, socket, Fds::new(), (shutdown, tasks)).await
}

/// Like [`accept`], and has the service accept one more connection, which comes at once and on a Unix
/// socket: so the service's function sees the proxy before the first client.
///
/// # Errors
///
/// When the system refuses a descriptor.
pub async fn accept_and_introduce<A: ServerApp + Send + Sync + 'static>(
    mut service: Service<A>,
    socket: OwnedFd,
    shutdown: ShutdownWatch,
    tasks: usize,
) -> io::Result<()> {
    let address =
        UnixAddress::from_abstract_name(format!("lb-introduction-{:032x}", fastrand::u128(..)))?;
    let listener = UnixListener::bind_addr(&address)?;
    listener.set_nonblocking(true)?;
    let _introduced = UnixStream::connect_addr(&address)?;
    let (stand_in, _other_end) = UnixStream::pair()?;
    let name = format!("/proc/self/fd/{}", stand_in.as_raw_fd());
    service.add_listener(ListenerConfig::uds(name.clone()).l4_buffer(BUFFERS));
    let mut sockets = Fds::new();
    sockets.add(name, listener.into_raw_fd());
    start(service, socket, sockets, (shutdown, tasks)).await
}

async fn start<A: ServerApp + Send + Sync + 'static>(
    mut service: Service<A>,
    socket: OwnedFd,
    mut sockets: Fds,
    (shutdown, tasks): (ShutdownWatch, usize),
) -> io::Result<()> {
    let socket_ref = SockRef::from(&socket);
    socket_ref.set_nonblocking(true)?;
    // Pingora sets the permissions of whatever file has the name of a Unix socket. A name may have
    // none, and a file has its permissions; so Pingora is given the name of something else.
    let (stand_in, _other_end) = UnixStream::pair()?;
    let (name, config) = match socket_ref.local_addr()?.as_socket() {
        Some(address) => tcp(address),
        None => {
            let name = format!("/proc/self/fd/{}", stand_in.as_raw_fd());
            (name.clone(), ListenerConfig::uds(name))
        }
    };
    service.add_listener(config.l4_buffer(BUFFERS));
    sockets.add(name, socket.into_raw_fd());
    service.start_service(Some(Arc::new(Mutex::new(sockets))), shutdown, tasks).await;
    Ok(())
}

fn tcp(address: SocketAddr) -> (String, ListenerConfig) {
    let name = address.to_string();
    (name.clone(), ListenerConfig::tcp(name))
}
