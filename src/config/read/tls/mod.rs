//! TLS on a listener, or on the admin listener. The files that it names are read later.

mod acme;
mod client_auth;

use self::{
    acme::{acme, without_doubles},
    client_auth::{client_auth, hosts},
};
use crate::config::{
    document::{Cursor, Section},
    keys::{
        Preset, Row,
        tls::{ADMIN, FIELDS, LISTENER, STRICT_TRANSPORT, TlsKeys, UNKNOWN},
    },
    model::{CertificateSource, ClientCertStyle, Tls, UnknownSni},
    values::is_off,
};

/// Reads the TLS settings of a listener; `None` where there are none.
pub(super) fn of_listener(keys: &mut Section<'_>) -> Option<Tls> {
    given(keys, &LISTENER, settings)
}

/// Reads the TLS settings of the admin listener; `None` where there are none.
pub(super) fn of_admin(keys: &mut Section<'_>) -> Option<Tls> {
    given(keys, &ADMIN, |keys| shared(keys, &ADMIN, None))
}

fn given(
    section: &mut Section<'_>,
    keys: &TlsKeys,
    read: impl FnOnce(&mut Section<'_>) -> Tls,
) -> Option<Tls> {
    let cursor = section.optional(&keys.group)?;
    if cursor.text().is_some_and(is_off) {
        return None;
    }
    cursor.section(keys.group.expected, read)
}

/// Reads every key of TLS on a listener.
pub(super) fn settings(keys: &mut Section<'_>) -> Tls {
    let shared = shared(keys, &LISTENER, Some(&FIELDS));
    Tls {
        hosts: hosts(keys),
        unknown_sni: keys.get(&UNKNOWN),
        hsts: keys.get(&STRICT_TRANSPORT),
        ..shared
    }
}

/// Reads the keys that every kind of listener has.
fn shared(
    section: &mut Section<'_>,
    keys: &TlsKeys,
    fields: Option<&Preset<ClientCertStyle>>,
) -> Tls {
    let hint = "write \"certificates: [{ cert: /etc/lb/shop.pem, key: /etc/lb/shop.key }]\"";
    let has_acme = section.has(keys.acme.group.name());
    let acme = acme(section, &keys.acme);
    let local = without_doubles(section.list(&keys.local));
    let certificates = match has_acme || !local.is_empty() {
        true => section.optional(&keys.certificates),
        false => section.required(&keys.certificates, hint),
    };
    let items = certificates.and_then(|cursor| cursor.filled_list(keys.certificates.expected));
    let sources = items.into_iter().flatten().filter_map(|item| source(&item, keys));
    Tls {
        certificates: sources.collect(),
        acme,
        local,
        client_auth: client_auth(section, &keys.client_auth, fields),
        hosts: Vec::new(),
        min_version: section.get(&keys.min_version),
        unknown_sni: UnknownSni::Default,
        handshake: section.get(&keys.handshake),
        hsts: None,
    }
}

fn source(item: &Cursor<'_>, keys: &TlsKeys) -> Option<CertificateSource> {
    item.item(
        (&keys.cert, |text| format!("cert: {text}")),
        "a certificate with its file",
        |section| {
            let (cert, key) = (section.setting(&keys.cert), section.setting(&keys.key));
            let directory = section.setting(&keys.directory);
            if !cert.is_there() && !directory.is_there() {
                item.problem("needs a certificate (write cert: and a file, or directory:)");
            }
            if let (false, Some(origin)) = (cert.is_there(), key.origin()) {
                section
                    .problem_at(origin, "has no certificate beside it (write cert: and its file)");
            }
            let key = key.given();
            CertificateSource {
                pair: cert.given().map(|cert| (cert, key)),
                directory: directory.given(),
                origin: item.origin(),
            }
        },
    )
}
