//! What runs on a listener: every connection gets its limits, and the proxy gets its requests one by
//! one. Pingora has this loop too; in ours a connection without a request holds next to nothing.
//!
//! Pingora makes a proxy whose sessions with backends are its user's only within a service, and shows
//! the proxy to nothing but the function that serves the connections of that service. So each listener
//! is a service with a proxy of its own, and they share the connections to backends. For the port of UDP of
//! a listener ([`QuicListener`]), one connection of ours asks that function for the proxy.

mod quic;
mod quic_ids;
mod quic_socket;

use std::{
    future::ready,
    pin::{Pin, pin},
    sync::Arc,
};

use parking_lot::Mutex;
use pingora_core::{
    apps::{HttpServerApp, HttpServerOptions},
    protocols::{Stream, http::ServerSession, l4::socket::SocketAddr},
    server::{ShutdownWatch, configuration::ServerConf},
    services::listening::Service,
};
use pingora_proxy::{HttpProxy, ProxyServiceBuilder};
use quinn::crypto::ServerConfig as QuicCrypto;
use tokio::sync::oneshot;

use super::{
    Proxy,
    accept::{self, Opened},
    backend::Backends,
    client::{self, Connection, ConnectionContext, Home, Http1Exchange},
};
use crate::config::{HTTPS_PORT, ListenAddress, Listener};
use crate::count::ListenerCounts;
use crate::generation::{Current, ListenerSettings};
use crate::in_flight::InFlight;
pub use quic::QuicListener;
pub use quic_socket::Reading;

/// Pingora's proxy around ours, with our sessions towards backends.
pub type PingoraProxy = HttpProxy<Proxy, Backends>;

/// Connections that Pingora has accepted are served here, each with the limits of its listener.
pub struct ListenerApp {
    current: Arc<Current>,
    in_flight: InFlight,
    address: ListenAddress,
    counts: Arc<ListenerCounts>,
    /// Used if the configuration does not name this listener any more; it stays open until the
    /// process ends.
    settings: Arc<ListenerSettings>,
}

impl ListenerApp {
    /// An application that serves connections with the limits of the current generation.
    #[must_use]
    pub fn new(current: Arc<Current>, in_flight: InFlight, listener: &Listener) -> Self {
        let counts = current.listener(&listener.address);
        let settings = match current.pin().listener(&listener.address) {
            Some(settings) => Arc::clone(settings),
            None => Arc::new(ListenerSettings::new(listener, (HTTPS_PORT, None))),
        };
        let address = listener.address.clone();
        Self { current, in_flight, address, counts, settings }
    }

    /// Pingora's service for this listener, without an address to accept on yet.
    #[must_use]
    pub fn into_service(
        self,
        conf: &Arc<ServerConf>,
        backends: &Backends,
    ) -> Service<PingoraProxy> {
        self.service(conf, backends, Introduction::default()).0
    }

    /// Like [`ListenerApp::into_service`], with what serves the clients of QUIC. It begins when the
    /// service has accepted a connection on a Unix socket.
    #[must_use]
    pub fn into_services(
        self,
        conf: &Arc<ServerConf>,
        backends: &Backends,
    ) -> (Service<PingoraProxy>, QuicListener) {
        let (give, proxy) = oneshot::channel();
        let introduction = Introduction { asks: true, give: Mutex::new(Some(give)) };
        let (service, app) = self.service(conf, backends, introduction);
        (service, QuicListener { app, proxy })
    }

    fn service(
        self,
        conf: &Arc<ServerConf>,
        backends: &Backends,
        introduction: Introduction,
    ) -> (Service<PingoraProxy>, Arc<Self>) {
        let proxy = Proxy::new(Arc::clone(&self.current), self.in_flight.clone());
        let app = Arc::new(self);
        let this = Arc::clone(&app);
        let serve = move |proxy: Arc<PingoraProxy>, stream: Stream, shutdown: &ShutdownWatch| {
            if introduction.is_meant(&stream) {
                introduction.meet(proxy);
                return Box::pin(ready(None))
                    as Pin<Box<dyn Future<Output = Option<Stream>> + Send>>;
            }
            let (app, shutdown) = (Arc::clone(&app), shutdown.clone());
            // In a task of its own: as a part of Pingora's, each idle connection would hold that too.
            tokio::spawn(async move { app.serve(&proxy, stream, &shutdown).await });
            Box::pin(ready(None))
        };
        let mut options = HttpServerOptions::default();
        // Pingora refuses CONNECT without calling a hook; our refusal is logged as well.
        options.allow_connect_method_proxying = true;
        options.force_custom = true;
        let service = ProxyServiceBuilder::new(conf, proxy);
        let service = service.custom(backends.clone(), Arc::new(serve));
        (service.server_options(options).build(), this)
    }

