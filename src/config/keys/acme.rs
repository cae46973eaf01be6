//! The keys of certificates that `lb` gets by itself.

use std::path::PathBuf;

use super::key::{Group, Instead, Key, List, Presence, Preset};
use crate::config::{
    model::{AccountKey, Challenge},
    values::{CERTIFIED_HOST, CHALLENGE, DIRECTORY_URL, EMAIL, FILE, HMAC_KEY, HOST_NAME, KEY_ID},
};

pub(in crate::config) static ACME: Group = Group::new(
    "listeners[].tls.acme",
    Presence::IfGiven,
    "off, or a mapping such as { email: ops@example.com, hosts: [shop.example.com] }",
    "a certificate from an authority (ACME), which is renewed by itself when a third of its life is left; \
     to use it is to agree to the authority's terms",
);

pub(in crate::config) static EMAIL_ADDRESS: Key<Box<str>> = Key::optional(
    "listeners[].tls.acme.email",
    EMAIL,
    ("ops@example.com", "an account without an address"),
    "where the authority writes to",
);

pub(in crate::config) static HOSTS: List<Box<str>> = List::new(
    "listeners[].tls.acme.hosts",
    CERTIFIED_HOST,
    "a list of hosts such as [shop.example.com]",
    "the names of the certificate, all in one; required",
)
.or(Instead::OneItem, Vec::new)
.optional("[shop.example.com, api.example.com]", "none, which is refused");

// Needs no second listener.
pub(in crate::config) static CHALLENGE_TYPE: Preset<Challenge> = Preset::new(
    "listeners[].tls.acme.challenge",
    CHALLENGE,
    || Challenge::TlsAlpn01,
    "how the authority sees that the hosts are yours: tls-alpn-01 by a handshake on port 443, http-01 by a \
     request on port 80",
);

pub(in crate::config) static DIRECTORY: Preset<Box<str>> = Preset::new(
    "listeners[].tls.acme.directory",
    DIRECTORY_URL,
    || "https://acme-v02.api.letsencrypt.org/directory".into(),
    "the authority",
);

pub(in crate::config) static DIRECTORY_CA: Key<PathBuf> = Key::optional(
    "listeners[].tls.acme.directory_ca",
    FILE,
    ("/etc/lb/authority.pem", "the certificates that the system trusts"),
    "certificates in PEM, one of which signs the authority's own",
);

pub(in crate::config) static EXTERNAL_ACCOUNT: Group = Group::new(
    "listeners[].tls.acme.external_account",
    Presence::IfGiven,
    "off, or a mapping such as { key_id: kid-1, hmac_key_file: /etc/lb/acme.key }",
    "the account at the authority that this one belongs to, where the authority asks for it",
);

pub(in crate::config) static ACCOUNT_KEY_ID: Key<Box<str>> = Key::required(
    "listeners[].tls.acme.external_account.key_id",
    KEY_ID,
    "kid-1",
    "the account's name",
);

pub(in crate::config) static ACCOUNT_KEY: Key<AccountKey> = Key::optional(
    "listeners[].tls.acme.external_account.hmac_key",
    HMAC_KEY,
    ("zWNDZM6eQGHWpSRTPal5eIUYFTu7EajV", "the key is in hmac_key_file"),
    "the account's key, in base64url",
)
.secret();

pub(in crate::config) static ACCOUNT_KEY_FILE: Key<PathBuf> = Key::optional(
    "listeners[].tls.acme.external_account.hmac_key_file",
    FILE,
    ("/etc/lb/acme.key", "the key is in hmac_key"),
    "in place of hmac_key, so that this file has no secret",
);

pub(in crate::config) static LOCAL: List<Box<str>> = List::new(
    "listeners[].tls.local",
    HOST_NAME,
    "a list of hosts such as [localhost]",
    "hosts that get a certificate of an authority of this machine's own, made in state_dir, for \
     development: clients have to be told to trust it",
);
