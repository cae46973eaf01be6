//! TLS on a listener. The files that it names are read later.

use crate::config::{
    document::{Cursor, Firsts, Section},
    keys::tls::{
        CERT, CERTIFICATES, CLIENT_AUTH, ClientAuthKeys, DIRECTORY, HANDSHAKE, HOST_CLIENT_AUTH,
        KEY, MIN_VERSION, STRICT_TRANSPORT, TLS, TLS_HOST, TLS_HOSTS, UNKNOWN,
    },
    model::{CertificateSource, ClientAuth, HostClientAuth, HostPattern, Tls},
    values::is_off,
};

/// Reads the TLS settings; `None` where there are none.
pub(super) fn tls(keys: &mut Section<'_>) -> Option<Tls> {
    let cursor = keys.optional(&TLS)?;
    if cursor.text().is_some_and(is_off) {
        return None;
    }
    cursor.section(TLS.expected, |keys| {
        let hint = "write \"certificates: [{ cert: /etc/lb/shop.pem, key: /etc/lb/shop.key }]\"";
        let certificates = keys.required(&CERTIFICATES, hint);
        let items = certificates.and_then(|cursor| cursor.filled_list(CERTIFICATES.expected));
        Tls {
            certificates: items.into_iter().flatten().filter_map(|item| source(&item)).collect(),
            client_auth: client_auth(keys, &CLIENT_AUTH),
            hosts: hosts(keys),
            min_version: keys.get(&MIN_VERSION),
            unknown_sni: keys.get(&UNKNOWN),
            handshake: keys.get(&HANDSHAKE),
            hsts: keys.get(&STRICT_TRANSPORT),
        }
    })
}

fn source(item: &Cursor<'_>) -> Option<CertificateSource> {
    item.item(&CERT, "a certificate with its file", |keys| {
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

fn client_auth(section: &mut Section<'_>, keys: &ClientAuthKeys) -> Option<ClientAuth> {
    let cursor = section.optional(&keys.group)?;
    if cursor.text().is_some_and(is_off) {
        return None;
    }
    let origin = cursor.origin();
    let read = cursor.section(keys.group.expected, |section| {
        let ca = section.required(&keys.ca, "write \"ca: /etc/lb/clients.pem\"");
        let (mode, crl) = (section.get(&keys.mode), section.given(&keys.crl));
        let fields = section.get(&keys.fields);
        let ca = ca.and_then(|cursor| cursor.value(&keys.ca.kind))?;
        Some(ClientAuth { ca, mode, crl, fields, origin })
    });
    read.flatten()
}

fn hosts(keys: &mut Section<'_>) -> Vec<HostClientAuth> {
    let Some(cursor) = keys.optional(&TLS_HOSTS) else { return Vec::new() };
    let mut taken = Firsts::default();
    let items = cursor.filled_list(TLS_HOSTS.expected).into_iter().flatten();
    items.filter_map(|item| host(&item, &mut taken)).collect()
}

fn host(item: &Cursor<'_>, taken: &mut Firsts<HostPattern>) -> Option<HostClientAuth> {
    let read = item.item(&TLS_HOST, "a host with its rule", |keys| {
        let host = keys.required(&TLS_HOST, "write \"host: admin.example.com\"");
        let client_auth = client_auth(keys, &HOST_CLIENT_AUTH);
        let cursor = host?;
        let host = cursor.value(&TLS_HOST.kind)?;
        if let Some(first) = taken.earlier(host.clone(), &cursor) {
            cursor.problem(format!("{host} already has a rule, in {first}"));
        }
        Some(HostClientAuth { host, client_auth })
    });
    read.flatten()
}
