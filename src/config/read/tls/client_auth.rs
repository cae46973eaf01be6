//! What clients must show of themselves, by listener and by host.

use crate::config::{
    document::{Cursor, Firsts, Section},
    keys::{
        Preset,
        tls::{ClientAuthKeys, HOST, HOST_CLIENT_AUTH, HOST_FIELDS, HOSTS},
    },
    model::{ClientAuth, ClientCertStyle, HostClientAuth, HostPattern},
    values::is_off,
};

/// Reads a rule; without `fields` there is no backend to be told of a certificate.
pub(super) fn client_auth(
    section: &mut Section<'_>,
    keys: &ClientAuthKeys,
    fields: Option<&Preset<ClientCertStyle>>,
) -> Option<ClientAuth> {
    let cursor = section.optional(&keys.group)?;
    if cursor.text().is_some_and(is_off) {
        return None;
    }
    let origin = cursor.origin();
    let read = cursor.section(keys.group.expected, |section| {
        let ca = section.required(&keys.ca, "write \"ca: /etc/lb/clients.pem\"");
        let (mode, crl) = (section.get(&keys.mode), section.given(&keys.crl));
        let fields = fields.map_or(ClientCertStyle::XClientCert, |fields| section.get(fields));
        let ca = ca.and_then(|cursor| cursor.value(&keys.ca.kind))?;
        Some(ClientAuth { ca, mode, crl, fields, origin })
    });
    read.flatten()
}

pub(super) fn hosts(keys: &mut Section<'_>) -> Vec<HostClientAuth> {
    let Some(cursor) = keys.optional(&HOSTS) else { return Vec::new() };
    let mut taken = Firsts::default();
    let items = cursor.filled_list(HOSTS.expected).into_iter().flatten();
    items.filter_map(|item| host(&item, &mut taken)).collect()
}

fn host(item: &Cursor<'_>, taken: &mut Firsts<HostPattern>) -> Option<HostClientAuth> {
    let read = item.item((&HOST, |text| format!("host: {text}")), "a host with its rule", |keys| {
        let host = keys.required(&HOST, "write \"host: admin.example.com\"");
        let client_auth = client_auth(keys, &HOST_CLIENT_AUTH, Some(&HOST_FIELDS));
        let cursor = host?;
        let host = cursor.value(&HOST.kind)?;
        if let Some(first) = taken.earlier(host.clone(), &cursor) {
            cursor.problem(format!("{host} already has a rule, in {first}"));
        }
        Some(HostClientAuth { host, client_auth })
    });
    read.flatten()
}
