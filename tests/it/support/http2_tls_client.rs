//! The client of HTTP/2 over TLS, which agrees on HTTP/2 in the handshake (RFC 9113 section 3.2).

use std::{
    io,
    net::SocketAddr,
    ops::{Deref, DerefMut},
};

use super::{calls::calls, http2_client, tls_client};

pub(crate) use super::client::Response;

calls!();

/// A connection that stays open between requests.
pub(crate) struct Connection(http2_client::Connection);

impl Connection {
    /// Connects, and shakes hands.
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let connecting = http2_client::Connection::open_with(address, async |stream| {
            tls_client::connect_for(stream, b"h2").await
        });
        connecting.map(Self)
    }
}

impl Deref for Connection {
    type Target = http2_client::Connection;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}
