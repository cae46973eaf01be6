//! The TLS settings of a listener, in the shape of the file.

use serde_json::Value;

use crate::config::{
    keys::{
        Row,
        acme::AcmeKeys,
        mapping,
        tls::{self as keys, ClientAuthKeys, TlsKeys},
    },
    model::{Acme, CertificateSource, ClientAuth, ExternalAccount, HmacKey, HostClientAuth, Tls},
};

type Entry = (&'static str, Value);

pub(super) fn of_listener(tls: Option<&Tls>) -> Entry {
    let keys = &keys::LISTENER;
    keys.group.show_or_off(tls.map(|tls| {
        let [certificates, acme, local, min_version, handshake] = shared(keys, tls);
        let fields = tls.client_auth.as_ref().map(|rule| keys::FIELDS.show(&rule.fields));
        [
            certificates,
            acme,
            local,
            client_auth(&keys.client_auth, tls.client_auth.as_ref(), fields),
            hosts(&tls.hosts),
            min_version,
            keys::UNKNOWN.show(&tls.unknown_sni),
            handshake,
            keys::STRICT_TRANSPORT.show(&tls.hsts),
        ]
    }))
}

pub(super) fn of_admin(tls: Option<&Tls>) -> Entry {
    let keys = &keys::ADMIN;
    keys.group.show_or_off(tls.map(|tls| {
        let [certificates, acme, local, min_version, handshake] = shared(keys, tls);
        let client_auth = client_auth(&keys.client_auth, tls.client_auth.as_ref(), None);
        [certificates, acme, local, client_auth, min_version, handshake]
    }))
}

fn shared(keys: &TlsKeys, tls: &Tls) -> [Entry; 5] {
    [
        (keys.certificates.name(), certificates(keys, &tls.certificates)),
        acme(&keys.acme, tls.acme.as_ref()),
        keys.local.show(&tls.local),
        keys.min_version.show(&tls.min_version),
        keys.handshake.show(&tls.handshake),
    ]
}

fn acme(keys: &AcmeKeys, acme: Option<&Acme>) -> Entry {
    keys.group.show_or_off(acme.map(|acme| {
        [
            keys.email.show(acme.email.as_ref()),
            keys.hosts.show(&acme.hosts),
            keys.challenge.show(&acme.challenge),
            keys.directory.show(&acme.directory),
            keys.directory_ca.show(acme.directory_ca.as_ref()),
            external_account(keys, acme.external_account.as_ref()),
        ]
    }))
}

fn external_account(keys: &AcmeKeys, account: Option<&ExternalAccount>) -> Entry {
    keys.external_account.show_or_off(account.map(|account| {
        let (key, file) = match &account.hmac_key {
            HmacKey::Given(key) => (Some(key), None),
            HmacKey::File(file) => (None, Some(file)),
        };
        [
            keys.key_id.show(Some(&account.key_id)),
            keys.hmac_key.show(key),
            keys.hmac_key_file.show(file),
        ]
    }))
}

fn certificates(keys: &TlsKeys, sources: &[CertificateSource]) -> Value {
    // An empty list would be refused.
    let shown = || sources.iter().map(|source| certificate(keys, source)).collect();
    if sources.is_empty() { Value::Null } else { shown() }
}

fn certificate(keys: &TlsKeys, source: &CertificateSource) -> Value {
    let (cert, key) =
        source.pair.as_ref().map_or((None, None), |(cert, key)| (Some(cert), key.as_ref()));
    mapping([
        keys.cert.show(cert),
        keys.key.show(key),
        keys.directory.show(source.directory.as_ref()),
    ])
}

fn client_auth(keys: &ClientAuthKeys, rule: Option<&ClientAuth>, fields: Option<Entry>) -> Entry {
    let Some(rule) = rule else { return keys.group.show_or_off::<0>(None) };
    let entries = [
        keys.ca.show(Some(&rule.ca)),
        keys.mode.show(&rule.mode),
        keys.crl.show(rule.crl.as_ref()),
    ];
    keys.group.show(entries.into_iter().chain(fields))
}

fn hosts(hosts: &[HostClientAuth]) -> Entry {
    let host = |it: &HostClientAuth| {
        let fields = it.client_auth.as_ref().map(|rule| keys::HOST_FIELDS.show(&rule.fields));
        let rule = client_auth(&keys::HOST_CLIENT_AUTH, it.client_auth.as_ref(), fields);
        mapping([keys::HOST.show(Some(&it.host)), rule])
    };
    let shown = (!hosts.is_empty()).then(|| hosts.iter().map(host).collect());
    (keys::HOSTS.name(), shown.unwrap_or_default())
}
