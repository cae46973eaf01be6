//! A certificate with its chain and its key: bytes in, a checked pair or what is wrong with it out.

use std::{
    fmt,
    net::IpAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{
    Error, InconsistentKeys, SignatureAlgorithm,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem, pem::PemObject},
    sign::CertifiedKey,
};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

/// A certificate, its chain and its key, which belong together.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// What the certificate says of itself.
    pub facts: CertificateFacts,
    /// Whether its names are those of its subject, because it has no `subjectAltName` with any.
    pub(super) has_old_names: bool,
    /// The chain and the key, for handshakes.
    pub(super) key: Arc<CertifiedKey>,
}

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The host names and the addresses that it is for, in lower case; with `*.` for any first part of a
    /// name.
    pub names: Vec<Box<str>>,
    /// The name of its issuer.
    pub issuer: Box<str>,
    /// The beginning of its validity.
    pub from: SystemTime,
    /// The end of its validity.
    pub until: SystemTime,
    /// Where it comes from.
    pub source: CertificateOrigin,
}

/// Where a certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateOrigin {
    /// From a file that the configuration names, or that is in a directory which it names.
    File(PathBuf),
    /// From an authority, by an order.
    Acme,
    /// From `lb` itself, which has no better one until the order for these names is done.
    SelfSigned,
    /// From the authority that `lb` has made for this machine.
    LocalAuthority,
}

impl fmt::Display for CertificateOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => file.display().fmt(f),
            Self::Acme => f.write_str("acme"),
            Self::SelfSigned => f.write_str("self-signed until the order is done"),
            Self::LocalAuthority => f.write_str("local authority"),
        }
    }
}

impl Certificate {
    /// Takes apart and checks a certificate with its chain, and its key, which are in PEM.
    ///
    /// # Errors
    ///
    /// What is wrong with them at this moment, as the end of a message that begins with the file.
    pub fn new(
        chain: &[u8],
        key: &[u8],
        source: CertificateOrigin,
        now: SystemTime,
    ) -> Result<Self, String> {
        check_times(&parse_all(&certificates(chain)?)?, now)?;
        Self::of_any_time(chain, key, source, now)
    }

    /// As [`Certificate::new`], but the certificate may have expired, or not be valid yet: it is better
    /// than none, and the clock of this machine may be wrong.
    ///
    /// # Errors
    ///
    /// As for [`Certificate::new`].
    pub fn of_any_time(
        chain: &[u8],
        key: &[u8],
        source: CertificateOrigin,
        now: SystemTime,
    ) -> Result<Self, String> {
        let chain = certificates(chain)?;
        let parsed = parse_all(&chain)?;
        check_chain(&chain, &parsed, now)?;
        let facts = facts(&parsed[0], source);
        let has_old_names = alternative_names(&parsed[0]).is_empty();
        if facts.names.is_empty() {
            return Err("has neither a host name nor an address in its certificate".to_owned());
        }
        let key = private_key(key)?;
        let key = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider());
        let key = key.map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                "has a key that does not belong to its certificate".to_owned()
            }
            error => format!("has a key that cannot be used: {error}"),
        })?;
        Ok(Self { facts, has_old_names, key: Arc::new(key) })
    }

    /// Whether this is one of its names, both in lower case.
    #[must_use]
    pub fn is_for(&self, host: &str) -> bool {
        self.facts.names.iter().any(|name| **name == *host)
    }

    /// Whether it suits only clients that know RSA, which costs more to sign with.
    pub(super) fn is_rsa(&self) -> bool {
        self.key.key.algorithm() == SignatureAlgorithm::RSA
    }
}

/// The beginning and the end of the first certificate among these PEM sections, which may be over;
/// `None` if there is none that can be read.
#[must_use]
pub fn validity(text: &[u8]) -> Option<(SystemTime, SystemTime)> {
    lifetime(certificates(text).ok()?.first()?)
}

/// The beginning and the end of this certificate, which may be over; `None` if it cannot be read.
#[must_use]
pub fn lifetime(certificate: &CertificateDer<'_>) -> Option<(SystemTime, SystemTime)> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let validity = certificate.validity();
    Some((time(validity.not_before.timestamp()), time(validity.not_after.timestamp())))
}

/// Whether there is a private key among these PEM sections.
pub(super) fn has_key(text: &[u8]) -> bool {
    PrivateKeyDer::from_pem_slice(text).is_ok()
}

