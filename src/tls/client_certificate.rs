//! What a client's certificate says of the client, as backends and the access log are told.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use rustls::pki_types::CertificateDer;
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

use super::{certificate::address, distinguished_name};

/// What a client's certificate says of the client. All texts are printable ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The name of its subject (RFC 4514); empty if it has none.
    pub subject: Box<str>,
    /// Its alternative names, as `DNS:a.example, URI:spiffe://b`; empty if there are none. A comma in a
    /// name is written as `%2C`.
    pub alternatives: Box<str>,
    /// The SHA-256 of its DER encoding, in hexadecimal.
    pub fingerprint: Box<str>,
    /// Its DER encoding.
    pub der: Box<[u8]>,
}

impl ClientCertificate {
    /// Takes a certificate apart; `None` if it cannot be read.
    pub(super) fn new(der: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let names = certificate.subject_alternative_name().ok()?;
        let names = names.iter().flat_map(|names| &names.value.general_names);
        let names: Vec<_> = names.filter_map(alternative).collect();
        Some(Self {
            subject: distinguished_name::text(certificate.subject()).into(),
            alternatives: names.join(", ").into(),
            fingerprint: HEXLOWER.encode(digest(&SHA256, der).as_ref()).into(),
            der: der.as_ref().into(),
        })
    }
}

fn alternative(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(format!("DNS:{}", escaped(name))),
        GeneralName::RFC822Name(name) => Some(format!("email:{}", escaped(name))),
        GeneralName::URI(name) => Some(format!("URI:{}", escaped(name))),
        GeneralName::IPAddress(bytes) => Some(format!("IP:{}", address(bytes)?)),
        _ => None,
    }
}

/// The name with every byte in hexadecimal that would end it, or that a field of HTTP cannot carry.
fn escaped(name: &str) -> String {
    let escape = |byte: u8| match byte {
        b',' | ..=b' ' | 0x7f.. => format!("%{byte:02X}"),
        byte => char::from(byte).to_string(),
    };
    name.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn of(names: Vec<SanType>) -> ClientCertificate {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        ClientCertificate::new(certificate.der()).unwrap()
    }

    #[test]
    fn every_kind_of_name_is_told_and_none_looks_like_two() {
        let certificate = of(vec![
            SanType::DnsName("a.example".try_into().unwrap()),
            SanType::URI("spiffe://b/c%20d, DNS:evil".try_into().unwrap()),
            SanType::Rfc822Name("a@b".try_into().unwrap()),
            SanType::IpAddress("2001:db8::1".parse().unwrap()),
            SanType::IpAddress("192.0.2.1".parse().unwrap()),
        ]);
        assert_eq!(
            &*certificate.alternatives,
            "DNS:a.example, URI:spiffe://b/c%20d%2C%20DNS:evil, email:a@b, IP:2001:db8::1, IP:192.0.2.1"
        );
        assert_eq!(certificate.fingerprint.len(), 64);
        assert_eq!(&*of(Vec::new()).alternatives, "");
    }

    #[test]
    fn what_is_no_certificate_tells_nothing() {
        assert_eq!(ClientCertificate::new(&CertificateDer::from(vec![1, 2, 3])), None);
    }
}
