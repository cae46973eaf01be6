//! What the handshakes of one listener need.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use http::HeaderValue;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};

use super::{certificate::Certificate, names::Names, tickets::Tickets};
use crate::config::{Challenge, ListenerProtocol, Tls, TlsVersion, UnknownSni, Word};

/// The protocol of an authority that looks whether a host is ours (RFC 8737 section 3).
pub const CHALLENGE_PROTOCOL: &[u8] = b"acme-tls/1";

/// What a client asks for with its first message, by the protocols that it offers.
#[derive(Debug)]
pub enum Purpose {
    /// To send requests, with a session of this configuration.
    Requests(Arc<ServerConfig>),
    /// To see the proof that this host is ours.
    Challenge(Box<str>),
}

/// What the handshakes of one listener need.
#[derive(Debug)]
pub struct TlsListener {
    resolver: Arc<Resolver>,
    /// The hosts for which an authority may ask for a proof by a handshake.
    challenged: Vec<Box<str>>,
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
    /// The listener of this name with these protocols, by its preference, and with the certificates
    /// that were read from files. Where there is none, [`TlsListener::install`] must add one before a
    /// client connects.
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
        let resolver = Arc::new(Resolver::new(certificates, settings.unknown_sni));
        let versions: &[_] = match settings.min_version {
            TlsVersion::V1_2 => &[&TLS13, &TLS12],
            TlsVersion::V1_3 => &[&TLS13],
        };
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(versions)?.with_no_client_auth();
        let mut without_protocols = builder.with_cert_resolver(Arc::clone(&resolver) as _);
        without_protocols.ticketer = Tickets::new(name);
        // What only this process remembers is of no use after an upgrade.
        without_protocols.session_storage = Arc::new(NoServerSessionStorage {});
        let mut config = without_protocols.clone();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.word().into()).collect();
        let header = |age: Duration| HeaderValue::try_from(format!("max-age={}", age.as_secs()));
        let by_handshake = settings.acme.iter().filter(|it| it.challenge == Challenge::TlsAlpn01);
        Ok(Self {
            resolver,
            challenged: by_handshake.flat_map(|acme| acme.hosts.iter().cloned()).collect(),
            config: Arc::new(config),
            without_protocols: Arc::new(without_protocols),
            handshake: settings.handshake,
            strict_transport: settings.hsts.and_then(|age| header(age).ok()),
        })
    }

    /// What a client that says this is here for.
    #[must_use]
    pub fn purpose(&self, hello: &ClientHello<'_>) -> Purpose {
        let offers = |is_meant: &dyn Fn(&[u8]) -> bool| {
            hello.alpn().map(|mut offered| offered.any(is_meant))
        };
        if !self.challenged.is_empty() && offers(&|name| name == CHALLENGE_PROTOCOL) == Some(true) {
            let asked = hello.server_name().unwrap_or_default();
            if let Some(host) = self.challenged.iter().find(|host| ***host == *asked) {
                return Purpose::Challenge(host.clone());
            }
        }
        let has_ours = offers(&|name| self.config.alpn_protocols.iter().any(|ours| *ours == name))
            != Some(false);
        Purpose::Requests(Arc::clone(if has_ours { &self.config } else { &self.without_protocols }))
    }

    /// The certificates, in the order in which they are preferred.
    #[must_use]
    pub fn certificates(&self) -> Vec<Certificate> {
        self.resolver.certificates.load().all.clone()
    }

    /// Takes these certificates in place of those that were installed before, for the handshakes that
    /// begin from here on. Certificates from files come before them.
    pub fn install(&self, others: Vec<Certificate>) {
        let all = [self.resolver.from_files.clone(), others].concat();
        self.resolver.certificates.store(Arc::new(Certificates::new(all)));
    }
}

/// Chooses a certificate for a client.
#[derive(Debug)]
struct Resolver {
    from_files: Vec<Certificate>,
    certificates: ArcSwap<Certificates>,
    unknown: UnknownSni,
}

impl Resolver {
    fn new(from_files: Vec<Certificate>, unknown: UnknownSni) -> Self {
        let certificates = ArcSwap::from_pointee(Certificates::new(from_files.clone()));
        Self { from_files, certificates, unknown }
    }
}

/// The certificates of a listener.
#[derive(Debug)]
struct Certificates {
    all: Vec<Certificate>,
    names: Names,
}

impl Certificates {
    fn new(all: Vec<Certificate>) -> Self {
        let names = Names::new(all.iter().map(|certificate| certificate.facts.names.as_slice()));
        Self { all, names }
    }
}

impl ResolvesServerCert for Resolver {
    /// Of several for one name, one that the client can verify: rather none of RSA, which costs more.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let certificates = self.certificates.load();
        let names = &certificates.names;
        let suitable = match hello.server_name() {
            Some(name) => match (names.find(name), self.unknown) {
                (Some(places), _) => places,
                (None, UnknownSni::Default) => names.first(),
                (None, UnknownSni::Refuse) => return None,
            },
            None => names.first(),
        };
        let schemes = hello.signature_schemes();
        let suitable = suitable.iter().filter_map(|place| certificates.all.get(*place));
        let suits = |it: &&Certificate| it.key.key.choose_scheme(schemes).is_some();
        let best = suitable.clone().filter(suits).min_by_key(|it| it.is_rsa());
        best.or_else(|| suitable.clone().next()).map(|it| Arc::clone(&it.key))
    }
}
