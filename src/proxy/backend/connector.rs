//! How a session gets its connection, and where that goes afterwards: Pingora's pool of idle connections.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use pingora_core::{
    Result,
    connectors::{
        ConnectorOptions, TransportConnector,
        http::custom::{Connection, Connector},
    },
    server::configuration::ServerConf,
    upstreams::peer::Peer,
};

use super::{session::BackendSession, stream::BackendStream};

/// The connections to all backends that wait for a request. Clones share them.
#[derive(Clone)]
pub struct Backends(Arc<TransportConnector>);

impl Backends {
    /// With the settings of Pingora's server.
    #[must_use]
    pub fn new(conf: &ServerConf) -> Self {
        let options = ConnectorOptions::from_server_conf(conf);
        Self(Arc::new(TransportConnector::new(Some(options))))
    }
}

#[async_trait]
impl Connector for Backends {
    type Session = BackendSession;

    async fn get_http_session<P: Peer + Send + Sync + 'static>(
        &self,
        peer: &P,
    ) -> Result<(Connection<BackendSession>, bool)> {
        let stream = BackendStream::connect(peer).await?;
        Ok((Connection::Session(BackendSession::on(Box::new(stream))), false))
    }

    async fn reused_http_session<P: Peer + Send + Sync + 'static>(
        &self,
        peer: &P,
    ) -> Option<BackendSession> {
        let stream = self.0.reused_stream(peer).await?.into_any();
        stream.downcast().ok().map(BackendSession::on)
    }

    async fn release_http_session<P: Peer + Send + Sync + 'static>(
        &self,
        session: BackendSession,
        peer: &P,
        idle_timeout: Option<Duration>,
    ) {
        if let Some(stream) = session.into_reusable() {
            self.0.release_stream(stream, peer.reuse_hash(), idle_timeout);
        }
    }
}

impl std::fmt::Debug for Backends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backends").finish_non_exhaustive()
    }
}
