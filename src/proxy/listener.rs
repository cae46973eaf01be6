//! What runs on a listener: every connection gets its limits, and the proxy gets its requests one by
//! one. Pingora has this loop too; in ours a connection without a request holds next to nothing.

use std::{pin::pin, sync::Arc};

use async_trait::async_trait;
use pingora_core::{
    apps::{HttpPersistentSettings, HttpServerApp, ServerApp},
    protocols::{Stream, http::ServerSession},
    server::ShutdownWatch,
};
use pingora_proxy::HttpProxy;

use super::{Proxy, client_stream::ClientStream};
use crate::config::{ClientLimits, Listener};
use crate::count::ListenerCounts;
use crate::generation::Current;
use crate::in_flight::InFlight;

/// The application of one listener. Several share one proxy, and with it its pooled connections.
pub struct ListenerApp {
    proxy: Arc<HttpProxy<Proxy>>,
    current: Arc<Current>,
    in_flight: InFlight,
    counts: Arc<ListenerCounts>,
    /// When the configuration does not name this listener any more; it is open until the process ends.
    limits: ClientLimits,
}

impl ListenerApp {
    /// Serving connections with the limits of the current generation.
    #[must_use]
    pub fn new(
        proxy: Arc<HttpProxy<Proxy>>,
        current: Arc<Current>,
        in_flight: InFlight,
        listener: &Listener,
    ) -> Self {
        let counts = current.listener(listener.address);
        Self { proxy, current, in_flight, counts, limits: listener.client }
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
        let address = self.counts.address();
        let limits = self.current.pin().client_limits(&address).unwrap_or(self.limits);
        let counts = Arc::clone(&self.counts);
        let mut client = Box::new(ClientStream::new(connection, limits, counts));
        let mut idle_ends = pin!(self.in_flight.idle_ends());
        let mut settings: Option<HttpPersistentSettings> = None;
        loop {
            let is_asked = tokio::select! {
                // A request that is there is served.
                biased;
                is_asked = client.next_request() => is_asked,
                () = &mut idle_ends => false,
            };
            if !is_asked {
                return None;
            }
            let mut session = ServerSession::new_http1(client);
            match settings {
                Some(settings) => settings.apply_to_session(&mut session),
                // The limit is the stream's.
                None => session.set_keepalive(Some(0)),
            }
            let ended = self.proxy.process_new_http(session, shutdown).await?;
            let (stream, kept) = ended.consume();
            client = stream.into_any().downcast().ok()?;
            settings = kept;
        }
    }
}

impl std::fmt::Debug for ListenerApp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListenerApp")
            .field("address", &self.counts.address())
            .finish_non_exhaustive()
    }
}
