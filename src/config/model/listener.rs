//! The settings of a listener: its address, and the limits on its clients.

use std::{net::SocketAddr, num::NonZeroU64, time::Duration};

/// An address at which connections are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The address; port 0 lets the system choose.
    pub address: SocketAddr,
    /// Limits towards the clients of this listener.
    pub client: ClientLimits,
}

/// The limits on a client's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLimits {
    /// From the first byte of a request's header (on a new connection: from accept) to its last.
    pub header: Duration,
    /// How long a connection may be idle between two requests.
    pub keepalive: Duration,
    /// How long a client may accept nothing of an answer.
    pub write: Duration,
    /// The limits on the body of a request.
    pub body: BodyLimits,
}

/// How slowly a client may send the body of a request. Only time in which `lb` waits for the body
/// counts.
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
    /// The rate in bytes of the body per second.
    pub bytes: NonZeroU64,
    /// The rate applies only once `lb` has waited for the body for longer than this.
    pub after: Duration,
}
