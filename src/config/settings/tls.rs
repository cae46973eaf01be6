//! The TLS settings of a listener, in the shape of the file.

use serde_json::Value;

use crate::config::{
    keys::{Row, acme as acme_keys, mapping, tls as tls_keys},
    model::{Acme, CertificateSource, ClientAuth, ExternalAccount, HmacKey, HostClientAuth, Tls},
};

pub(super) fn tls(tls: Option<&Tls>) -> (&'static str, Value) {
    tls_keys::TLS.show_or_off(tls.map(|tls| {
        [
            (tls_keys::CERTIFICATES.name(), certificates(&tls.certificates)),
            acme(tls.acme.as_ref()),
            acme_keys::LOCAL.show(&tls.local),
            client_auth(&tls_keys::CLIENT_AUTH, tls.client_auth.as_ref()),
            hosts(&tls.hosts),
            tls_keys::MIN_VERSION.show(&tls.min_version),
            tls_keys::UNKNOWN.show(&tls.unknown_sni),
            tls_keys::HANDSHAKE.show(&tls.handshake),
            tls_keys::STRICT_TRANSPORT.show(&tls.hsts),
        ]
    }))
}

fn acme(acme: Option<&Acme>) -> (&'static str, Value) {
    acme_keys::ACME.show_or_off(acme.map(|acme| {
        [
            acme_keys::EMAIL_ADDRESS.show(acme.email.as_ref()),
            acme_keys::HOSTS.show(&acme.hosts),
            acme_keys::CHALLENGE_TYPE.show(&acme.challenge),
            acme_keys::DIRECTORY.show(&acme.directory),
            acme_keys::DIRECTORY_CA.show(acme.directory_ca.as_ref()),
            external_account(acme.external_account.as_ref()),
        ]
    }))
}

fn external_account(account: Option<&ExternalAccount>) -> (&'static str, Value) {
    acme_keys::EXTERNAL_ACCOUNT.show_or_off(account.map(|account| {
        let (key, file) = match &account.hmac_key {
            HmacKey::Given(key) => (Some(key), None),
            HmacKey::File(file) => (None, Some(file)),
        };
        [
            acme_keys::ACCOUNT_KEY_ID.show(Some(&account.key_id)),
            acme_keys::ACCOUNT_KEY.show(key),
            acme_keys::ACCOUNT_KEY_FILE.show(file),
        ]
    }))
}

fn certificates(sources: &[CertificateSource]) -> Value {
    // An empty list would be refused.
    if sources.is_empty() { Value::Null } else { sources.iter().map(certificate).collect() }
}

fn certificate(source: &CertificateSource) -> Value {
    let (cert, key) =
        source.pair.as_ref().map_or((None, None), |(cert, key)| (Some(cert), key.as_ref()));
    mapping([
        tls_keys::CERT.show(cert),
        tls_keys::KEY.show(key),
        tls_keys::DIRECTORY.show(source.directory.as_ref()),
    ])
}

fn client_auth(
    keys: &tls_keys::ClientAuthKeys,
    rule: Option<&ClientAuth>,
) -> (&'static str, Value) {
    keys.group.show_or_off(rule.map(|rule| {
        [
            keys.ca.show(Some(&rule.ca)),
            keys.mode.show(&rule.mode),
            keys.crl.show(rule.crl.as_ref()),
            keys.fields.show(&rule.fields),
        ]
    }))
}

fn hosts(hosts: &[HostClientAuth]) -> (&'static str, Value) {
    let host = |it: &HostClientAuth| {
        let rule = client_auth(&tls_keys::HOST_CLIENT_AUTH, it.client_auth.as_ref());
        mapping([tls_keys::TLS_HOST.show(Some(&it.host)), rule])
    };
    let shown = (!hosts.is_empty()).then(|| hosts.iter().map(host).collect());
    (tls_keys::TLS_HOSTS.name(), shown.unwrap_or_default())
}
