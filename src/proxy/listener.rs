//! What runs on a listener: every connection gets its limits, and the proxy gets its requests one by
//! one. Pingora has this loop too; in ours a connection without a request holds next to nothing.

use std::{pin::pin, sync::Arc};

use async_trait::async_trait;
use pingora_core::{
    apps::{HttpServerApp, HttpServerOptions, ServerApp},
    protocols::{Stream, http::ServerSession},
    server::{ShutdownWatch, configuration::ServerConf},
};
use pingora_proxy::HttpProxy;

use super::{
    Proxy,
    accept::{self, Opened},
    client::{self, Connection, ConnectionContext, Home, Http1Exchange},
};
use crate::config::{ListenAddress, Listener};
use crate::count::ListenerCounts;
use crate::generation::{Current, ListenerSettings};
use crate::in_flight::InFlight;

/// Pingora's proxy around ours.
#[must_use]
pub fn pingora_proxy(conf: &Arc<ServerConf>, proxy: Proxy) -> Arc<HttpProxy<Proxy>> {
    let mut proxy = pingora_proxy::http_proxy(conf, proxy);
    let mut options = HttpServerOptions::default();
    // Pingora refuses CONNECT without calling a hook; our refusal is logged as well.
    options.allow_connect_method_proxying = true;
    proxy.server_options = Some(options);
    Arc::new(proxy)
}

/// The application of one listener. Several share one proxy, and with it its pooled connections.
pub struct ListenerApp {
    proxy: Arc<HttpProxy<Proxy>>,
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
    pub fn new(
        proxy: Arc<HttpProxy<Proxy>>,
        current: Arc<Current>,
        in_flight: InFlight,
        listener: &Listener,
    ) -> Self {
        let counts = current.listener(&listener.address);
        let settings = match current.pin().listener(&listener.address) {
            Some(settings) => Arc::clone(settings),
            None => Arc::new(ListenerSettings::new(listener, None)),
        };
        let address = listener.address.clone();
        Self { proxy, current, in_flight, address, counts, settings }
    }

    /// Answers the requests of a connection one after another.
    async fn serve_http1(
        &self,
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
            self.proxy.process_new_http(session, shutdown).await;
            connection = home.take().await?;
        }
    }

    async fn serve_http2(
        self: &Arc<Self>,
        connection: Box<Connection>,
        ends: impl Future<Output = ()>,
        shutdown: &ShutdownWatch,
    ) {
        let answer = |session| {
            let (app, shutdown) = (Arc::clone(self), shutdown.clone());
            async move {
                app.proxy.process_new_http(session, &shutdown).await;
            }
        };
        client::serve_http2(connection, ends, answer).await;
    }
}

#[async_trait]
impl ServerApp for ListenerApp {
    async fn process_new(
        self: &Arc<Self>,
        connection: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let _open = (self.in_flight.connect(), self.counts.connect());
        let settings = {
            let generation = self.current.pin();
            Arc::clone(generation.listener(&self.address).unwrap_or(&self.settings))
        };
        let context = ConnectionContext { counts: Arc::clone(&self.counts), settings, facts: None };
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
            Box::pin(self.serve_http2(connection, idle_ends, shutdown)).await;
            return None;
        }
        self.serve_http1(connection, idle_ends, shutdown).await
    }
}

impl std::fmt::Debug for ListenerApp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListenerApp").field("address", &self.address).finish_non_exhaustive()
    }
}
