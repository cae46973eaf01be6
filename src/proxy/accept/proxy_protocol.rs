//! Reads the header of the PROXY protocol, before anything else on the connection.

use std::{os::fd::AsRawFd, time::Duration};

use bytes::{Buf, BytesMut};
use pingora_core::protocols::{
    GetSocketDigest, SocketDigest,
    l4::{socket::SocketAddr, stream::Stream},
};
use tokio::{io::AsyncReadExt, time};

use super::{
    proxy_header::{Parsed, ProxiedClient, ProxyHeader, parse},
    refusal::Refusal,
};
use crate::headers::{Peer, TrustedProxies};

/// A header is read in pieces of this size: nearly all fit.
const PIECE: usize = 256;

/// Reads the header and makes its client that of the connection. What comes behind it is left in
/// `input`. The error is why the connection is refused; it is `None` if the peer has left again
/// without a word, as a check of the port does.
pub(super) async fn read(
    stream: &mut Stream,
    input: &mut BytesMut,
    proxies: &TrustedProxies,
    limit: Duration,
) -> Result<ProxyHeader, Option<Refusal>> {
    if !proxies.contains(peer(stream)) {
        return Err(Some(Refusal::NoProxy));
    }
    let reading = time::timeout(limit, read_header(stream, input));
    let header = reading.await.unwrap_or(Err(Some(Refusal::ProxyHeaderLate)))?;
    input.advance(header.length);
    match header.client {
        ProxiedClient::Proxy => {}
        ProxiedClient::At(address) => set_client(stream, Some(SocketAddr::Inet(address))),
        // Its name means nothing on this machine, and neither does what is trusted here.
        ProxiedClient::Local => set_client(stream, None),
    }
    Ok(header)
}

async fn read_header(
    stream: &mut Stream,
    input: &mut BytesMut,
) -> Result<ProxyHeader, Option<Refusal>> {
    loop {
        match parse(input) {
            Parsed::Header(header) => return Ok(header),
            Parsed::Missing => return Err(Some(Refusal::ProxyHeaderMissing)),
            Parsed::Malformed => return Err(Some(Refusal::ProxyHeaderMalformed)),
            Parsed::Incomplete => {}
        }
        input.reserve(PIECE);
        match stream.read_buf(input).await {
            Ok(1..) => {}
            Ok(0) | Err(_) if input.is_empty() => return Err(None),
            Ok(0) | Err(_) => return Err(Some(Refusal::ProxyHeaderMalformed)),
        }
    }
}

/// The other end of the connection itself.
fn peer(stream: &Stream) -> Peer {
    match stream.get_socket_digest().as_ref().and_then(|digest| digest.peer_addr()) {
        Some(SocketAddr::Inet(address)) => Peer::Ip(address.ip()),
        Some(SocketAddr::Unix(_)) => Peer::Unix,
        None => Peer::Unknown,
    }
}

/// Makes this address the one of the client, for everything that asks for it.
fn set_client(stream: &mut Stream, address: Option<SocketAddr>) {
    let digest = SocketDigest::from_raw_fd(stream.as_raw_fd());
    // An error means that the address is set already; nothing has asked for it yet.
    digest.peer_addr.set(address).ok();
    stream.set_socket_digest(digest);
}
