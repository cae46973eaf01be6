//! Certificates that `lb` makes, until an order is done and as a proof for an authority; and keys.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::{Duration, SystemTime},
};

use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, Error, KeyPair, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::OffsetDateTime;

/// A day.
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The life of a stand-in.
const STAND_IN_LIFE: Duration = DAY.saturating_mul(90);
/// A clock may be wrong by as much.
pub(super) const EARLIER: Duration = DAY;

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

/// What a certificate for these hosts has in it, from this moment on for this long.
pub(super) fn for_hosts(
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

/// The name of a subject.
pub(super) fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    // A common name ends at 64 letters (RFC 5280 appendix A.1).
    names.push(DnType::CommonName, name.chars().take(64).collect::<String>());
    names
}

/// The time as certificates have it, in whole seconds.
pub(super) fn time(time: SystemTime) -> OffsetDateTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::tls::{Certificate, CertificateOrigin};

    #[test]
    fn a_stand_in_is_for_all_hosts() {
        let long = format!("{}.example", "a".repeat(63));
        let now = clock::wall();
        let text = self_signed(&["a.example".into(), long.as_str().into()], now).unwrap().text();
        let (text, origin) = (text.as_bytes(), CertificateOrigin::SelfSigned);
        let names = Certificate::new(text, text, origin, now).unwrap().facts.names;
        assert_eq!(names, ["a.example".into(), long.into_boxed_str()]);
    }
}
