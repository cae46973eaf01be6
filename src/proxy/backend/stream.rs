//! A connection to a backend.
//!
//! It is the socket itself: Pingora's own stream has a read buffer of 64 KiB and one for small writes, and
//! both would copy what the session reads into place and writes in one piece anyway.

use std::io;

use pingora_core::{
    Error, ErrorType, Result,
    protocols::l4::{ext, socket::SocketAddr},
    upstreams::peer::Peer,
};
use tokio::{net::TcpStream, time};

/// Connects to the peer, with its limit.
///
/// # Errors
///
/// `InternalError` if the system has no socket or port for the connection, and Pingora's errors of
/// connecting otherwise.
pub(super) async fn connect<P: Peer>(peer: &P) -> Result<TcpStream> {
    let SocketAddr::Inet(address) = peer.address() else {
        return Error::e_explain(ErrorType::InternalError, "backends have TCP addresses");
    };
    let connecting = ext::connect(address, None);
    let connected = match peer.connection_timeout() {
        None => connecting.await,
        Some(limit) => time::timeout(limit, connecting).await.unwrap_or_else(|_| {
            Error::e_explain(ErrorType::ConnectTimedout, "the backend does not accept")
        }),
    };
    let stream = connected.map_err(|error| match error.etype() {
        ErrorType::SocketError | ErrorType::BindError => {
            Error::because(ErrorType::InternalError, "no socket for the backend", error)
        }
        _ => error,
    })?;
    if let Some(keepalive) = peer.tcp_keepalive() {
        ext::set_tcp_keepalive(&stream, keepalive)?;
    }
    stream.set_nodelay(true).map_err(|error| {
        Error::because(ErrorType::ConnectError, "while the connection was set up", error)
    })?;
    Ok(stream)
}

/// Whether the backend has neither closed nor sent anything, as far as the runtime has been told.
pub(super) fn is_silent(stream: &TcpStream) -> bool {
    let read = stream.try_read(&mut [0]);
    read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}
