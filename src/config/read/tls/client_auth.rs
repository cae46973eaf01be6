//! What clients must show of themselves, by listener and by host.

use crate::config::{
    document::{Cursor, Firsts, Section},
    keys::tls::{ClientAuthKeys, HOST_CLIENT_AUTH, TLS_HOST, TLS_HOSTS},
    model::{ClientAuth, HostClientAuth, HostPattern},
    values::is_off,
};

pub(super) fn client_auth(section: &mut Section<'_>, keys: &ClientAuthKeys) -> Option<ClientAuth> {
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

pub(super) fn hosts(keys: &mut Section<'_>) -> Vec<HostClientAuth> {
    let Some(cursor) = keys.optional(&TLS_HOSTS) else { return Vec::new() };
    let mut taken = Firsts::default();
    let items = cursor.filled_list(TLS_HOSTS.expected).into_iter().flatten();
    items.filter_map(|item| host(&item, &mut taken)).collect()
}

fn host(item: &Cursor<'_>, taken: &mut Firsts<HostPattern>) -> Option<HostClientAuth> {
    let read =
        item.item((&TLS_HOST, |text| format!("host: {text}")), "a host with its rule", |keys| {
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
