//! The keys of TLS. Most are the same for listeners and for the admin listener, so they are defined once
//! for any path.

use std::{path::PathBuf, time::Duration};

use super::{
    acme::{AcmeKeys, acme_keys},
    key::{Content, Group, Instead, Key, List, Presence, Preset},
};
use crate::config::{
    model::{Challenge, ClientAuthMode, ClientCertStyle, HostPattern, TlsVersion, UnknownSni},
    values::{
        CERTIFIED_HOST, CHALLENGE, CLIENT_AUTH_MODE, CLIENT_CERT_STYLE, DIRECTORY_URL, DURATION,
        EMAIL, FILE, FOLDER, HMAC_KEY, HOST_NAME, HOST_PATTERN, HSTS, KEY_ID, TLS_VERSION,
        UNKNOWN_SNI,
    },
};

/// The keys of TLS that every kind of listener has.
#[derive(Debug)]
pub(in crate::config) struct TlsKeys {
    pub(in crate::config) group: Group,
    pub(in crate::config) certificates: Group,
    pub(in crate::config) cert: Key<PathBuf>,
    pub(in crate::config) key: Key<PathBuf>,
    pub(in crate::config) directory: Key<PathBuf>,
    pub(in crate::config) acme: AcmeKeys,
    pub(in crate::config) local: List<Box<str>>,
    pub(in crate::config) client_auth: ClientAuthKeys,
    pub(in crate::config) min_version: Preset<TlsVersion>,
    pub(in crate::config) handshake: Preset<Duration>,
}

/// The keys of what clients must show of themselves.
#[derive(Debug)]
pub(in crate::config) struct ClientAuthKeys {
    pub(in crate::config) group: Group,
    pub(in crate::config) ca: Key<PathBuf>,
    pub(in crate::config) mode: Preset<ClientAuthMode>,
    pub(in crate::config) crl: Key<PathBuf>,
}

macro_rules! client_auth_keys {
    ($path:expr, $doc:expr) => {
        ClientAuthKeys {
            group: Group::new(
                $path,
                Presence::IfGiven,
                "off, or a mapping such as { ca: /etc/lb/clients.pem }",
                $doc,
            ),
            ca: Key::required(
                concat!($path, ".ca"),
                FILE,
                "/etc/lb/clients.pem",
                "the authorities whose certificates are valid, in PEM",
            ),
            mode: Preset::new(
                concat!($path, ".mode"),
                CLIENT_AUTH_MODE,
                || ClientAuthMode::Require,
                "optional: a client may come without a certificate, but not with one that is not valid",
            ),
            crl: Key::optional(
                concat!($path, ".crl"),
                FILE,
                ("/etc/lb/clients.crl", "no certificate is looked up"),
                "lists of revoked certificates, in PEM: one of each authority in a client's chain, none \
                 of them out of date, or the client is refused",
            ),
        }
    };
}

macro_rules! client_cert_style {
    ($path:literal) => {
        Preset::new(
            concat!($path, ".fields"),
            CLIENT_CERT_STYLE,
            || ClientCertStyle::XClientCert,
            "the fields that tell backends: X-Client-Cert-Verified, -Subject, -SAN and -Fingerprint, \
             or Client-Cert (RFC 9440)",
        )
    };
}

