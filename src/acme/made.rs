//! Certificates that `lb` makes: until an order is done, as a proof for an authority, and of the
//! authority of this machine.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, Error,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::OffsetDateTime;

use super::state::{self, Lock, StateFolder};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The life of a certificate of the local authority. Some clients refuse one that is longer than 398 days.
const LOCAL_LIFE: Duration = DAY.saturating_mul(90);
/// The life of the local authority.
const ROOT_LIFE: Duration = DAY.saturating_mul(3650);
/// The life of a stand-in.
const STAND_IN_LIFE: Duration = DAY.saturating_mul(90);
/// A clock may be wrong by as much.
const EARLIER: Duration = DAY;

/// A certificate with its chain, and its key, in PEM.
#[derive(Debug)]
pub(super) struct Pem {
    pub(super) chain: String,
    pub(super) key: String,
}

impl Pem {
    /// All of it, as it is in one file.
    pub(super) fn text(&self) -> String {
        format!("{}\n{}", self.chain.trim_end(), self.key)
    }
}

/// A certificate for these hosts that no client trusts.
pub(super) fn self_signed(hosts: &[Box<str>], now: SystemTime) -> Result<Pem, Error> {
    let (params, key) = (for_hosts(hosts, (now, STAND_IN_LIFE))?, KeyPair::generate()?);
    let certificate = params.self_signed(&key)?;
    Ok(Pem { chain: certificate.pem(), key: key.serialize_pem() })
}

/// The certificate that proves that this host is ours, by the hash of an answer (RFC 8737 section 3).
pub(super) fn proof(
    host: &str,
    hash: &[u8],
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
    let mut params = CertificateParams::new([host.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(hash)];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    Ok((vec![certificate.der().clone()], key.into()))
}

/// A key for these hosts, and the request for a certificate of it, in DER.
pub(super) fn request(hosts: &[Box<str>]) -> Result<(KeyPair, Vec<u8>), Error> {
    let mut params =
        CertificateParams::new(hosts.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    params.distinguished_name = DistinguishedName::new();
    let key = KeyPair::generate()?;
    let request = params.serialize_request(&key)?;
    Ok((key, request.der().to_vec()))
}

/// The file with the certificate of the local authority, which clients have to trust.
#[must_use]
pub fn root_file(folder: &StateFolder) -> PathBuf {
    folder.path().join("local/root.pem")
}

/// A certificate of the local authority for these hosts; the authority is made if there is none.
///
/// # Errors
///
/// What is wrong with the authority's files, or the system's words.
pub(super) fn local(
    folder: &StateFolder,
    hosts: &[Box<str>],
    now: SystemTime,
) -> Result<Pem, String> {
    let root = root(folder, now)?;
    let failed = |error: Error| format!("the local authority cannot sign: {error}");
    let make = || {
        let (mut params, key) = (for_hosts(hosts, (now, LOCAL_LIFE))?, KeyPair::generate()?);
        params.use_authority_key_identifier_extension = true;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &Issuer::new(root_params(now)?, root))?;
        Ok(Pem { chain: certificate.pem(), key: key.serialize_pem() })
    };
    make().map_err(failed)
}

/// The key of the local authority.
fn root(folder: &StateFolder, now: SystemTime) -> Result<KeyPair, String> {
    let (certificate, key) = (root_file(folder), folder.path().join("local/root.key"));
    let words = |error: std::io::Error| error.to_string();
    // Another instance may be making it.
    let _lock = Lock::wait_for(&folder.path().join("local/root.lock")).map_err(words)?;
    let known = state::read(&key).map_err(words)?;
    if let (Some(text), true) = (known, certificate.exists()) {
        let text = String::from_utf8(text).map_err(|_| format!("{}: not PEM", key.display()))?;
        return KeyPair::from_pem(&text).map_err(|error| format!("{}: {error}", key.display()));
    }
    let make = || {
        let pair = KeyPair::generate()?;
        let root = root_params(now)?.self_signed(&pair)?;
        Ok((pair, root.pem()))
    };
    let failed = |error: Error| format!("the local authority cannot be made: {error}");
    let (pair, pem) = make().map_err(failed)?;
    // The certificate comes last: without it the key is made again.
    state::write(&key, pair.serialize_pem().as_bytes()).map_err(words)?;
    state::write(&certificate, pem.as_bytes()).map_err(words)?;
    log::info!(file:% = certificate.display(); "made a local authority");
    Ok(pair)
}

fn root_params(now: SystemTime) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    (params.not_before, params.not_after) = (time(now - EARLIER), time(now + ROOT_LIFE));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name = named("lb local authority");
    Ok(params)
}

fn for_hosts(
    hosts: &[Box<str>],
    (now, life): (SystemTime, Duration),
) -> Result<CertificateParams, Error> {
    let names: Vec<_> = hosts.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names)?;
    if hosts.iter().any(|host| **host == *"localhost") {
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        params.subject_alt_names.extend(loopback.map(SanType::IpAddress));
    }
    params.distinguished_name = named(hosts.first().map_or("lb", |host| host));
    (params.not_before, params.not_after) = (time(now - EARLIER), time(now + life));
    Ok(params)
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    // A common name ends at 64 letters (RFC 5280 appendix A.1).
    names.push(DnType::CommonName, name.chars().take(64).collect::<String>());
    names
}

fn time(time: SystemTime) -> OffsetDateTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::tls::{Certificate, CertificateOrigin};

    fn certificate(pem: &Pem) -> Certificate {
        let text = pem.text();
        let origin = CertificateOrigin::LocalAuthority;
        Certificate::new(text.as_bytes(), text.as_bytes(), origin, clock::wall()).unwrap()
    }

    #[test]
    fn a_stand_in_is_for_all_hosts() {
        let long = format!("{}.example", "a".repeat(63));
        let pem = self_signed(&["a.example".into(), long.as_str().into()], clock::wall()).unwrap();
        let names = certificate(&pem).facts.names;
        assert_eq!(names, ["a.example".into(), long.into_boxed_str()]);
    }

    #[test]
    fn the_local_authority_is_made_once_and_signs_later_too() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::at(folder.path());
        let hosts = ["localhost".into()];
        let first = local(&state, &hosts, clock::wall()).unwrap();
        let root = std::fs::read_to_string(root_file(&state)).unwrap();
        let later = local(&state, &hosts, clock::wall() + DAY).unwrap();
        assert_eq!(std::fs::read_to_string(root_file(&state)).unwrap(), root);
        for pem in [first, later] {
            // The chain is checked when a certificate is made of it.
            let chain = format!("{}\n{root}", pem.chain);
            let facts = certificate(&Pem { chain, key: pem.key }).facts;
            assert_eq!(&*facts.issuer, "CN=lb local authority");
        }
    }
}
