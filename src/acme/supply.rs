//! The certificates that a listener gets besides those of its files: the one that was ordered; while
//! there is none, those of earlier orders that are for some of its hosts; and for all other hosts one
//! that `lb` signs itself.

use std::{fs, path::Path, time::SystemTime};

use super::{
    made,
    request::CertificateRequest,
    state::{self, StateFolder},
};
use crate::config::{Config, Tls};
use crate::tls::{Certificate, CertificateOrigin, TlsListeners};

/// Gives every listener what there is at this moment of the certificates that it gets by itself.
pub fn supply_all(config: &Config, listeners: &TlsListeners, now: SystemTime) {
    let folder = StateFolder::of(config);
    for place in config.tls_endpoints() {
        let Some(ready) = listeners.get(&place.endpoint) else { continue };
        if !CertificateRequest::of(place.tls).is_empty() {
            ready.install(supply(&folder, place.tls, now));
        }
    }
}

/// What there is at this moment for a listener with these settings.
pub(super) fn supply(folder: &StateFolder, tls: &Tls, now: SystemTime) -> Vec<Certificate> {
    let mut all = Vec::new();
    let mut bare: Vec<Box<str>> = Vec::new();
    for request in CertificateRequest::of(tls) {
        match stored(&folder.certificate(&request), request.origin(), now) {
            Some(certificate) => all.push(certificate),
            None => {
                let earlier = earlier(folder, &request, now);
                let hosts = request.hosts.iter();
                let uncovered = hosts.filter(|host| !earlier.iter().any(|it| it.is_for(host)));
                bare.extend(uncovered.cloned());
                all.extend(earlier);
            }
        }
    }
    if !bare.is_empty() {
        all.extend(stand_in(&bare, now));
    }
    all
}

/// The certificate in this file, if it can be used.
pub(super) fn stored(
    file: &Path,
    origin: CertificateOrigin,
    now: SystemTime,
) -> Option<Certificate> {
    let text = match state::read(file) {
        Ok(text) => text?,
        Err(error) => {
            log::warn!(error:% = error; "a certificate cannot be used");
            return None;
        }
    };
    let certificate = Certificate::of_any_time(&text, &text, origin, now);
    certificate
        .map_err(|error| log::warn!(file:% = file.display(), error; "a certificate cannot be used"))
        .ok()
}

/// Certificates of the same authority that are for some of the hosts of a request.
fn earlier(
    folder: &StateFolder,
    request: &CertificateRequest,
    now: SystemTime,
) -> Vec<Certificate> {
    let entries = fs::read_dir(folder.of_authority(request)).into_iter().flatten().flatten();
    let files = entries.map(|entry| entry.path());
    let is_certificate = |file: &std::path::PathBuf| {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.ends_with(".pem") && name != "root.pem"
    };
    let mut found: Vec<_> = files
        .filter(is_certificate)
        .filter_map(|file| {
            let text = state::read(&file).ok()??;
            Certificate::of_any_time(&text, &text, request.origin(), now).ok()
        })
        .filter(|it| it.facts.names.iter().any(|name| request.hosts.contains(name)))
        .collect();
    // The one that ends last comes first.
    found.sort_by_key(|it| std::cmp::Reverse(it.facts.until));
    found
}

fn stand_in(hosts: &[Box<str>], now: SystemTime) -> Option<Certificate> {
    let made = made::self_signed(hosts, now).map_err(|error| error.to_string());
    let certificate = made.and_then(|pem| {
        let text = pem.text();
        Certificate::new(text.as_bytes(), text.as_bytes(), CertificateOrigin::SelfSigned, now)
    });
    certificate.map_err(|error| log::error!(error; "no certificate can be made")).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;
    use crate::config::{Flags, parse};

    fn tls(hosts: &str) -> Tls {
        let text = format!(
            "listeners: [ {{ address: 127.0.0.1:1, tls: {{ acme: {{ hosts: [ {hosts} ] }} }} }} ]\n\
             routes: [ {{ pool: web }} ]\n\
             pools: {{ web: {{ backends: [ {{ address: 127.0.0.1:9 }} ] }} }}\n"
        );
        let config = parse("lb.yaml", &text, &Flags::default()).unwrap().config;
        config.listeners[0].tls.clone().unwrap()
    }

    fn sources(folder: &StateFolder, hosts: &str) -> Vec<(CertificateOrigin, Vec<Box<str>>)> {
        let all = supply(folder, &tls(hosts), clock::wall());
        all.into_iter().map(|it| (it.facts.source, it.facts.names)).collect()
    }

    #[test]
    fn hosts_without_a_certificate_get_one_that_is_self_signed_and_others_keep_theirs() {
        let folder = tempfile::tempdir().unwrap();
        let folder = StateFolder::at(folder.path());
        let (a, b) = ("a.example.com", "b.example.com");
        let both = "a.example.com, b.example.com";
        assert_eq!(
            sources(&folder, both),
            [(CertificateOrigin::SelfSigned, vec![a.into(), b.into()])]
        );
        let request = |hosts: &str| CertificateRequest::of(&tls(hosts)).remove(0);
        let store = |hosts: &str| {
            let request = request(hosts);
            let pem = made::self_signed(&request.hosts, clock::wall()).unwrap();
            state::write(&folder.certificate(&request), pem.text().as_bytes()).unwrap();
        };
        store(a);
        assert_eq!(
            sources(&folder, both),
            [
                (CertificateOrigin::Acme, vec![a.into()]),
                (CertificateOrigin::SelfSigned, vec![b.into()])
            ]
        );
        store(both);
        assert_eq!(sources(&folder, both), [(CertificateOrigin::Acme, vec![a.into(), b.into()])]);
        // A host less: the certificate for both is good enough until there is one for it alone.
        store("c.example.com");
        assert_eq!(sources(&folder, b), [(CertificateOrigin::Acme, vec![a.into(), b.into()])]);
    }

    #[test]
    fn a_certificate_that_has_expired_is_kept_until_there_is_a_better_one() {
        let folder = tempfile::tempdir().unwrap();
        let folder = StateFolder::at(folder.path());
        let request = |hosts: &str| CertificateRequest::of(&tls(hosts)).remove(0);
        let store = |hosts: &str, made: SystemTime| {
            let request = request(hosts);
            let pem = made::self_signed(&request.hosts, made).unwrap();
            state::write(&folder.certificate(&request), pem.text().as_bytes()).unwrap();
        };
        let (now, year) = (clock::wall(), Duration::from_secs(365 * 24 * 60 * 60));
        let (a, both) = ("a.example.com", "a.example.com, b.example.com");
        // Also one of tomorrow: the clock may be wrong.
        for made in [now - year, now + year] {
            store(a, made);
            assert_eq!(sources(&folder, a), [(CertificateOrigin::Acme, vec![a.into()])]);
        }
        store(a, now - year);
        store(both, now);
        store("a.example.com, c.example.com", now - year * 2);
        // Of earlier ones the one that ends last comes first, and is the one that a client gets.
        let earlier = sources(&folder, "a.example.com, d.example.com");
        assert_eq!(earlier[0].1, [a.into(), "b.example.com".into()]);
        assert_eq!(earlier.last().unwrap().1, ["d.example.com".into()]);
    }

    #[test]
    fn a_file_that_is_broken_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let folder = StateFolder::at(folder.path());
        let request = CertificateRequest::of(&tls("a.example.com")).remove(0);
        state::write(&folder.certificate(&request), b"half a certif").unwrap();
        assert_eq!(sources(&folder, "a.example.com")[0].0, CertificateOrigin::SelfSigned);
    }
}
