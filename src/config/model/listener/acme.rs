//! The certificate of a listener that an authority is asked for, by ACME (RFC 8555).

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::config::{origin::Origin, word::Word};

/// A certificate that an authority is asked for: one order for all of its hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acme {
    /// Where the authority writes to; `None` for an account without an address.
    pub email: Option<Box<str>>,
    /// The names of the certificate, in lower case; never empty, none twice.
    pub hosts: Vec<Box<str>>,
    /// How the authority sees that the hosts are ours.
    pub challenge: Challenge,
    /// The address at which the authority lists what it offers; begins with `https://`.
    pub directory: Box<str>,
    /// The file with certificates one of which signs the authority's own; `None` for those that the
    /// system trusts.
    pub directory_ca: Option<PathBuf>,
    /// The account at the authority that the new one belongs to.
    pub external_account: Option<ExternalAccount>,
    /// Where it was written, for messages about its files.
    pub origin: Origin,
}

/// How an authority sees that a host is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// By a handshake on port 443 (RFC 8737).
    TlsAlpn01,
    /// By a request on port 80 (RFC 8555 section 8.3).
    Http01,
}

impl Word for Challenge {
    const ALL: &'static [Self] = &[Self::TlsAlpn01, Self::Http01];

    fn word(self) -> &'static str {
        match self {
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Http01 => "http-01",
        }
    }
}

/// An account that was made at the authority by other means (RFC 8555 section 7.3.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalAccount {
    /// Its name at the authority.
    pub key_id: Box<str>,
    /// The key that proves it.
    pub hmac_key: HmacKey,
}

impl ExternalAccount {
    /// The file that has the key, if the configuration does not.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.hmac_key {
            HmacKey::Given(_) => None,
            HmacKey::File(file) => Some(file),
        }
    }
}

/// Where a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HmacKey {
    /// In the configuration.
    Given(AccountKey),
    /// In this file, which has nothing else.
    File(PathBuf),
}

/// A key in base64url. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountKey(pub(in crate::config) Box<str>);

impl AccountKey {
    /// The key itself.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
