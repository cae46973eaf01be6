//! What runs on a listener: every connection gets its limits, then goes to the proxy.

use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::{apps::ServerApp, protocols::Stream, server::ShutdownWatch};
use pingora_proxy::HttpProxy;

use super::{Proxy, client_stream::ClientStream};
use crate::config::ClientLimits;

/// The application of one listener. Several share one proxy, and with it its pooled connections.
pub struct ListenerApp {
    proxy: Arc<HttpProxy<Proxy>>,
    limits: ClientLimits,
}

impl ListenerApp {
    /// Serving connections with these limits.
    #[must_use]
    pub fn new(proxy: Arc<HttpProxy<Proxy>>, limits: ClientLimits) -> Self {
        Self { proxy, limits }
    }
}

#[async_trait]
impl ServerApp for ListenerApp {
    async fn process_new(
        self: &Arc<Self>,
        connection: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let client = ClientStream::new(connection, self.limits);
        self.proxy.process_new(Box::new(client), shutdown).await
    }

    async fn cleanup(&self) {
        self.proxy.cleanup().await;
    }
}

impl std::fmt::Debug for ListenerApp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListenerApp").field("limits", &self.limits).finish_non_exhaustive()
    }
}
