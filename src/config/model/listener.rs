//! What the configuration says of a listener: its address, and how long its clients may take.

use std::{net::SocketAddr, num::NonZeroU64, time::Duration};

/// An address we accept on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Where to listen; port 0 lets the system choose.
    pub address: SocketAddr,
    /// Limits towards the clients of this listener.
    pub client: ClientLimits,
}

/// How long a client may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLimits {
    /// From the first byte of a request's header (on a new connection: from accept) to its last.
    pub header: Duration,
    /// An idle connection between two requests.
    pub keepalive: Duration,
    /// A client that takes nothing of what we send.
    pub write: Duration,
    /// The body of a request.
    pub body: BodyLimits,
}

/// How slowly a client may send the body of a request. Only time in which the body was wanted counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimits {
    /// The longest pause without a byte of the body; `None` for any.
    pub idle: Option<Duration>,
    /// The least average rate; `None` for any.
    pub min_rate: Option<MinRate>,
}

/// The least average rate at which a body has to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinRate {
    /// Bytes of the body a second.
    pub bytes: NonZeroU64,
    /// The rate counts only when a body has been waited for longer than this.
    pub after: Duration,
}
