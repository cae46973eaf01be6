//! TLS on a listener. The files that it names are read later.

mod acme;
mod client_auth;

use self::{
    acme::{acme, without_doubles},
    client_auth::{client_auth, hosts},
};
use crate::config::{
    document::{Cursor, Section},
    keys::{
        Row,
        acme::{ACME, LOCAL},
        tls::{
            CERT, CERTIFICATES, CLIENT_AUTH, DIRECTORY, HANDSHAKE, KEY, MIN_VERSION,
            STRICT_TRANSPORT, TLS, UNKNOWN,
        },
    },
    model::{CertificateSource, Tls},
    values::is_off,
};

/// Reads the TLS settings; `None` where there are none.
pub(super) fn tls(keys: &mut Section<'_>) -> Option<Tls> {
    let cursor = keys.optional(&TLS)?;
    if cursor.text().is_some_and(is_off) {
        return None;
    }
    cursor.section(TLS.expected, settings)
}

/// Reads every key of TLS.
pub(super) fn settings(keys: &mut Section<'_>) -> Tls {
    let hint = "write \"certificates: [{ cert: /etc/lb/shop.pem, key: /etc/lb/shop.key }]\"";
    let has_acme = keys.has(ACME.name());
    let (acme, local) = (acme(keys), without_doubles(keys.list(&LOCAL)));
    let certificates = match has_acme || !local.is_empty() {
        true => keys.optional(&CERTIFICATES),
        false => keys.required(&CERTIFICATES, hint),
    };
    let items = certificates.and_then(|cursor| cursor.filled_list(CERTIFICATES.expected));
    Tls {
        certificates: items.into_iter().flatten().filter_map(|item| source(&item)).collect(),
        acme,
        local,
        client_auth: client_auth(keys, &CLIENT_AUTH),
        hosts: hosts(keys),
        min_version: keys.get(&MIN_VERSION),
        unknown_sni: keys.get(&UNKNOWN),
        handshake: keys.get(&HANDSHAKE),
        hsts: keys.get(&STRICT_TRANSPORT),
    }
}

fn source(item: &Cursor<'_>) -> Option<CertificateSource> {
    item.item((&CERT, |text| format!("cert: {text}")), "a certificate with its file", |keys| {
        let (cert, key) = (keys.setting(&CERT), keys.setting(&KEY));
        let directory = keys.setting(&DIRECTORY);
        if !cert.is_there() && !directory.is_there() {
            item.problem("needs a certificate (write cert: and a file, or directory:)");
        }
        if let (false, Some(origin)) = (cert.is_there(), key.origin()) {
            keys.problem_at(origin, "has no certificate beside it (write cert: and its file)");
        }
        let key = key.given();
        CertificateSource {
            pair: cert.given().map(|cert| (cert, key)),
            directory: directory.given(),
            origin: item.origin(),
        }
    })
}
