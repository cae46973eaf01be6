//! Certificates that are made for a test, of an authority of its own.

use std::{fs, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256,
    date_time_ymd,
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
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
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
        let certificate = params(names, from, until).signed_by(&key, &self.0);
        let leaf = certificate.expect("a certificate").pem();
        Pem { chain: leaf + &self.pem(), key: key.serialize_pem() }
    }

    /// A certificate for these names.
    pub(crate) fn issue(&self, names: &[&str]) -> Pem {
        self.issue_between(names, 2000, 4000)
    }
}

impl Pem {
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
