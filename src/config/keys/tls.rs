//! The keys of TLS on a listener.

use std::{path::PathBuf, time::Duration};

use super::key::{Content, Group, Key, Presence, Preset};
use crate::config::{
    model::{TlsVersion, UnknownSni},
    values::{DURATION, FILE, FOLDER, HSTS, TLS_VERSION, UNKNOWN_SNI},
};

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
