//! The certificates that `lb` gets by itself: which hosts, from which authority.

use crate::config::{
    document::{Cursor, Section},
    keys::{Row, acme::AcmeKeys},
    model::{Acme, ExternalAccount, HmacKey},
    values::{is_off, is_public_name},
};

/// Reads the settings of an order; `None` where there are none.
pub(super) fn acme(section: &mut Section<'_>, keys: &AcmeKeys) -> Option<Acme> {
    let cursor = section.optional(&keys.group)?;
    if cursor.text().is_some_and(is_off) {
        return None;
    }
    cursor.section(keys.group.expected, |section| {
        let email = section.setting(&keys.email);
        if !email.is_there() {
            section
                .warning("has no email: the authority cannot write before a certificate ends");
        }
        if !section.has(keys.hosts.name()) {
            cursor.problem(
                "needs the names of the certificate (write \"hosts: [shop.example.com]\")",
            );
        }
        let hosts = without_doubles(section.list(&keys.hosts));
        let is_public = !section.has(keys.directory.name());
        for host in hosts.iter().filter(|host| is_public && !is_public_name(host)) {
            cursor.problem(format!(
                "no public authority signs for {host} (write \"local: [{host}]\" in place of acme, or \
                 the directory: of your own authority)"
            ));
        }
        Acme {
            email: email.given(),
            hosts,
            challenge: section.get(&keys.challenge),
            directory: section.get(&keys.directory),
            directory_ca: section.given(&keys.directory_ca),
            external_account: external_account(section, keys),
            origin: cursor.origin(),
        }
    })
}

/// The hosts in the order written, each once.
pub(super) fn without_doubles(hosts: Vec<Box<str>>) -> Vec<Box<str>> {
    let mut once: Vec<Box<str>> = Vec::new();
    for host in hosts {
        if !once.contains(&host) {
            once.push(host);
        }
    }
    once
}

fn external_account(section: &mut Section<'_>, keys: &AcmeKeys) -> Option<ExternalAccount> {
    let cursor = section.optional(&keys.external_account)?;
    if cursor.text().is_some_and(is_off) {
        return None;
    }
    let read = |section: &mut Section<'_>| account(&cursor, section, keys);
    cursor.section(keys.external_account.expected, read).flatten()
}

fn account(
    cursor: &Cursor<'_>,
    section: &mut Section<'_>,
    keys: &AcmeKeys,
) -> Option<ExternalAccount> {
    let key_id = section.required(&keys.key_id, "write \"key_id: …\", as the authority names it");
    let (key, file) = (section.setting(&keys.hmac_key), section.setting(&keys.hmac_key_file));
    if let (true, Some(origin)) = (key.is_there(), file.origin()) {
        section.warning_at(origin, "is used, and hmac_key beside it has no effect (remove one)");
    }
    if !key.is_there() && !file.is_there() {
        cursor.problem("needs a key (write \"hmac_key_file: /etc/lb/acme.key\")");
    }
    let key_id = key_id.and_then(|cursor| cursor.value(&keys.key_id.kind))?;
    let hmac_key = file.given().map(HmacKey::File).or(key.given().map(HmacKey::Given))?;
    Some(ExternalAccount { key_id, hmac_key })
}
