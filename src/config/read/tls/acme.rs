//! The certificates that `lb` gets by itself: which hosts, from which authority.

use crate::config::{
    document::{Cursor, Section},
    keys::{
        Row,
        acme::{
            ACCOUNT_KEY, ACCOUNT_KEY_FILE, ACCOUNT_KEY_ID, ACME, CHALLENGE_TYPE, DIRECTORY,
            DIRECTORY_CA, EMAIL_ADDRESS, EXTERNAL_ACCOUNT, HOSTS,
        },
    },
    model::{Acme, ExternalAccount, HmacKey},
    values::{is_off, is_public_name},
};

/// Reads the settings of an order; `None` where there are none.
pub(super) fn acme(keys: &mut Section<'_>) -> Option<Acme> {
    let cursor = keys.optional(&ACME)?;
    if cursor.text().is_some_and(is_off) {
        return None;
    }
    cursor.section(ACME.expected, |keys| {
        let email = keys.setting(&EMAIL_ADDRESS);
        if !email.is_there() {
            keys.warning("has no email: the authority cannot write before a certificate ends");
        }
        if !keys.has(HOSTS.name()) {
            cursor.problem(
                "needs the names of the certificate (write \"hosts: [shop.example.com]\")",
            );
        }
        let hosts = without_doubles(keys.list(&HOSTS));
        let is_public = !keys.has(DIRECTORY.name());
        for host in hosts.iter().filter(|host| is_public && !is_public_name(host)) {
            cursor.problem(format!(
                "no public authority signs for {host} (write \"local: [{host}]\" in place of acme, or \
                 the directory: of your own authority)"
            ));
        }
        Acme {
            email: email.given(),
            hosts,
            challenge: keys.get(&CHALLENGE_TYPE),
            directory: keys.get(&DIRECTORY),
            directory_ca: keys.given(&DIRECTORY_CA),
            external_account: external_account(keys),
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

fn external_account(keys: &mut Section<'_>) -> Option<ExternalAccount> {
    let cursor = keys.optional(&EXTERNAL_ACCOUNT)?;
    if cursor.text().is_some_and(is_off) {
        return None;
    }
    cursor.section(EXTERNAL_ACCOUNT.expected, |keys| account(&cursor, keys)).flatten()
}

fn account(cursor: &Cursor<'_>, keys: &mut Section<'_>) -> Option<ExternalAccount> {
    let key_id = keys.required(&ACCOUNT_KEY_ID, "write \"key_id: …\", as the authority names it");
    let (key, file) = (keys.setting(&ACCOUNT_KEY), keys.setting(&ACCOUNT_KEY_FILE));
    if let (true, Some(origin)) = (key.is_there(), file.origin()) {
        keys.warning_at(origin, "is used, and hmac_key beside it has no effect (remove one)");
    }
    if !key.is_there() && !file.is_there() {
        cursor.problem("needs a key (write \"hmac_key_file: /etc/lb/acme.key\")");
    }
    let key_id = key_id.and_then(|cursor| cursor.value(&ACCOUNT_KEY_ID.kind))?;
    let hmac_key = file.given().map(HmacKey::File).or(key.given().map(HmacKey::Given))?;
    Some(ExternalAccount { key_id, hmac_key })
}
