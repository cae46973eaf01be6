//! The settings of a listener: its address, and the limits on its clients.

mod acme;
mod address;
mod protocol;
mod tls;

use std::{
    num::{NonZeroU16, NonZeroU64},
    time::Duration,
};

pub use acme::{AccountKey, Acme, Challenge, ExternalAccount, HmacKey};
pub use address::{ListenAddress, PeerBlock};
pub use protocol::ListenerProtocol;
pub use tls::{
    CertificateSource, ClientAuth, ClientAuthMode, ClientCertStyle, HostClientAuth, Tls,
    TlsVersion, UnknownSni,
};

/// An address at which connections are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The address.
    pub address: ListenAddress,
    /// The access to the socket's file, where the address is one. Read once, when the file is made.
    pub file: SocketFile,
    /// The peers whose connections begin with a header of the PROXY protocol, while all others are
    /// refused; `None` if no connection does. Never empty.
    pub proxy_protocol: Option<Vec<PeerBlock>>,
    /// TLS towards clients; `None` for plain connections.
    pub tls: Option<Tls>,
    /// The protocols that clients may speak, the preferred one first; never empty.
    pub protocols: Vec<ListenerProtocol>,
    /// How clients of other protocols learn of HTTP/3.
    pub alt_svc: AltSvc,
    /// Whether requests are answered with a redirect to the same host and path over TLS.
    pub redirect_to_https: RedirectToHttps,
    /// Limits towards the clients of this listener.
    pub client: ClientLimits,
}

impl Listener {
    /// Whether clients may speak HTTP/3.
    #[must_use]
    pub fn speaks_http3(&self) -> bool {
        self.protocols.iter().any(|protocol| protocol.is_http3())
    }
}

/// How clients learn that they may speak HTTP/3 (RFC 7838).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AltSvc {
    /// How long they may remember it; `None` if they are not told.
    pub max_age: Option<Duration>,
    /// The port of UDP at which they reach it; `None` for the listener's own.
    pub port: Option<NonZeroU16>,
}

/// Whether requests are answered with a redirect to the same host and path over TLS, and the port that it
/// leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedirectToHttps {
    /// Requests are served.
    Off,
    /// To the port of [`Config::https_port`](crate::config::Config::https_port).
    ToListener,
    /// To this port, from which another program leads to a listener.
    ToPort(NonZeroU16),
}

/// The users that may connect to a Unix socket that is a file.
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
    pub body: PaceLimits,
    /// The least average rate at which a client takes the body of an answer on a stream; `None` for any.
    pub answer: Option<MinRate>,
}

impl ClientLimits {
    /// How slowly a client may take the body of an answer on a stream of HTTP/2 or HTTP/3.
    #[must_use]
    pub fn answer_pace(&self) -> PaceLimits {
        PaceLimits { idle: Some(self.write), min_rate: self.answer }
    }
}

/// How slowly a client may send or take a body. Only time in which `lb` waits for the client counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaceLimits {
    /// The longest pause without a byte of the body; `None` for any.
    pub idle: Option<Duration>,
    /// The least average rate; `None` for any.
    pub min_rate: Option<MinRate>,
}

/// The least average rate at which a body has to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinRate {
    /// The rate in bytes of the body per second.
    pub bytes: NonZeroU64,
    /// The rate applies only once `lb` has waited for the client for longer than this.
    pub after: Duration,
}
