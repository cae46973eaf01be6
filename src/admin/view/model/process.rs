//! The process as a whole, its listeners and its routes.

use serde::{Deserialize, Serialize};

use super::{certificate::CertificateOrder, figures::Classes, pool::Pool};

/// The whole process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The version of the program.
    pub version: String,
    /// The name of the machine.
    #[serde(default)]
    pub host: String,
    /// The configuration file; `null` if the process runs from flags.
    #[serde(default)]
    pub file: Option<String>,
    /// The id of the process.
    pub pid: u32,
    /// The time of this status.
    pub time: String,
    /// The time since the process started.
    pub uptime_ms: u64,
    /// The number of configurations made live, from 1.
    pub generation: u64,
    /// When the configuration in force was loaded: at the start, or by the last reload that succeeded.
    #[serde(default)]
    pub loaded: Option<String>,
    /// The time since then.
    #[serde(default)]
    pub loaded_ago_ms: Option<u64>,
    /// The last reload, if it failed, so that the file is not what is in force.
    #[serde(default)]
    pub failed_reload: Option<FailedReload>,
    /// Whether it should be sent requests.
    pub ready: bool,
    /// The reason why it is not ready, as a sentence.
    pub unready: Option<String>,
    /// Requests in flight.
    pub in_flight: usize,
    /// Clients connected.
    pub connections: usize,
    /// The entries, in the order of the configuration.
    pub listeners: Vec<Listener>,
    /// The entries, in the order of the configuration.
    #[serde(default)]
    pub routes: Vec<RouteTraffic>,
    /// The entries, in the order of the configuration.
    pub pools: Vec<Pool>,
    /// The certificates that come by themselves.
    #[serde(default)]
    pub orders: Vec<CertificateOrder>,
}

/// An address that clients connect to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listener {
    /// The address as configured.
    pub address: String,
    /// Requests that have ended.
    pub requests: u64,
    /// Requests that have ended, by the class of the status.
    pub responses: Classes,
    /// Requests with a status of 500 or more.
    #[serde(default)]
    pub errors: u64,
    /// Requests a second, over the last ten seconds.
    #[serde(default)]
    pub rate: f64,
    /// Errors a second, over the last ten seconds.
    #[serde(default)]
    pub error_rate: f64,
    /// Bytes of request bodies.
    #[serde(default)]
    pub request_bytes: u64,
    /// Bytes of response bodies.
    #[serde(default)]
    pub response_bytes: u64,
    /// Bytes of request bodies a second, over the last ten seconds.
    #[serde(default)]
    pub request_byte_rate: f64,
    /// Bytes of response bodies a second, over the last ten seconds.
    #[serde(default)]
    pub response_byte_rate: f64,
    /// Clients connected.
    pub connections: usize,
    /// The whole days that are left of the certificate that ends first; negative after its end.
    #[serde(default)]
    pub certificate_days_left: Option<i64>,
}

/// A reload that has failed. The process goes on with the configuration that it had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedReload {
    /// When it failed.
    pub time: String,
    /// The time since then.
    pub ago_ms: u64,
    /// The reloads that have failed since the last one that succeeded.
    pub failures: u64,
    /// The problems of the configuration, or the one reason why the reload failed.
    pub problems: Vec<String>,
}

/// A route, with its requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteTraffic {
    /// The host; `null` for any.
    pub host: Option<String>,
    /// The path prefix.
    pub path: String,
    /// Its place in the configuration, from 0.
    pub index: usize,
    /// The pool that it leads to.
    pub pool: String,
    /// Requests that have ended.
    pub requests: u64,
    /// Requests that have ended, by the class of the status.
    pub responses: Classes,
    /// Requests with a status of 500 or more.
    pub errors: u64,
    /// Requests a second, over the last ten seconds.
    pub rate: f64,
    /// Errors a second, over the last ten seconds.
    pub error_rate: f64,
}
