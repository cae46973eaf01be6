//! What a configuration says of a listener, made ready for its connections.

use std::sync::Arc;

use super::redirect::redirect_port;
use crate::acme::Challenges;
use crate::config::{ClientLimits, Listener};
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
    /// Whether clients may speak HTTP/3.
    pub speaks_http3: bool,
    /// The value of `Alt-Svc`; `None` if clients are not told of HTTP/3.
    pub alt_svc: Option<Box<str>>,
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
            speaks_http1: listener.protocols.iter().any(|it| !it.is_http2() && !it.is_http3()),
            speaks_http2: listener.protocols.iter().any(|protocol| protocol.is_http2()),
            speaks_http3: listener.speaks_http3(),
            alt_svc: alt_svc(listener),
            redirect_to_https: redirect_port(listener, https_port),
        }
    }
}

/// What tells clients that they may speak HTTP/3 (RFC 7838 section 3). A port that the system has chosen is
/// of use to no client that does not know it already.
fn alt_svc(listener: &Listener) -> Option<Box<str>> {
    let max_age = listener.alt_svc.max_age.filter(|_| listener.speaks_http3())?;
    let own = listener.address.tcp().map(|address| address.port()).filter(|port| *port != 0);
    let port = listener.alt_svc.port.map(u16::from).or(own)?;
    Some(format!("h3=\":{port}\"; ma={}", max_age.as_secs()).into())
}
