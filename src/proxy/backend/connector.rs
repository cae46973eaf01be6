//! How a session gets its connection, and where that goes afterwards.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use pingora_core::{
    Result,
    connectors::http::custom::{Connection, Connector},
    upstreams::peer::Peer,
};

use super::{idle::IdleConnections, session::BackendSession, stream};
use crate::doctor::EarlyCloses;

/// The connections to all backends that wait for a request. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Backends(Arc<IdleConnections>);

impl Backends {
    /// The backends that have closed idle connections before their time was over here.
    #[must_use]
    pub fn early_closes(&self) -> Vec<EarlyCloses> {
        self.0.early_closes.all()
    }
}

#[async_trait]
impl Connector for Backends {
    type Session = BackendSession;

    async fn get_http_session<P: Peer + Send + Sync + 'static>(
        &self,
        peer: &P,
    ) -> Result<(Connection<BackendSession>, bool)> {
        let stream = stream::connect(peer).await?;
        Ok((Connection::Session(BackendSession::on(stream)), false))
    }

    async fn reused_http_session<P: Peer + Send + Sync + 'static>(
        &self,
        peer: &P,
    ) -> Option<BackendSession> {
        self.0.take(peer.reuse_hash()).map(BackendSession::on)
    }

    async fn release_http_session<P: Peer + Send + Sync + 'static>(
        &self,
        session: BackendSession,
        peer: &P,
        idle_timeout: Option<Duration>,
    ) {
        if let (Some(stream), Some(limit)) = (session.into_reusable(), idle_timeout) {
            let address = peer.address().as_inet().copied();
            self.0.put((peer.reuse_hash(), address), stream, limit);
        }
    }
}
