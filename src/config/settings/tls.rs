//! The TLS settings of a listener, in the shape of the file.

use serde_json::Value;

use crate::config::{
    keys::{Row, mapping, tls as tls_keys},
    model::{CertificateSource, ClientAuth, HostClientAuth, Tls},
};

pub(super) fn tls(tls: Option<&Tls>) -> (&'static str, Value) {
    tls_keys::TLS.show_or_off(tls.map(|tls| {
        [
            (tls_keys::CERTIFICATES.name(), tls.certificates.iter().map(certificate).collect()),
            client_auth(&tls_keys::CLIENT_AUTH, tls.client_auth.as_ref()),
            hosts(&tls.hosts),
            tls_keys::MIN_VERSION.show(&tls.min_version),
            tls_keys::UNKNOWN.show(&tls.unknown_sni),
            tls_keys::HANDSHAKE.show(&tls.handshake),
            tls_keys::STRICT_TRANSPORT.show(&tls.hsts),
        ]
    }))
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
