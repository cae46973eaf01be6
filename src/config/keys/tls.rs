//! The keys of TLS on a listener.

use std::{path::PathBuf, time::Duration};

use super::key::{Content, Group, Key, Presence, Preset};
use crate::config::{
    model::{ClientAuthMode, ClientCertStyle, HostPattern, TlsVersion, UnknownSni},
    values::{
        CLIENT_AUTH_MODE, CLIENT_CERT_STYLE, DURATION, FILE, FOLDER, HOST_PATTERN, HSTS,
        TLS_VERSION, UNKNOWN_SNI,
    },
};

/// The keys of what clients must show of themselves, which are the same in two places.
#[derive(Debug)]
pub(in crate::config) struct ClientAuthKeys {
    pub(in crate::config) group: Group,
    pub(in crate::config) ca: Key<PathBuf>,
    pub(in crate::config) mode: Preset<ClientAuthMode>,
    pub(in crate::config) crl: Key<PathBuf>,
    pub(in crate::config) fields: Preset<ClientCertStyle>,
}

macro_rules! client_auth {
    ($path:literal, $doc:literal) => {
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
            fields: Preset::new(
                concat!($path, ".fields"),
                CLIENT_CERT_STYLE,
                || ClientCertStyle::XClientCert,
                "the fields that tell backends: X-Client-Cert-Verified, -Subject, -SAN and -Fingerprint, \
                 or Client-Cert (RFC 9440)",
            ),
        }
    };
}

pub(in crate::config) static TLS: Group = Group::new(
    "listeners[].tls",
    Presence::IfGiven,
    "off, or a mapping such as { certificates: [{ cert: /etc/lb/shop.pem }] }",
    "TLS towards clients, versions 1.2 and 1.3",
);

pub(in crate::config) static CERTIFICATES: Group = Group::several(
    "listeners[].tls.certificates",
    Content::Items,
    "a list of certificates, each starting with \"- cert: /etc/lb/shop.pem\" or \"- directory: …\"",
    "the certificates: a client gets the one for exactly the name that it asks for, else one for *. in \
     place of the name's first part, else the first; of several for one name the one that suits its keys",
)
.unless("those of acme or local, one of which is then needed");

pub(in crate::config) static CERT: Key<PathBuf> = Key::optional(
    "listeners[].tls.certificates[].cert",
    FILE,
    ("/etc/lb/shop.pem", "only those of directory"),
    "a certificate and its chain, in PEM",
);

pub(in crate::config) static KEY: Key<PathBuf> = Key::optional(
    "listeners[].tls.certificates[].key",
    FILE,
    ("/etc/lb/shop.key", "the key is in the same file"),
    "the key of the certificate, in PEM: PKCS#8, SEC1 or PKCS#1, without a passphrase",
);

pub(in crate::config) static DIRECTORY: Key<PathBuf> = Key::optional(
    "listeners[].tls.certificates[].directory",
    FOLDER,
    ("/etc/lb/certs", "only that of cert"),
    "a directory: each NAME.crt or NAME.pem with the key in it or in NAME.key, as in a secret of \
     Kubernetes",
);

pub(in crate::config) static CLIENT_AUTH: ClientAuthKeys = client_auth!(
    "listeners[].tls.client_auth",
    "whether clients must have a certificate (mTLS); a client with an unknown, expired or revoked one gets \
     an alert"
);

pub(in crate::config) static TLS_HOSTS: Group = Group::several(
    "listeners[].tls.hosts",
    Content::Items,
    "a list of hosts with a rule of their own, each starting with \"- host: admin.example.com\"",
    "hosts with another client_auth, by the name that a client asks for in the handshake; a request for a \
     host with another rule than its connection's gets a 421",
)
.unless("the same rule for each host");

pub(in crate::config) static TLS_HOST: Key<HostPattern> = Key::required(
    "listeners[].tls.hosts[].host",
    HOST_PATTERN,
    "admin.example.com",
    "or \"*.example.com\"; the most specific one wins",
);

pub(in crate::config) static HOST_CLIENT_AUTH: ClientAuthKeys =
    client_auth!("listeners[].tls.hosts[].client_auth", "as above, for this host");

pub(in crate::config) static MIN_VERSION: Preset<TlsVersion> = Preset::new(
    "listeners[].tls.min_version",
    TLS_VERSION,
    || TlsVersion::V1_2,
    "the oldest version of TLS that a client may speak",
);

// Clients without SNI, and monitors that ask by address, still get an answer.
pub(in crate::config) static UNKNOWN: Preset<UnknownSni> = Preset::new(
    "listeners[].tls.unknown_sni",
    UNKNOWN_SNI,
    || UnknownSni::Default,
    "what a client gets that asks for a name without a certificate: the first certificate, or an alert",
);

pub(in crate::config) static HANDSHAKE: Preset<Duration> = Preset::new(
    "listeners[].tls.handshake",
    DURATION,
    || Duration::from_secs(10),
    "the limit on the whole handshake",
);

// A host that says it once must keep a certificate for as long.
pub(in crate::config) static STRICT_TRANSPORT: Preset<Option<Duration>> = Preset::new(
    "listeners[].tls.hsts",
    HSTS,
    || None,
    "how long browsers are to use nothing but TLS for a host (Strict-Transport-Security), such as 180d; \
     or off",
);
