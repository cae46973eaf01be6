//! Certificates: those that clients are shown, and those that come by themselves.

use serde::{Deserialize, Serialize};

/// A certificate that comes by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CertificateOrder {
    /// Its names.
    pub hosts: Vec<String>,
    /// Whether some of them have a certificate of `lb` alone, until the order is done.
    pub self_signed: bool,
    /// Whether some of them have a certificate that has expired, until there is a better one.
    #[serde(default)]
    pub expired: bool,
    /// When it is ordered next.
    pub next: Option<String>,
    /// The orders that have failed since the last certificate.
    pub failures: u32,
    /// The words of the authority, or of the system, about the last one.
    pub error: Option<String>,
}

/// The certificates of all listeners.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Certificates {
    /// The entries, in the order of the configuration.
    pub certificates: Vec<Certificate>,
}

/// A certificate that clients are shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// The host names that it is for.
    pub names: Vec<String>,
    /// The name of its issuer.
    pub issuer: String,
    /// The beginning of its validity.
    pub from: String,
    /// The end of its validity.
    pub until: String,
    /// The whole days until then; negative after it.
    pub days_left: i64,
    /// The file that it was read from, or who has made it, in words.
    pub source: String,
    /// The addresses of the listeners that show it.
    pub listeners: Vec<String>,
}
