//! Clients of Unix sockets, which have no address. Pingora's listeners leave that out, as if it could
//! not be found out.

use std::os::{fd::AsRawFd, unix::net::SocketAddr as UnixAddress};

use pingora_core::protocols::{
    GetSocketDigest, SocketDigest,
    l4::{socket::SocketAddr, stream::Stream},
};

/// Notes on a connection whose client has no address that this is so.
pub(super) fn set_client(stream: &mut Stream) {
    let has_none = |digest: &SocketDigest| matches!(digest.peer_addr.get(), Some(None));
    if !stream.get_socket_digest().is_some_and(|digest| has_none(&digest)) {
        return;
    }
    let digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
    let unnamed = UnixAddress::from_pathname("").ok().map(SocketAddr::Unix);
    // An error means that the address is set already.
    digest.peer_addr.set(unnamed).ok();
    stream.set_socket_digest(digest);
}