    /// The settings for a connection that begins now.
    fn settings(&self) -> Arc<ListenerSettings> {
        let generation = self.current.pin();
        Arc::clone(generation.listener(&self.address).unwrap_or(&self.settings))
    }

    /// The keys of first packets in QUIC; `None` if the listener does not speak HTTP/3.
    fn quic_initial(&self) -> Option<Arc<dyn QuicCrypto>> {
        let settings = self.settings();
        Some(Arc::clone(&settings.tls.as_ref()?.quic_initial()?.0) as _)
    }

    /// Answers the requests of a connection one after another.
    async fn serve_http1(
        &self,
        proxy: &Arc<PingoraProxy>,
        mut connection: Box<Connection>,
        ends: impl Future<Output = ()>,
        shutdown: &ShutdownWatch,
    ) -> Option<()> {
        let home = Arc::new(Home::default());
        let mut ends = pin!(ends);
        loop {
            let request = tokio::select! {
                // A request that has arrived is served.
                biased;
                request = connection.next_request() => request,
                // Half a header is no request yet.
                () = &mut ends => None,
            };
            let Some(request) = request else {
                connection.close().await;
                return None;
            };
            let session = Http1Exchange::session(connection, request, Arc::clone(&home));
            let session = ServerSession::new_custom(Box::new(session));
            proxy.process_new_http(session, shutdown).await;
            connection = home.take().await?;
        }
    }

    async fn serve_http2(
        &self,
        proxy: &Arc<PingoraProxy>,
        connection: Box<Connection>,
        ends: impl Future<Output = ()>,
        shutdown: &ShutdownWatch,
    ) {
        let (proxy, shutdown) = (Arc::clone(proxy), shutdown.clone());
        let answer = move |session| {
            let (proxy, shutdown) = (Arc::clone(&proxy), shutdown.clone());
            async move {
                proxy.process_new_http(session, &shutdown).await;
            }
        };
        client::serve_http2(connection, ends, answer).await;
    }

    /// Serves a connection to its end.
    async fn serve(
        &self,
        proxy: &Arc<PingoraProxy>,
        connection: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<()> {
        let _open = (self.in_flight.connect(), self.counts.connect());
        let (counts, settings) = (Arc::clone(&self.counts), self.settings());
        let context = ConnectionContext { counts, settings, facts: None };
        let mut idle_ends = pin!(self.in_flight.idle_ends());
        let opened = tokio::select! {
            biased;
            opened = accept::open(connection, context) => opened?,
            () = &mut idle_ends => return None,
        };
        let Opened { stream, input, context } = opened;
        let mut connection = Box::new(Connection::new(stream, input, context).ok()?);
        let is_http2 = match connection.agreed_on_http2() {
            Some(is_http2) => is_http2,
            None => tokio::select! {
                biased;
                is_http2 = connection.begins_http2() => is_http2,
                () = &mut idle_ends => return None,
            },
        };
        if is_http2 {
            // Apart, because every connection would keep room for it.
            Box::pin(self.serve_http2(proxy, connection, idle_ends, shutdown)).await;
            return None;
        }
        self.serve_http1(proxy, connection, idle_ends, shutdown).await
    }
}

/// Where what serves QUIC gets the proxy from.
#[derive(Default)]
struct Introduction {
    /// Whether the listener speaks QUIC.
    asks: bool,
    /// `None` where it is not asked for, or was given already.
    give: Mutex<Option<oneshot::Sender<Arc<PingoraProxy>>>>,
}

impl Introduction {
    /// Whether the connection is the one that asks for the proxy: the only one on a Unix socket of a
    /// listener that speaks QUIC.
    fn is_meant(&self, stream: &Stream) -> bool {
        let is_of_internet = |address: &SocketAddr| matches!(address, SocketAddr::Inet(_));
        self.asks
            && !stream
                .get_socket_digest()
                .is_some_and(|digest| digest.local_addr().is_some_and(is_of_internet))
    }

    fn meet(&self, proxy: Arc<PingoraProxy>) {
        if let Some(give) = self.give.lock().take() {
            // It is not taken if the process ends.
            let _ = give.send(proxy);
        }
    }
}

impl std::fmt::Debug for ListenerApp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListenerApp").field("address", &self.address).finish_non_exhaustive()
    }
}
