//! What is known of a connection before its first request, for the hooks of all its requests.

use std::sync::Arc;

use crate::count::ListenerCounts;
use crate::generation::ListenerSettings;
use crate::headers::ClientCertFields;
use crate::tls::Policy;

/// What the requests of a connection have in common.
#[derive(Debug, Clone)]
pub(in super::super::super) struct ConnectionContext {
    /// Counts of the listener that accepted the connection.
    pub(in super::super::super) counts: Arc<ListenerCounts>,
    /// What that listener's configuration said at that moment.
    pub(in super::super::super) settings: Arc<ListenerSettings>,
    /// `None` for a connection that begins with its first request.
    pub(in super::super::super) facts: Option<Arc<ConnectionFacts>>,
}

/// What came before the first request of a connection.
#[derive(Debug, Default)]
pub(in super::super::super) struct ConnectionFacts {
    /// The host that the client asked a proxy for, as that proxy says.
    pub(in super::super::super) authority: Option<Box<str>>,
    /// The id that a proxy has given the connection.
    pub(in super::super::super) unique_id: Option<Box<str>>,
    /// `None` for a connection without TLS.
    pub(in super::super::super) tls: Option<TlsFacts>,
}

/// What the handshake of a connection has come to.
#[derive(Debug)]
pub(in super::super::super) struct TlsFacts {
    /// `1.2` or `1.3`.
    pub(in super::super::super) version: &'static str,
    /// The cipher suite, by its name in the standard.
    pub(in super::super::super) cipher: Box<str>,
    /// The name that the client asked for.
    pub(in super::super::super) sni: Option<Box<str>>,
    /// The protocol that was agreed on.
    pub(in super::super::super) alpn: Option<Box<str>>,
    /// Whether an earlier session went on.
    pub(in super::super::super) resumed: bool,
    /// The rule about clients' certificates that the connection is under.
    pub(in super::super::super) policy: Policy,
    /// The name in the client's certificate; `None` if it has shown none.
    pub(in super::super::super) client_cert: Option<Box<str>>,
    /// What backends are told of the certificate; `None` if the client was not asked for one.
    pub(in super::super::super) told: Option<ClientCertFields>,
}
