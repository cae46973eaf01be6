//! The TLS settings of a listener.

use std::{path::PathBuf, time::Duration};

use super::{super::route::HostPattern, acme::Acme};
use crate::config::{origin::Origin, word::Word};

/// The TLS settings of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Where certificates are; not empty unless there are others.
    pub certificates: Vec<CertificateSource>,
    /// The certificate that an authority is asked for; `None` for none.
    pub acme: Option<Acme>,
    /// The hosts that get a certificate of an authority of this machine's own.
    pub local: Vec<Box<str>>,
    /// What clients must show of themselves; `None` for nothing.
    pub client_auth: Option<ClientAuth>,
    /// Hosts with a rule of their own for that; the most specific one wins.
    pub hosts: Vec<HostClientAuth>,
    /// The oldest version that a client may speak.
    pub min_version: TlsVersion,
    /// What a client gets that asks for a name without a certificate.
    pub unknown_sni: UnknownSni,
    /// From accept to the end of the handshake.
    pub handshake: Duration,
    /// How long browsers are to use nothing but TLS for a host; `None` to say nothing of it.
    pub hsts: Option<Duration>,
}

impl Tls {
    /// Every rule about what clients must show.
    pub fn client_auths(&self) -> impl Iterator<Item = &ClientAuth> {
        self.client_auth.iter().chain(self.hosts.iter().filter_map(|it| it.client_auth.as_ref()))
    }
}

/// Files that certificates and their keys are read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateSource {
    /// A file with a certificate and its chain, and the file with its key, if that is another one.
    pub pair: Option<(PathBuf, Option<PathBuf>)>,
    /// A directory with any number of pairs.
    pub directory: Option<PathBuf>,
    /// Where it was written, for messages about the files.
    pub origin: Origin,
}

/// The certificates that clients must show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAuth {
    /// The file with the authorities that may have issued them.
    pub ca: PathBuf,
    /// Whether a client may come without one.
    pub mode: ClientAuthMode,
    /// The file with the lists of revoked certificates; `None` if none is asked.
    pub crl: Option<PathBuf>,
    /// How backends are told.
    pub fields: ClientCertStyle,
    /// Where it was written, for messages about the files.
    pub origin: Origin,
}

/// What clients must show that ask for some hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostClientAuth {
    /// The hosts.
    pub host: HostPattern,
    /// What clients must show; `None` for nothing.
    pub client_auth: Option<ClientAuth>,
}

/// Whether a client may come without a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuthMode {
    /// A client without a valid certificate gets an alert.
    Require,
    /// A client may come without a certificate, but not with one that is not valid.
    Optional,
}

impl Word for ClientAuthMode {
    const ALL: &'static [Self] = &[Self::Require, Self::Optional];

    fn word(self) -> &'static str {
        match self {
            Self::Require => "require",
            Self::Optional => "optional",
        }
    }
}

/// The fields that tell a backend of a client's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertStyle {
    /// `X-Client-Cert-Verified`, `-Subject`, `-SAN` and `-Fingerprint`.
    XClientCert,
    /// `Client-Cert`, the certificate itself (RFC 9440).
    ClientCert,
}

impl Word for ClientCertStyle {
    const ALL: &'static [Self] = &[Self::XClientCert, Self::ClientCert];

    fn word(self) -> &'static str {
        match self {
            Self::XClientCert => "x-client-cert",
            Self::ClientCert => "client-cert",
        }
    }
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// RFC 5246.
    V1_2,
    /// RFC 8446.
    V1_3,
}

impl Word for TlsVersion {
    const ALL: &'static [Self] = &[Self::V1_2, Self::V1_3];

    fn word(self) -> &'static str {
        match self {
            Self::V1_2 => "1.2",
            Self::V1_3 => "1.3",
        }
    }
}

/// What a client gets that asks for a name without a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownSni {
    /// The first certificate.
    Default,
    /// An alert.
    Refuse,
}

impl Word for UnknownSni {
    const ALL: &'static [Self] = &[Self::Default, Self::Refuse];

    fn word(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Refuse => "refuse",
        }
    }
}
