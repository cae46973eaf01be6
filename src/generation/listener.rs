//! What a configuration says of a listener, made ready for its connections.

use std::sync::Arc;

use crate::acme::Challenges;
use crate::config::{ClientLimits, Listener, RedirectToHttps};
use crate::headers::TrustedProxies;
use crate::tls::TlsListener;

/// The settings for connections of one listener. A connection keeps the settings it began with.
#[derive(Debug, Clone)]
pub struct ListenerSettings {
    /// How long clients may take.
    pub client: ClientLimits,
    /// The peers that send a header of the PROXY protocol, while all others are refused; `None` where
    /// no connection begins with one.
    pub proxies: Option<TrustedProxies>,
    /// `None` for plain connections.
    pub tls: Option<Arc<TlsListener>>,
    /// The answers to an authority that asks for a proof; `None` if the configuration orders nothing.
    pub challenges: Option<Challenges>,
    /// Whether clients may speak HTTP/1.
    pub speaks_http1: bool,
    /// Whether clients may speak HTTP/2.
    pub speaks_http2: bool,
    /// The port of the redirect to the same host and path over TLS that answers requests; `None` where
    /// they are served.
    pub redirect_to_https: Option<u16>,
}

impl ListenerSettings {
    /// What this listener of a configuration says, whose URLs over TLS lead to `https_port`.
    #[must_use]
    pub fn new(listener: &Listener, (https_port, tls): (u16, Option<Arc<TlsListener>>)) -> Self {
        Self {
            client: listener.client,
            proxies: listener.proxy_protocol.as_deref().map(TrustedProxies::new),
            tls,
            challenges: None,
            speaks_http1: listener.protocols.iter().any(|protocol| !protocol.is_http2()),
            speaks_http2: listener.protocols.iter().any(|protocol| protocol.is_http2()),
            redirect_to_https: match listener.redirect_to_https {
                RedirectToHttps::Off => None,
                RedirectToHttps::ToListener => Some(https_port),
                RedirectToHttps::ToPort(port) => Some(port.get()),
            },
        }
    }
}
