//! A connection that was accepted by a Unix socket, as Pingora's own listeners would hand it over.

use std::os::{fd::AsRawFd, unix::net::SocketAddr as UnixAddress};

use pingora_core::protocols::{
    GetSocketDigest, SocketDigest, Stream,
    l4::{self, socket::SocketAddr},
};
use tokio::net::UnixStream;

/// The stream of this connection, whose client has no address.
#[must_use]
pub fn unix_stream(socket: UnixStream) -> Stream {
    let digest = SocketDigest::from_raw_fd(socket.as_raw_fd());
    let unnamed = UnixAddress::from_pathname("").ok().map(SocketAddr::Unix);
    // An error means that the address is set already.
    digest.peer_addr.set(unnamed).ok();
    let mut stream = l4::stream::Stream::from(socket);
    stream.set_socket_digest(digest);
    Box::new(stream)
}
