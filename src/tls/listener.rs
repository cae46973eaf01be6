//! What the handshakes of one listener need.

use std::{sync::Arc, time::Duration};

use http::HeaderValue;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};

use super::{certificate::Certificate, names::Names, tickets::Tickets};
use crate::config::{ListenerProtocol, Tls, TlsVersion, UnknownSni, Word};

/// What the handshakes of one listener need.
#[derive(Debug)]
pub struct TlsListener {
    certificates: Arc<Certificates>,
    config: Arc<ServerConfig>,
    /// For clients that offer protocols and none of ours: `rustls` would refuse them, and no other
    /// server does.
    without_protocols: Arc<ServerConfig>,
    /// The limit on a handshake.
    pub handshake: Duration,
    /// The value of `Strict-Transport-Security`, if the listener sends it.
    pub strict_transport: Option<HeaderValue>,
}

impl TlsListener {
    /// The listener of this name with these protocols, by its preference, and with these
    /// certificates, which are at least one.
    ///
    /// # Errors
    ///
    /// What `rustls` says; not known to happen.
    pub fn new(
        name: &str,
        settings: &Tls,
        protocols: &[ListenerProtocol],
        certificates: Vec<Certificate>,
    ) -> Result<Self, rustls::Error> {
        let certificates = Arc::new(Certificates::new(certificates, settings.unknown_sni));
        let versions: &[_] = match settings.min_version {
            TlsVersion::V1_2 => &[&TLS13, &TLS12],
            TlsVersion::V1_3 => &[&TLS13],
        };
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(versions)?.with_no_client_auth();
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(&certificates) as _;
        let mut without_protocols = builder.with_cert_resolver(resolver);
        without_protocols.ticketer = Tickets::new(name);
        // What only this process remembers is of no use after an upgrade.
        without_protocols.session_storage = Arc::new(NoServerSessionStorage {});
        let mut config = without_protocols.clone();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.word().into()).collect();
        let header = |age: Duration| HeaderValue::try_from(format!("max-age={}", age.as_secs()));
        Ok(Self {
            certificates,
            config: Arc::new(config),
            without_protocols: Arc::new(without_protocols),
            handshake: settings.handshake,
            strict_transport: settings.hsts.and_then(|age| header(age).ok()),
        })
    }

    /// The configuration for a client that says this.
    #[must_use]
    pub fn config(&self, hello: &ClientHello<'_>) -> Arc<ServerConfig> {
        let is_ours = |name| self.config.alpn_protocols.iter().any(|ours| *ours == name);
        let has_ours = hello.alpn().is_none_or(|mut offered| offered.any(is_ours));
        Arc::clone(if has_ours { &self.config } else { &self.without_protocols })
    }

    /// The certificates, in the order in which they are preferred.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.certificates.all.iter()
    }
}

/// The certificates of a listener.
#[derive(Debug)]
struct Certificates {
    all: Vec<Certificate>,
    names: Names,
    unknown: UnknownSni,
}

impl Certificates {
    fn new(all: Vec<Certificate>, unknown: UnknownSni) -> Self {
        let names = Names::new(all.iter().map(|certificate| certificate.facts.names.as_slice()));
        Self { all, names, unknown }
    }
}

impl ResolvesServerCert for Certificates {
    /// Of several for one name, one that the client can verify: rather none of RSA, which costs more.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let suitable = match hello.server_name() {
            Some(name) => match (self.names.find(name), self.unknown) {
                (Some(places), _) => places,
                (None, UnknownSni::Default) => self.names.first(),
                (None, UnknownSni::Refuse) => return None,
            },
            None => self.names.first(),
        };
        let schemes = hello.signature_schemes();
        let suitable = suitable.iter().filter_map(|place| self.all.get(*place));
        let suits = |it: &&Certificate| it.key.key.choose_scheme(schemes).is_some();
        let best = suitable.clone().filter(suits).min_by_key(|it| it.is_rsa());
        best.or_else(|| suitable.clone().next()).map(|it| Arc::clone(&it.key))
    }
}