pub(super) fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match chain {
        Ok(chain) if chain.is_empty() => {
            Err("has no certificate (PEM begins with -----BEGIN CERTIFICATE-----)".to_owned())
        }
        Ok(chain) => Ok(chain),
        Err(error) => Err(format!("is no PEM: {error}")),
    }
}

fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    let has = |words: &[u8]| text.windows(words.len()).any(|part| part == words);
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        _ if has(b"ENCRYPTED") => "has a key with a passphrase, which lb cannot ask for".to_owned(),
        pem::Error::NoItemsFound => "has no private key".to_owned(),
        error => format!("has a key that is no PEM: {error}"),
    })
}

fn parse_all<'a>(chain: &'a [CertificateDer<'_>]) -> Result<Vec<X509Certificate<'a>>, String> {
    let parse = |(place, der): (usize, &'a CertificateDer<'_>)| {
        let parsed = X509Certificate::from_der(der);
        parsed
            .map(|(_, parsed)| parsed)
            .map_err(|_| format!("has {} that cannot be read", nth(place)))
    };
    chain.iter().enumerate().map(parse).collect()
}

/// A certificate of the chain, in words.
fn nth(place: usize) -> String {
    match place {
        0 => "a certificate".to_owned(),
        place => format!("a certificate (number {} in the file)", place + 1),
    }
}

fn check_times(chain: &[X509Certificate<'_>], now: SystemTime) -> Result<(), String> {
    for (place, certificate) in chain.iter().enumerate() {
        let validity = certificate.validity();
        let (from, until) =
            (time(validity.not_before.timestamp()), time(validity.not_after.timestamp()));
        if now > until {
            return Err(format!("has {} that expired on {}", nth(place), date(until)));
        }
        if now < from {
            return Err(format!("has {} that is not valid before {}", nth(place), date(from)));
        }
    }
    Ok(())
}

/// Each certificate must be signed by the next one. A chain need not end in a root.
fn check_chain(
    chain: &[CertificateDer<'_>],
    parsed: &[X509Certificate<'_>],
    now: SystemTime,
) -> Result<(), String> {
    for (place, pair) in parsed.windows(2).enumerate() {
        if pair[0].issuer().as_raw() != pair[1].subject().as_raw() {
            return Err(format!(
                "has a broken chain: certificate {} in the file is from {}, and the next one is {}",
                place + 1,
                pair[0].issuer(),
                pair[1].subject()
            ));
        }
    }
    let [leaf, between @ .., last] = chain else { return Ok(()) };
    // Outside of its validity a certificate would be refused before a signature is looked at.
    let validity = parsed[0].validity();
    let now =
        now.max(time(validity.not_before.timestamp())).min(time(validity.not_after.timestamp()));
    let broken = || "has a broken chain: a signature in it is of another key".to_owned();
    let anchor = anchor_from_trusted_cert(last).map_err(|_| broken())?;
    let leaf = EndEntityCert::try_from(leaf).map_err(|error| format!("cannot be used: {error}"))?;
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let anchors = [anchor];
    let verified = leaf.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &anchors,
        between,
        UnixTime::since_unix_epoch(since),
        KeyUsage::server_auth(),
        None,
        None,
    );
    match verified {
        Err(webpki::Error::InvalidSignatureForPublicKey | webpki::Error::UnknownIssuer) => {
            Err(broken())
        }
        // Clients judge by rules of their own.
        _ => Ok(()),
    }
}

fn facts(certificate: &X509Certificate<'_>, source: CertificateOrigin) -> CertificateFacts {
    let mut names = alternative_names(certificate);
    if names.is_empty() {
        let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
        names = common.map(|name| name.to_ascii_lowercase().into()).collect();
    }
    CertificateFacts {
        names,
        issuer: certificate.issuer().to_string().into(),
        from: time(certificate.validity().not_before.timestamp()),
        until: time(certificate.validity().not_after.timestamp()),
        source,
    }
}

/// The hosts and addresses of `subjectAltName` (RFC 5280 section 4.2.1.6).
fn alternative_names(certificate: &X509Certificate<'_>) -> Vec<Box<str>> {
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    let names = alternatives.iter().flat_map(|names| &names.value.general_names);
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase().into()),
            GeneralName::IPAddress(bytes) => Some(address(bytes)?.to_string().into()),
            _ => None,
        })
        .collect()
}

/// The address in an alternative name (RFC 5280 section 4.2.1.6); `None` if it has another length.
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// A time in seconds since 1970; one before counts as that moment.
pub(super) fn time(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

/// The day of this moment.
pub(super) fn date(time: SystemTime) -> String {
    let text = humantime::format_rfc3339_seconds(time).to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}
