//! The certificate of proxies that speak TLS, with its key, in one file.

use std::{fs, path::Path};

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize};

use crate::workload::KeyKind;

/// Writes a certificate with a key of this kind.
pub(crate) fn write(kind: KeyKind, file: &Path) {
    let key = match kind {
        KeyKind::P256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        KeyKind::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
    };
    let key = key.expect("a key");
    let params = CertificateParams::new(["example.com".to_owned()]).expect("a name");
    let pem = params.self_signed(&key).expect("a certificate").pem() + &key.serialize_pem();
    fs::write(file, pem).expect("a file");
}
