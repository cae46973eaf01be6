//! What runs on a listener: every connection gets its limits, then goes to the proxy.

use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::{apps::ServerApp, protocols::Stream, server::ShutdownWatch};
use pingora_proxy::HttpProxy;

use super::{InFlight, Proxy, client_stream::ClientStream};
use crate::config::{ClientLimits, Listener};
use crate::count::ListenerCounts;
use crate::generation::Current;

/// The application of one listener. Several share one proxy, and with it its pooled connections.
pub struct ListenerApp {
    proxy: Arc<HttpProxy<Proxy>>,
    current: Arc<Current>,
    in_flight: InFlight,
    counts: Arc<ListenerCounts>,
    /// When the configuration does not name this listener any more.
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
        let client = ClientStream::new(connection, limits, Arc::clone(&self.counts));
        self.proxy.process_new(Box::new(client), shutdown).await
    }
}

impl std::fmt::Debug for ListenerApp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListenerApp")
            .field("address", &self.counts.address())
            .finish_non_exhaustive()
    }
}
