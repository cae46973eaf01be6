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

use crate::config::AdminAddress;

/// Who comes in through a file has no address.
const LOCAL_CLIENT: &str = "unix";

/// A socket that accepts.
#[derive(Debug)]
pub(super) enum Socket {
    /// Of an address.
    Tcp(TcpListener),
    /// Of a file.
    Unix(UnixListener),
}

impl Socket {
    /// To be called in the runtime that is to accept.
    pub(super) fn new(socket: OwnedFd, address: &AdminAddress) -> io::Result<Self> {
        Ok(match address {
            AdminAddress::Tcp(_) => {
                let socket = StdTcpListener::from(socket);
                socket.set_nonblocking(true)?;
                Self::Tcp(TcpListener::from_std(socket)?)
            }
            AdminAddress::Unix(_) => {
                let socket = StdUnixListener::from(socket);
                socket.set_nonblocking(true)?;
                Self::Unix(UnixListener::from_std(socket)?)
            }
        })
    }

    /// The next connection, and who it is.
    pub(super) async fn accept(&self) -> io::Result<(Stream, String)> {
        match self {
            Self::Tcp(listener) => {
                let (socket, client) = listener.accept().await?;
                // Without it the second of two small writes waits for the client's
                // acknowledgement; a client that is gone already shows in the first read.
                socket.set_nodelay(true).ok();
                let digest = SocketDigest::from_raw_fd(socket.as_raw_fd());
                // An error is an address that is known already.
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

/// As Pingora's own accept path would make it: without the digest nobody knows who the client is.
fn with_digest(mut stream: Stream, digest: SocketDigest) -> Stream {
    stream.set_socket_digest(digest);
    stream
}
