//! The TLS settings of a listener.

use std::{path::PathBuf, time::Duration};

use super::acme::Acme;
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
    /// The oldest version that a client may speak.
    pub min_version: TlsVersion,
    /// What a client gets that asks for a name without a certificate.
    pub unknown_sni: UnknownSni,
    /// From accept to the end of the handshake.
    pub handshake: Duration,
    /// How long browsers are to use nothing but TLS for a host; `None` to say nothing of it.
    pub hsts: Option<Duration>,
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
