//! A connection to a backend.
//!
//! Pingora's own has a read buffer of 64 KiB and one for small writes, and both would copy what the
//! session reads into place and writes in one piece anyway.

use std::{
    io::{self, IoSlice},
    os::fd::AsRawFd,
    pin::Pin,
    task::{Context, Poll},
};

use pingora_core::{
    Error, ErrorType, Result,
    protocols::{
        UniqueIDType,
        l4::{ext, socket::SocketAddr},
    },
    upstreams::peer::Peer,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time,
};

/// The socket of a connection to a backend.
#[derive(Debug)]
pub(super) struct BackendStream(TcpStream);

impl BackendStream {
    /// Connects to the peer, with its limit.
    ///
    /// # Errors
    ///
    /// `InternalError` if the system has no socket or port for the connection, and Pingora's errors of
    /// connecting otherwise.
    pub(super) async fn connect<P: Peer>(peer: &P) -> Result<Self> {
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
        Ok(Self(stream))
    }

    /// Whether the backend has neither closed nor sent anything, as far as the runtime has been told.
    pub(super) fn is_silent(&self) -> bool {
        let read = self.0.try_read(&mut [0]);
        read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    pub(super) fn id(&self) -> UniqueIDType {
        self.0.as_raw_fd()
    }
}

impl AsyncRead for BackendStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for BackendStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