macro_rules! tls_keys {
    ($path:literal, $doc:literal) => {
        TlsKeys {
            group: Group::new(
                $path,
                Presence::IfGiven,
                "off, or a mapping such as { certificates: [{ cert: /etc/lb/shop.pem }] }",
                $doc,
            ),
            certificates: Group::several(
                concat!($path, ".certificates"),
                Content::Items,
                "a list of certificates, each starting with \"- cert: /etc/lb/shop.pem\" or \
                 \"- directory: …\"",
                "the certificates: a client gets the one for exactly the name that it asks for, else one \
                 for *. in place of the name's first part, else the first; of several for one name the \
                 one that suits its keys",
            )
            .unless("those of acme or local, one of which is then needed"),
            cert: Key::optional(
                concat!($path, ".certificates[].cert"),
                FILE,
                ("/etc/lb/shop.pem", "only those of directory"),
                "a certificate and its chain, in PEM",
            ),
            key: Key::optional(
                concat!($path, ".certificates[].key"),
                FILE,
                ("/etc/lb/shop.key", "the key is in the same file"),
                "the key of the certificate, in PEM: PKCS#8, SEC1 or PKCS#1, without a passphrase",
            ),
            directory: Key::optional(
                concat!($path, ".certificates[].directory"),
                FOLDER,
                ("/etc/lb/certs", "only that of cert"),
                "a directory: each NAME.crt or NAME.pem with the key in it or in NAME.key, as in a secret \
                 of Kubernetes",
            ),
            acme: acme_keys!(concat!($path, ".acme")),
            local: List::new(
                concat!($path, ".local"),
                HOST_NAME,
                "a list of hosts such as [localhost]",
                "hosts that get a certificate of an authority of this machine's own, made in state_dir, for \
                 development: clients have to be told to trust it",
            ),
            client_auth: client_auth_keys!(
                concat!($path, ".client_auth"),
                "whether clients must have a certificate (mTLS); a client with an unknown, expired or \
                 revoked one gets an alert"
            ),
            min_version: Preset::new(
                concat!($path, ".min_version"),
                TLS_VERSION,
                || TlsVersion::V1_2,
                "the oldest version of TLS that a client may speak",
            ),
            handshake: Preset::new(
                concat!($path, ".handshake"),
                DURATION,
                || Duration::from_secs(10),
                "the limit on the whole handshake",
            ),
        }
    };
}

pub(in crate::config) static LISTENER: TlsKeys =
    tls_keys!("listeners[].tls", "TLS towards clients, versions 1.2 and 1.3");

pub(in crate::config) static ADMIN: TlsKeys = tls_keys!(
    "admin.tls",
    "TLS towards operators and probes: lb status and other commands with -c trust the certificates that \
     the file names; a request needs the token as without TLS"
);

pub(in crate::config) static FIELDS: Preset<ClientCertStyle> =
    client_cert_style!("listeners[].tls.client_auth");

pub(in crate::config) static HOSTS: Group = Group::several(
    "listeners[].tls.hosts",
    Content::Items,
    "a list of hosts with a rule of their own, each starting with \"- host: admin.example.com\"",
    "hosts with another client_auth, by the name that a client asks for in the handshake; a request for a \
     host with another rule than its connection's gets a 421",
)
.unless("the same rule for each host");

pub(in crate::config) static HOST: Key<HostPattern> = Key::required(
    "listeners[].tls.hosts[].host",
    HOST_PATTERN,
    "admin.example.com",
    "or \"*.example.com\"; the most specific one wins",
);

pub(in crate::config) static HOST_CLIENT_AUTH: ClientAuthKeys =
    client_auth_keys!("listeners[].tls.hosts[].client_auth", "as above, for this host");

pub(in crate::config) static HOST_FIELDS: Preset<ClientCertStyle> =
    client_cert_style!("listeners[].tls.hosts[].client_auth");

// Clients without SNI, and monitors that ask by address, still get an answer.
pub(in crate::config) static UNKNOWN: Preset<UnknownSni> = Preset::new(
    "listeners[].tls.unknown_sni",
    UNKNOWN_SNI,
    || UnknownSni::Default,
    "what a client gets that asks for a name without a certificate: the first certificate, or an alert",
);

// A host that says it once must keep a certificate for as long.
pub(in crate::config) static STRICT_TRANSPORT: Preset<Option<Duration>> = Preset::new(
    "listeners[].tls.hsts",
    HSTS,
    || None,
    "how long browsers are to use nothing but TLS for a host (Strict-Transport-Security), such as 180d; \
     or off",
);
