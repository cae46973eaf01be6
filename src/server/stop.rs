//! Makes Pingora stop accepting, when we say so.
//!
//! It would listen for signals itself, stop accepting at once, and then sleep its whole grace
//! period whatever is in flight.

use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::sync::Notify;

/// Tells Pingora to stop accepting; clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct StopAccepting(Arc<Notify>);

impl StopAccepting {
    /// From now on nobody is accepted.
    pub(super) fn accepting(&self) {
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
