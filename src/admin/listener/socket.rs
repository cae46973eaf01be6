//! The listening socket: an address, or a file.

use std::{
    io,
    net::TcpListener as StdTcpListener,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::UnixListener as StdUnixListener,
    },
};

use pingora_core::protocols::{GetSocketDigest, SocketDigest, l4::stream::Stream};
use tokio::net::{TcpListener, UnixListener};

use crate::config::ListenAddress;

/// Names clients of a Unix socket in the log, since they have no address.
const LOCAL_CLIENT: &str = "unix";

/// A socket that accepts.
#[derive(Debug)]
pub(super) enum Socket {
    /// A socket with an IP address.
    Tcp(TcpListener),
    /// A Unix socket, which is a file.
    Unix(UnixListener),
}

impl Socket {
    /// Prepares `socket` for accepting. Must be called in the runtime that accepts.
    pub(super) fn new(socket: OwnedFd, address: &ListenAddress) -> io::Result<Self> {
        Ok(match address {
            ListenAddress::Tcp(_) => {
                let socket = StdTcpListener::from(socket);
                socket.set_nonblocking(true)?;
                Self::Tcp(TcpListener::from_std(socket)?)
            }
            ListenAddress::Unix(_) | ListenAddress::Abstract(_) => {
                let socket = StdUnixListener::from(socket);
                socket.set_nonblocking(true)?;
                Self::Unix(UnixListener::from_std(socket)?)
            }
        })
    }

    /// Accepts the next connection. Returns it and the client's address for the log.
    pub(super) async fn accept(&self) -> io::Result<(Stream, String)> {
        match self {
            Self::Tcp(listener) => {
                let (socket, client) = listener.accept().await?;
                // Without this option the second of two small writes waits for the client's
                // acknowledgement. An error means that the client is gone, which the first read
                // shows as well.
                socket.set_nodelay(true).ok();
                let digest = SocketDigest::from_raw_fd(socket.as_raw_fd());
                // An error means that the address is set already.
                digest.peer_addr.set(Some(client.into())).ok();
                Ok((with_digest(Stream::from(socket), digest), client.to_string()))
            }
            Self::Unix(listener) => {
                let (socket, _) = listener.accept().await?;
                let digest = SocketDigest::from_raw_fd(socket.as_raw_fd());
                Ok((with_digest(Stream::from(socket), digest), LOCAL_CLIENT.to_owned()))
            }
        }
    }
}

/// Adds what Pingora's own accept path would add: without the digest the client's address is unknown.
fn with_digest(mut stream: Stream, digest: SocketDigest) -> Stream {
    stream.set_socket_digest(digest);
    stream
}
