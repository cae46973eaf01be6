//! Makes Pingora stop accepting when this process decides so.
//!
//! Left alone, Pingora listens for signals itself, stops accepting at once, and then sleeps its
//! whole grace period, even if nothing is in flight.

use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::sync::Notify;

/// Tells Pingora to stop accepting. Clones share one signal.
#[derive(Debug, Clone, Default)]
pub(in crate::server) struct StopAccepting(Arc<Notify>);

impl StopAccepting {
    /// From this call on no connection is accepted.
    pub(super) fn now(&self) {
        self.0.notify_one();
    }
}

#[async_trait]
impl ShutdownSignalWatch for StopAccepting {
    async fn recv(&self) -> ShutdownSignal {
        self.0.notified().await;
        ShutdownSignal::GracefulTerminate
    }
}
