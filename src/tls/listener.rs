//! What the handshakes of one listener need.

use std::{sync::Arc, time::Duration};

use http::HeaderValue;
use rustls::{
    ServerConfig, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};

use super::{
    certificate::Certificate,
    client_auth::ClientAuth,
    names::Names,
    policies::{ClientAuths, Policies, Policy},
    tickets::Tickets,
};
use crate::config::{Tls, TlsVersion, UnknownSni};

/// The protocols that a client may choose (RFC 7301), by the listener's preference.
const PROTOCOLS: &[&[u8]] = &[b"http/1.1"];

/// What the handshakes of one listener need.
#[derive(Debug)]
pub struct TlsListener {
    certificates: Arc<Certificates>,
    policies: Policies,
    /// For each of the policies.
    configs: Vec<Configs>,
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
}

impl TlsListener {
    /// The listener of this name, with these certificates, which are at least one, and these rules
    /// about the certificates of clients.
    ///
    /// # Errors
    ///
    /// What `rustls` says; not known to happen.
    pub(super) fn new(
        name: &str,
        settings: &Tls,
        certificates: Vec<Certificate>,
        rules: ClientAuths,
    ) -> Result<Self, rustls::Error> {
        let certificates = Arc::new(Certificates::new(certificates, settings.unknown_sni));
        let policies = Policies::new(rules);
        let versions: &[_] = match settings.min_version {
            TlsVersion::V1_2 => &[&TLS13, &TLS12],
            TlsVersion::V1_3 => &[&TLS13],
        };
        let configs = policies.all().map(|rule| Configs::new(name, versions, &certificates, rule));
        let configs = configs.collect::<Result<_, _>>()?;
        let header = |age: Duration| HeaderValue::try_from(format!("max-age={}", age.as_secs()));
        Ok(Self {
            certificates,
            policies,
            configs,
            handshake: settings.handshake,
            strict_transport: settings.hsts.and_then(|age| header(age).ok()),
        })
    }

    /// The configuration for a client that says this, and the policy that it is under. `None` is not
    /// known to happen.
    #[must_use]
    pub fn config(&self, hello: &ClientHello<'_>) -> Option<(Arc<ServerConfig>, Policy)> {
        let policy = self.policies.of(hello.server_name());
        let configs = self.configs.get(policy.0)?;
        let has_ours =
            hello.alpn().is_none_or(|mut offered| offered.any(|name| PROTOCOLS.contains(&name)));
        let config = if has_ours { &configs.usual } else { &configs.without_protocols };
        Some((Arc::clone(config), policy))
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
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.certificates.all.iter()
    }
}

impl Configs {
    fn new(
        listener: &str,
        versions: &[&'static SupportedProtocolVersion],
        certificates: &Arc<Certificates>,
        rule: Option<&ClientAuth>,
    ) -> Result<Self, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(versions)?;
        let builder = match rule {
            Some(rule) => builder.with_client_cert_verifier(rule.verifier()),
            None => builder.with_no_client_auth(),
        };
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(certificates) as _;
        let mut without_protocols = builder.with_cert_resolver(resolver);
        // A session has the client's certificate in it, so it must not go on under another rule, nor
        // under this one with other authorities or lists.
        without_protocols.ticketer = match rule {
            Some(rule) => Tickets::new(&format!("{listener} {}", rule.identity)),
            None => Tickets::new(listener),
        };
        // What only this process remembers is of no use after an upgrade.
        without_protocols.session_storage = Arc::new(NoServerSessionStorage {});
        let mut usual = without_protocols.clone();
        usual.alpn_protocols = PROTOCOLS.iter().map(|name| name.to_vec()).collect();
        Ok(Self { usual: Arc::new(usual), without_protocols: Arc::new(without_protocols) })
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
