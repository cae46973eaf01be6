//! What the handshakes of one listener need.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use http::HeaderValue;
use rustls::{
    ServerConfig, SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};

use super::{
    certificate::Certificate,
    client_auth::ClientAuth,
    keys::{FirstKeys, Tickets},
    names::Names,
    policies::{ClientAuths, Policies, Policy},
};
use crate::config::{ListenerProtocol, TlsEndpoint, TlsVersion, UnknownSni, Word};

/// The protocol of an authority that looks whether a host is ours (RFC 8737 section 3).
pub const CHALLENGE_PROTOCOL: &[u8] = b"acme-tls/1";

/// What a client asks for with its first message, by the protocols that it offers.
#[derive(Debug)]
pub enum Purpose {
    /// To send requests, with a session of this configuration, under this policy.
    Requests(Arc<ServerConfig>, Policy),
    /// To see the proof that this host is ours.
    Challenge(Box<str>),
}

/// What the handshakes of one listener need.
#[derive(Debug)]
pub struct TlsListener {
    resolver: Arc<Resolver>,
    /// The hosts for which an authority may ask for a proof by a handshake.
    challenged: Vec<Box<str>>,
    policies: Policies,
    /// For each of the policies, by its place.
    configs: Vec<Configs>,
    /// The keys of first packets in QUIC; `None` if the listener does not speak HTTP/3.
    quic_initial: Option<FirstKeys>,
    /// The limit on a handshake.
    pub handshake: Duration,
    /// The value of `Strict-Transport-Security`, if the listener sends it.
    pub strict_transport: Option<HeaderValue>,
}

/// The configurations for handshakes under one policy.
#[derive(Debug)]
struct Configs {
    usual: Arc<ServerConfig>,
    /// For clients that offer protocols and none of ours: `rustls` would refuse them, and no other
    /// server does.
    without_protocols: Arc<ServerConfig>,
    /// For HTTP/3.
    quic: Option<Arc<ServerConfig>>,
}

impl TlsListener {
    /// What handshakes at this place need: with the certificates that were read from files, and with these
    /// rules about the certificates of clients. Where there is no certificate, [`TlsListener::install`] must
    /// add one before a client connects. `challenged` are the hosts that an authority may ask for here.
    ///
    /// # Errors
    ///
    /// What `rustls` says; not known to happen.
    pub(super) fn new(
        place: &TlsEndpoint<'_>,
        challenged: Vec<Box<str>>,
        certificates: Vec<Certificate>,
        rules: ClientAuths,
    ) -> Result<Self, rustls::Error> {
        let (name, settings) = (place.endpoint.to_string(), place.tls);
        let resolver = Arc::new(Resolver::new(certificates, settings.unknown_sni));
        let versions: &[_] = match settings.min_version {
            TlsVersion::V1_2 => &[&TLS13, &TLS12],
            TlsVersion::V1_3 => &[&TLS13],
        };
        let policies = Policies::new(rules);
        let configs = policies
            .all()
            .map(|rule| Configs::new(&name, versions, &resolver, place.protocols, rule));
        let configs = configs.collect::<Result<Vec<_>, _>>()?;
        let for_quic = configs.first().and_then(|configs| configs.quic.as_ref());
        let quic_initial = for_quic.map(|config| FirstKeys::new(Arc::clone(config))).transpose()?;
        let header = |age: Duration| HeaderValue::try_from(format!("max-age={}", age.as_secs()));
        Ok(Self {
            resolver,
            challenged,
            policies,
            configs,
            quic_initial,
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
        let policy = self.policies.of(hello.server_name());
        let configs = &self.configs[policy.0];
        let ours = &configs.usual.alpn_protocols;
        let has_ours = offers(&|name| ours.iter().any(|ours| *ours == name)) != Some(false);
        let config = if has_ours { &configs.usual } else { &configs.without_protocols };
        Purpose::Requests(Arc::clone(config), policy)
    }

    /// The session in QUIC for a client that asks for this name, and its policy.
    pub(super) fn for_quic(&self, asked: Option<&str>) -> (Arc<ServerConfig>, Policy) {
        let policy = self.policies.of(asked);
        let configs = &self.configs[policy.0];
        (Arc::clone(configs.quic.as_ref().unwrap_or(&configs.usual)), policy)
    }

    /// The keys of first packets in QUIC; `None` if the listener does not speak HTTP/3.
    #[must_use]
    pub fn quic_initial(&self) -> Option<&FirstKeys> {
        self.quic_initial.as_ref()
    }

    /// What clients must show under this policy; `None` for nothing.
    #[must_use]
    pub fn client_auth(&self, policy: Policy) -> Option<&ClientAuth> {
        self.policies.rule(policy).map(|rule| &**rule)
    }

    /// The policy for requests for this host, as the client sent it.
    #[must_use]
    pub fn policy(&self, host: Option<&str>) -> Policy {
        self.policies.of(host)
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

impl Configs {
    fn new(
        listener: &str,
        versions: &[&'static SupportedProtocolVersion],
        resolver: &Arc<Resolver>,
        protocols: &[ListenerProtocol],
        rule: Option<&ClientAuth>,
    ) -> Result<Self, rustls::Error> {
        let builder = ServerConfig::builder_with_provider(Arc::new(provider()));
        let builder = builder.with_protocol_versions(versions)?;
        let builder = match rule {
            Some(rule) => builder.with_client_cert_verifier(rule.verifier()),
            None => builder.with_no_client_auth(),
        };
        let mut without_protocols = builder.with_cert_resolver(Arc::clone(resolver) as _);
        // A session has the client's certificate in it, so it must not go on under another rule, nor
        // under this one with other authorities or lists.
        without_protocols.ticketer = match rule {
            Some(rule) => Tickets::new(&format!("{listener} {}", rule.identity)),
            None => Tickets::new(listener),
        };
        without_protocols.ignore_client_order = true;
        // What only this process remembers is of no use after an upgrade.
        without_protocols.session_storage = Arc::new(NoServerSessionStorage {});
        let named = |is_meant: fn(ListenerProtocol) -> bool| {
            let protocols = protocols.iter().filter(move |protocol| is_meant(**protocol));
            protocols.map(|protocol| protocol.word().into()).collect()
        };
        let mut usual = without_protocols.clone();
        usual.alpn_protocols = named(|protocol| !protocol.is_http3());
        let quic = protocols.iter().any(|protocol| protocol.is_http3()).then(|| {
            let mut quic = without_protocols.clone();
            quic.alpn_protocols = named(ListenerProtocol::is_http3);
            Arc::new(quic)
        });
        let without_protocols = Arc::new(without_protocols);
        Ok(Self { usual: Arc::new(usual), without_protocols, quic })
    }
}

/// Cipher suites in the order in which they are preferred, whatever the client's: AES with 128 bits, which
/// is strong and cheaper than with 256, and for processors without AES the third.
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    let rank = |suite: &SupportedCipherSuite| match suite.suite().as_str() {
        Some(name) if name.contains("AES_128") => 0,
        Some(name) if name.contains("AES_256") => 1,
        _ => 2,
    };
    provider.cipher_suites.sort_by_key(rank);
    provider
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
