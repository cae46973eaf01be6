//! What runs on a listener: every connection gets its limits, and the proxy gets its requests one by
//! one. Pingora has this loop too; in ours a connection without a request holds next to nothing.

use std::{pin::pin, sync::Arc};

use pingora_core::{
    apps::{HttpServerApp, HttpServerOptions},
    protocols::{Stream, http::ServerSession},
    server::{ShutdownWatch, configuration::ServerConf},
    services::listening,
};
use pingora_proxy::{HttpProxy, ProcessCustomSession, ProxyServiceBuilder};

use super::{
    Proxy,
    backend::Backends,
    client::{self, Connection, Home, Http1Exchange},
};
use crate::config::{ClientLimits, Listener};
use crate::count::ListenerCounts;
use crate::generation::Current;
use crate::in_flight::InFlight;

/// Pingora's proxy around ours, with our sessions towards backends.
type PingoraProxy = HttpProxy<Proxy, Backends>;
/// Pingora's loop that accepts connections for such a proxy.
pub type ListenerService = listening::Service<PingoraProxy>;

/// The service of one listener. Pingora gives a proxy with sessions of our own to a service and to
/// nothing else, so each listener has a proxy; they share the connections to backends.
#[must_use]
pub fn listener_service(
    conf: &Arc<ServerConf>,
    backends: Backends,
    app: ListenerApp,
) -> ListenerService {
    let mut options = HttpServerOptions::default();
    // Pingora refuses CONNECT without calling a hook; our refusal is logged as well.
    options.allow_connect_method_proxying = true;
    options.force_custom = true;
    let proxy = Proxy::new(Arc::clone(&app.current), app.in_flight.clone());
    let name = app.counts.address().to_string();
    let app = Arc::new(app);
    let serve: ProcessCustomSession<Proxy, Backends> =
        Arc::new(move |proxy, connection, shutdown| {
            let (app, shutdown) = (Arc::clone(&app), shutdown.clone());
            Box::pin(async move { app.serve(&proxy, connection, &shutdown).await })
        });
    let service = ProxyServiceBuilder::new(conf, proxy).name(name);
    service.custom(backends, serve).server_options(options).build()
}

/// The application of one listener.
pub struct ListenerApp {
    current: Arc<Current>,
    in_flight: InFlight,
    counts: Arc<ListenerCounts>,
    /// Used if the configuration does not name this listener any more; it stays open until the
    /// process ends.
    limits: ClientLimits,
    speaks_http2: bool,
}

impl ListenerApp {
    /// An application that serves connections with the limits of the current generation.
    #[must_use]
    pub fn new(current: Arc<Current>, in_flight: InFlight, listener: &Listener) -> Self {
        let counts = current.listener(listener.address);
        let limits = listener.client;
        Self { current, in_flight, counts, limits, speaks_http2: false }
    }

    /// Clients may speak HTTP/2 as well, with prior knowledge of it.
    #[must_use]
    pub fn with_http2(self) -> Self {
        Self { speaks_http2: true, ..self }
    }

    /// Answers the requests of a connection one after another.
    async fn serve_http1(
        proxy: &Arc<PingoraProxy>,
        mut connection: Box<Connection>,
        ends: impl Future<Output = ()>,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let home = Arc::new(Home::default());
        let mut ends = pin!(ends);
        loop {
            let request = tokio::select! {
                // A request that has arrived is served.
                biased;
                request = connection.next_request() => request?,
                // Half a header is no request yet.
                () = &mut ends => return None,
            };
            let session = Http1Exchange::session(connection, request, Arc::clone(&home));
            let session = ServerSession::new_custom(Box::new(session));
            proxy.process_new_http(session, shutdown).await;
            connection = home.take().await?;
        }
    }

    async fn serve_http2(
        proxy: &Arc<PingoraProxy>,
        connection: Box<Connection>,
        ends: impl Future<Output = ()>,
        shutdown: &ShutdownWatch,
    ) {
        let answer = |session| {
            let (proxy, shutdown) = (Arc::clone(proxy), shutdown.clone());
            async move {
                proxy.process_new_http(session, &shutdown).await;
            }
        };
        client::serve_http2(connection, ends, answer).await;
    }

    async fn serve(
        &self,
        proxy: &Arc<PingoraProxy>,
        connection: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let _open = (self.in_flight.connect(), self.counts.connect());
        let address = self.counts.address();
        let limits = self.current.pin().client_limits(&address).unwrap_or(self.limits);
        let connection = Connection::new(connection, limits, Arc::clone(&self.counts));
        let mut connection = Box::new(connection.ok()?);
        let mut idle_ends = pin!(self.in_flight.idle_ends());
        let is_http2 = self.speaks_http2
            && tokio::select! {
                biased;
                is_http2 = connection.speaks_http2() => is_http2,
                () = &mut idle_ends => return None,
            };
        if is_http2 {
            Self::serve_http2(proxy, connection, idle_ends, shutdown).await;
            return None;
        }
        Self::serve_http1(proxy, connection, idle_ends, shutdown).await
    }
}

impl std::fmt::Debug for ListenerApp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListenerApp")
            .field("address", &self.counts.address())
            .finish_non_exhaustive()
    }
}
