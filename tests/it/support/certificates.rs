//! Certificates that are made for a test, of an authority of its own.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use aws_lc_rs::digest::{SHA256, digest};
use base64::prelude::{BASE64_STANDARD, Engine};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    DistinguishedName, DnType, IsCa, KeyIdMethod, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256,
    PublicKeyData, RevokedCertParams, RsaKeySize, SerialNumber, date_time_ymd,
};

/// An authority that signs certificates, valid from 2000 on.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
pub(crate) struct Pem {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = params(&[], 2000, 4000);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// Its own certificate.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names, from the beginning of the one year to that of the other.
    pub(crate) fn issue_between(&self, names: &[&str], from: i32, until: i32) -> Pem {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        self.sign(params(names, from, until), &key)
    }

    /// A certificate that has this name in its subject alone, as authorities made them long ago.
    pub(crate) fn issue_for_subject(&self, name: &str) -> Pem {
        let mut params = params(&[], 2000, 4000);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        self.sign(params, &KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key"))
    }

    /// A certificate for these names, for this number of days from now on.
    pub(crate) fn issue_for_days(&self, names: &[&str], days: u64) -> Pem {
        let since = lb::clock::wall().duration_since(SystemTime::UNIX_EPOCH).expect("a time");
        let end = since + Duration::from_secs(days * 24 * 60 * 60);
        let mut params = params(names, 2000, 4000);
        params.not_after = date_time_ymd(1970, 1, 1) + end;
        self.sign(params, &KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key"))
    }

    /// A certificate for these names with a key of RSA.
    pub(crate) fn issue_rsa(&self, names: &[&str]) -> Pem {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
        self.sign(params(names, 2000, 4000), &key)
    }

    /// A certificate of a client with this name and number, until the beginning of this year.
    pub(crate) fn issue_client(&self, name: &str, number: u64, until: i32) -> Pem {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let mut params = params(&[&format!("{name}.clients.example")], 2000, until);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Shop, Inc.");
        params.distinguished_name.push(DnType::CommonName, name);
        params.serial_number = Some(SerialNumber::from(number));
        self.sign(params, &key)
    }

    fn sign(&self, params: CertificateParams, key: &KeyPair) -> Pem {
        let leaf = params.signed_by(key, &self.0).expect("a certificate").pem();
        Pem { chain: leaf + &self.pem(), key: key.serialize_pem() }
    }

    /// A list of the revoked certificates with these numbers, good until the beginning of this year.
    pub(crate) fn revoke(&self, numbers: &[u64], until: i32) -> String {
        let revoked = |number: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*number),
            revocation_time: date_time_ymd(2001, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2000, 1, 1),
            next_update: date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from(1u64),
            issuing_distribution_point: None,
            revoked_certs: numbers.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.0).expect("a list").pem().expect("a list")
    }

    /// A certificate for these names.
    pub(crate) fn issue(&self, names: &[&str]) -> Pem {
        self.issue_between(names, 2000, 4000)
    }
}

impl Pem {
    /// The hash of its key as browsers name it: SHA-256 of the key with its algorithm, in base64.
    pub(crate) fn key_hash(&self) -> String {
        let key = KeyPair::from_pem(&self.key).expect("a key");
        let hash = digest(&SHA256, &key.subject_public_key_info());
        BASE64_STANDARD.encode(hash.as_ref())
    }

    /// Writes `NAME.pem` and `NAME.key` into this folder, each in the place of an earlier one at once.
    pub(crate) fn write(&self, folder: &Path, name: &str) {
        for (end, text) in [("key", &self.key), ("pem", &self.chain)] {
            let next = folder.join(format!(".{name}.{end}"));
            fs::write(&next, text).expect("a file");
            fs::rename(next, folder.join(format!("{name}.{end}"))).expect("a file");
        }
    }
}

fn params(names: &[&str], from: i32, until: i32) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
    params
}
