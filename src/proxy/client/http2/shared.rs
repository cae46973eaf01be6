//! What the requests of one connection share.

use std::sync::Arc;

use pingora_core::protocols::SocketDigest;
use tokio::sync::Notify;

use super::{
    super::{
        accepted::{ConnectionContext, UnderWay},
        streams::Places,
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
