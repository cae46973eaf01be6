//! What a configuration says of a listener, made ready for its connections.

use crate::config::{ClientLimits, Listener};
use crate::headers::TrustedProxies;

/// What holds for the connections of one listener. A connection keeps what it began with.
#[derive(Debug, Clone)]
pub struct ListenerSettings {
    /// How long clients may take.
    pub client: ClientLimits,
    /// The peers that send a header of the PROXY protocol, while all others are refused; `None` where
    /// no connection begins with one.
    pub proxies: Option<TrustedProxies>,
}

impl ListenerSettings {
    /// What this listener of a configuration says.
    #[must_use]
    pub fn new(listener: &Listener) -> Self {
        Self {
            client: listener.client,
            proxies: listener.proxy_protocol.as_deref().map(TrustedProxies::new),
        }
    }
}
