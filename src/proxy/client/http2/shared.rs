//! What the requests of one connection share.

use std::sync::Arc;

use pingora_core::protocols::SocketDigest;
use tokio::sync::Notify;

use super::{
    super::{
        accepted::{ConnectionContext, UnderWay},
        streams::{Places, TINY_WINDOW},
    },
    wire::Signals,
};
use crate::config::ClientLimits;

/// What the requests of one connection share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) limits: ClientLimits,
    pub(super) connection: ConnectionContext,
    pub(super) socket: Option<Arc<SocketDigest>>,
    pub(super) under_way: UnderWay,
    pub(super) places: Places,
    /// What the connection's transport is told, and tells.
    pub(super) signals: Arc<Signals>,
    /// Notified when the connection is to take no further request.
    pub(super) is_last: Notify,
}

impl Shared {
    /// Whether answers have to wait for the client, because its windows are tiny.
    pub(super) fn is_tight(&self) -> bool {
        self.signals.first_window() < TINY_WINDOW
    }
}
