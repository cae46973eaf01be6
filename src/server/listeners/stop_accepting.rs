//! Makes this process stop accepting when it decides so.
//!
//! Left alone, Pingora listens for signals itself, stops accepting at once, and then sleeps its
//! whole grace period, even if nothing is in flight.

use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::sync::Notify;

/// Tells Pingora, and what reads from sockets of UDP, to stop accepting. Clones share their signals.
#[derive(Debug, Clone, Default)]
pub(in crate::server) struct StopAccepting {
    now: Arc<Notify>,
    for_next: Arc<Notify>,
}

impl StopAccepting {
    /// From this call on no connection is accepted.
    pub(in crate::server) fn now(&self) {
        self.now.notify_one();
    }

    /// The next process serves, and is to read from sockets of UDP.
    pub(in crate::server) fn for_next(&self) {
        self.for_next.notify_one();
    }

    /// Resolves when the next process is to read from sockets of UDP.
    pub(in crate::server) async fn is_for_next(&self) {
        self.for_next.notified().await;
    }
}

#[async_trait]
impl ShutdownSignalWatch for StopAccepting {
    async fn recv(&self) -> ShutdownSignal {
        self.now.notified().await;
        ShutdownSignal::GracefulTerminate
    }
}
