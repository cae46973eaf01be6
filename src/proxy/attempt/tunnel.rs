//! The connection to a backend for a request that asks to become a tunnel (WebSocket).
//!
//! Pingora sends the request, then an empty body marked as its end, and reads the answer, the last
//! two in no fixed order. If the backend's 101 is read first, the end of the body is taken for the
//! end of the tunnel, and the connection is torn down the moment it was established. A backend
//! that is near answers fast enough for that.
//!
//! So these connections are made here, through Pingora's own hook, and come up empty at the first
//! read after each write: by the time the read is tried again, the end of the body has been dealt
//! with. Where the backend refuses to upgrade, a connection made like this is closed rather than
//! kept: Pingora could not match it to a backend again.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use pingora_core::{
    Error, ErrorType, Result,
    connectors::l4::Connect,
    protocols::l4::{
        ext,
        socket::SocketAddr,
        stream::Stream,
        virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream},
    },
    upstreams::peer::HttpPeer,
};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::super::watch::Timer;
use crate::clock;
use crate::config::Timeouts;

/// Keeps these connections apart from pooled ones, which do not hold back the first read.
const TUNNELS: u64 = 1;
/// How long a tunnel may be silent before the system asks whether the other end is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Makes the connection for this peer one that can become a tunnel.
///
/// The two ends of a tunnel may pause for as long as they like, and Pingora's timeouts cannot be
/// lifted later. So they are off, and the connection itself enforces a limit until the backend has
/// sent its first byte.
pub(super) fn prepare(peer: &mut HttpPeer, timeouts: &Timeouts) {
    let net = timeouts.response.ceiling().max(timeouts.idle);
    peer.options.custom_l4 = Some(Arc::new(TunnelConnect { net }));
    peer.group_key = TUNNELS;
    peer.options.idle_timeout = Some(Duration::ZERO);
    peer.options.write_timeout = None;
    peer.options.read_timeout = None;
}

/// Makes connections that can become tunnels.
#[derive(Debug)]
struct TunnelConnect {
    net: Duration,
}

#[async_trait]
impl Connect for TunnelConnect {
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        let Some(address) = address.as_inet() else {
            return Error::e_explain(ErrorType::InternalError, "tunnels are made over TCP");
        };
        let inner = ext::connect(address, None).await?;
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
        // The tunnel works without keep-alive too, unless one end vanishes without closing it.
        let _ = SockRef::from(&inner).set_tcp_keepalive(&keepalive);
        let wait =
            FirstWord { net: self.net, deadline: clock::now() + self.net, timer: Timer::default() };
        let socket = TunnelSocket { inner, has_written: false, wait: Some(wait) };
        Ok(VirtualSocketStream::new(Box::new(socket)).into())
    }
}

/// A connection whose first read after each write returns nothing.
#[derive(Debug)]
struct TunnelSocket {
    inner: TcpStream,
    has_written: bool,
    /// Present until the backend has sent its first byte.
    wait: Option<FirstWord>,
}

/// The wait for a backend that neither takes nor says anything.
#[derive(Debug)]
struct FirstWord {
    net: Duration,
    deadline: Instant,
    timer: Timer,
}

impl TunnelSocket {
    /// The result of a read or write, or an error if it has been stuck for too long.
    fn unless_late<T>(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let Some(wait) = &mut self.wait else { return result };
        if result.is_ready() {
            wait.deadline = clock::now() + wait.net;
            return result;
        }
        ready!(wait.timer.poll(wait.deadline, cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the backend is silent")))
    }
}

impl VirtualSocket for TunnelSocket {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.inner.set_nodelay(true),
            // Only asked for when a peer configures it, and ours do not.
            _ => Ok(()),
        }
    }
}

impl AsyncRead for TunnelSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if std::mem::take(&mut this.has_written) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let result = Pin::new(&mut this.inner).poll_read(cx, buf);
        if result.is_ready() {
            this.wait = None;
        }
        this.unless_late(cx, result)
    }
}

impl AsyncWrite for TunnelSocket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.has_written = true;
        let result = Pin::new(&mut this.inner).poll_write(cx, buf);
        this.unless_late(cx, result)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
