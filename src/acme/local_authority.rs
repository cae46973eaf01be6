//! The authority of this machine, for development: clients have to be told to trust it.
//!
//! Its key stays the same when its certificate is renewed, and so does its name. So certificates that were
//! issued before are valid under the new one, and new certificates under the old one: clients have the
//! years until the old one ends to take the new one.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, Error, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData,
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use super::{
    made::{DAY, EARLIER, Pem, for_hosts, named, time},
    state::{self, Lock, StateFolder},
};
use crate::tls;

/// The life of its certificates. Some clients refuse one that is longer than 398 days.
const LIFE: Duration = DAY.saturating_mul(90);
/// The life of its own certificate.
const ROOT_LIFE: Duration = DAY.saturating_mul(3650);

/// The file with the certificate of the local authority, which clients have to trust.
#[must_use]
pub fn root_file(folder: &StateFolder) -> PathBuf {
    folder.path().join("local/root.pem")
}

/// A certificate of the local authority for these hosts; the authority is made if there is none, and its
/// own certificate is renewed when a third of its life is left.
///
/// # Errors
///
/// What is wrong with the authority's files, or the system's words.
pub(super) fn issue(
    folder: &StateFolder,
    hosts: &[Box<str>],
    now: SystemTime,
) -> Result<Pem, String> {
    let root = root(folder, now)?;
    let make = || {
        let (mut params, key) = (for_hosts(hosts, (now, LIFE))?, KeyPair::generate()?);
        params.use_authority_key_identifier_extension = true;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &Issuer::new(root_params(now)?, root))?;
        Ok(Pem { chain: certificate.pem(), key: key.serialize_pem() })
    };
    make().map_err(|error: Error| format!("the local authority cannot sign: {error}"))
}

/// The key of the local authority, which has a usable certificate.
fn root(folder: &StateFolder, now: SystemTime) -> Result<KeyPair, String> {
    let (file, key_file) = (root_file(folder), folder.path().join("local/root.key"));
    let words = |error: std::io::Error| error.to_string();
    let unmade = |error: Error| format!("the local authority cannot be made: {error}");
    // Another instance may be making it.
    let _lock = Lock::wait_for(&folder.path().join("local/root.lock")).map_err(words)?;
    let known = state::read(&key_file).map_err(words)?;
    let key = match known {
        Some(text) => {
            let text =
                String::from_utf8(text).map_err(|_| format!("{}: not PEM", key_file.display()))?;
            KeyPair::from_pem(&text).map_err(|error| format!("{}: {error}", key_file.display()))?
        }
        None => {
            let key = KeyPair::generate().map_err(unmade)?;
            state::write(&key_file, key.serialize_pem().as_bytes()).map_err(words)?;
            key
        }
    };
    let known = state::read(&file).map_err(words)?;
    if known.as_ref().is_some_and(|text| is_usable(text, &key, now)) {
        return Ok(key);
    }
    let certificate =
        root_params(now).and_then(|params| params.self_signed(&key)).map_err(unmade)?;
    state::write(&file, certificate.pem().as_bytes()).map_err(words)?;
    match known {
        None => log::info!(file:% = file.display(); "made a local authority"),
        Some(_) => log::warn!(
            file:% = file.display();
            "renewed the certificate of the local authority: clients have to trust this one in its place"
        ),
    }
    Ok(key)
}

/// Whether this certificate is of this key, and more than a third of its life is left.
fn is_usable(text: &[u8], key: &KeyPair, now: SystemTime) -> bool {
    let is_of_key = || {
        let der = CertificateDer::from_pem_slice(text).ok()?;
        let (_, certificate) = X509Certificate::from_der(&der).ok()?;
        Some(certificate.public_key().raw == key.subject_public_key_info())
    };
    let is_in_time = tls::validity(text).is_some_and(|(from, until)| {
        let life = until.duration_since(from).unwrap_or_default();
        from <= now && now + life / 3 < until
    });
    is_in_time && is_of_key() == Some(true)
}

fn root_params(now: SystemTime) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    (params.not_before, params.not_after) = (time(now - EARLIER), time(now + ROOT_LIFE));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name = named("lb local authority");
    Ok(params)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::clock;
    use crate::tls::{Certificate, CertificateOrigin};

    /// What is wrong with this certificate for a client that trusts this authority.
    fn verify(pem: &Pem, root: &str) -> Result<Certificate, String> {
        // The chain is checked when a certificate is made of it.
        let (chain, origin) = (format!("{}\n{root}", pem.chain), CertificateOrigin::LocalAuthority);
        let now = clock::wall();
        Certificate::of_any_time(chain.as_bytes(), pem.key.as_bytes(), origin, now)
    }

    /// An authority's folder, and what makes a certificate at a moment and returns the root, too.
    fn authority() -> (tempfile::TempDir, impl Fn(SystemTime) -> (Pem, String)) {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::at(folder.path());
        let issue = move |now| {
            let pem = issue(&state, &["localhost".into()], now).unwrap();
            (pem, fs::read_to_string(root_file(&state)).unwrap())
        };
        (folder, issue)
    }

    #[test]
    fn the_local_authority_is_made_once_and_signs_later_too() {
        let (_folder, issue) = authority();
        let (first, root) = issue(clock::wall());
        let (later, root_later) = issue(clock::wall() + DAY);
        assert_eq!(root, root_later);
        for pem in [first, later] {
            assert_eq!(&*verify(&pem, &root).unwrap().facts.issuer, "CN=lb local authority");
        }
    }

    #[test]
    fn its_certificate_is_renewed_in_time_and_all_certificates_stay_valid() {
        let (_folder, issue) = authority();
        let now = clock::wall();
        let (before, old) = issue(now);
        assert_eq!(issue(now + ROOT_LIFE * 3 / 5).1, old);
        let (after, new) = issue(now + ROOT_LIFE * 7 / 10);
        assert_ne!(old, new);
        let until = |root: &str| tls::validity(root.as_bytes()).unwrap().1;
        assert!(until(&new) > until(&old) + ROOT_LIFE / 2);
        for (pem, root) in [(&before, &old), (&before, &new), (&after, &old), (&after, &new)] {
            verify(pem, root).unwrap();
        }
    }

    #[test]
    fn a_certificate_that_no_client_can_use_is_replaced() {
        let (folder, issue) = authority();
        let now = clock::wall();
        // Made while the clock was wrong, damaged, and of another authority.
        let (_, premature) = issue(now + DAY * 400);
        let (_, root) = issue(now);
        assert_ne!(root, premature);
        let (_other_folder, other) = authority();
        for wrong in ["damaged".to_owned(), other(now).1] {
            fs::write(folder.path().join("local/root.pem"), &wrong).unwrap();
            let (pem, root) = issue(now);
            assert_ne!(root, wrong);
            verify(&pem, &root).unwrap();
        }
    }
}
