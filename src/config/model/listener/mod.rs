//! What the configuration says of a listener: its address, and how long its clients may take.

mod address;

use std::{num::NonZeroU64, time::Duration};

pub use address::{ListenAddress, PeerBlock};

/// An address we accept on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Where to listen.
    pub address: ListenAddress,
    /// Which users may connect, where the address is a file. Read once, when it is made.
    pub file: SocketFile,
    /// The peers whose connections begin with a header of the PROXY protocol, while all others are
    /// refused; `None` where no connection does. Never empty.
    pub proxy_protocol: Option<Vec<PeerBlock>>,
    /// Limits towards the clients of this listener.
    pub client: ClientLimits,
}

/// Which users may connect to a Unix socket that is a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketFile {
    /// Its permissions; `None` for [`SocketFile::DEFAULT_MODE`].
    pub mode: Option<u32>,
    /// The user that owns it, or user and group as `user:group`; `None` for those of the process.
    pub owner: Option<Box<str>>,
}

impl SocketFile {
    /// For a proxy that runs as another user of the same group, and for no other user.
    pub const DEFAULT_MODE: u32 = 0o660;
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
