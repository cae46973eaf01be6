//! The keys of certificates that `lb` gets by itself.

use std::path::PathBuf;

use super::key::{Group, Key, List, Preset};
use crate::config::model::{AccountKey, Challenge};

/// The keys of a certificate that an authority is asked for, below one mapping of TLS.
#[derive(Debug)]
pub(in crate::config) struct AcmeKeys {
    pub(in crate::config) group: Group,
    pub(in crate::config) email: Key<Box<str>>,
    pub(in crate::config) hosts: List<Box<str>>,
    pub(in crate::config) challenge: Preset<Challenge>,
    pub(in crate::config) directory: Preset<Box<str>>,
    pub(in crate::config) directory_ca: Key<PathBuf>,
    pub(in crate::config) external_account: Group,
    pub(in crate::config) key_id: Key<Box<str>>,
    pub(in crate::config) hmac_key: Key<AccountKey>,
    pub(in crate::config) hmac_key_file: Key<PathBuf>,
}

macro_rules! acme_keys {
    ($path:expr) => {
        $crate::config::keys::acme::AcmeKeys {
            group: Group::new(
                $path,
                Presence::IfGiven,
                "off, or a mapping such as { email: ops@example.com, hosts: [shop.example.com] }",
                "a certificate from an authority (ACME), which is renewed by itself when a third of its \
                 life is left; to use it is to agree to the authority's terms",
            ),
            email: Key::optional(
                concat!($path, ".email"),
                EMAIL,
                ("ops@example.com", "an account without an address"),
                "where the authority writes to",
            ),
            hosts: List::new(
                concat!($path, ".hosts"),
                CERTIFIED_HOST,
                "a list of hosts such as [shop.example.com]",
                "the names of the certificate, all in one; required",
            )
            .or(Instead::OneItem, Vec::new)
            .optional("[shop.example.com, api.example.com]", "none, which is refused"),
            // Needs no second listener.
            challenge: Preset::new(
                concat!($path, ".challenge"),
                CHALLENGE,
                || Challenge::TlsAlpn01,
                "how the authority sees that the hosts are yours: tls-alpn-01 by a handshake on port 443, \
                 http-01 by a request on port 80",
            ),
            directory: Preset::new(
                concat!($path, ".directory"),
                DIRECTORY_URL,
                || "https://acme-v02.api.letsencrypt.org/directory".into(),
                "the authority",
            ),
            directory_ca: Key::optional(
                concat!($path, ".directory_ca"),
                FILE,
                ("/etc/lb/authority.pem", "the certificates that the system trusts"),
                "certificates in PEM, one of which signs the authority's own",
            ),
            external_account: Group::new(
                concat!($path, ".external_account"),
                Presence::IfGiven,
                "off, or a mapping such as { key_id: kid-1, hmac_key_file: /etc/lb/acme.key }",
                "the account at the authority that this one belongs to, where the authority asks for it",
            ),
            key_id: Key::required(
                concat!($path, ".external_account.key_id"),
                KEY_ID,
                "kid-1",
                "the account's name",
            ),
            hmac_key: Key::optional(
                concat!($path, ".external_account.hmac_key"),
                HMAC_KEY,
                ("zWNDZM6eQGHWpSRTPal5eIUYFTu7EajV", "the key is in hmac_key_file"),
                "the account's key, in base64url",
            )
            .secret(),
            hmac_key_file: Key::optional(
                concat!($path, ".external_account.hmac_key_file"),
                FILE,
                ("/etc/lb/acme.key", "the key is in hmac_key"),
                "in place of hmac_key, so that this file has no secret",
            ),
        }
    };
}

pub(super) use acme_keys;
