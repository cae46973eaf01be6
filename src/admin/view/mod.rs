//! The JSON of the admin listener: the types that it writes and that the commands read.
//! `GET /api/v1/pools` is a [`Status`].
//!
//! Durations are in milliseconds and say so in their name; instants are RFC 3339 in UTC. A value
//! that is unknown or does not apply is `null`, never left out.

mod certificates;
mod explain;
mod last_minute;
mod monitor;
mod status;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::backend::{Address, BackendNames};
pub(super) use certificates::certificates;
pub(super) use explain::{ExplainQuery, SampleRequest, explain};
pub(super) use monitor::{EventFeed, Monitor};
pub(super) use status::{Sources, status};

/// The whole process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The version of the program.
    pub version: String,
    /// The id of the process.
    pub pid: u32,
    /// The time of this status.
    pub time: String,
    /// The time since the process started.
    pub uptime_ms: u64,
    /// The number of configurations made live, from 1.
    pub generation: u64,
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
    /// Clients connected.
    pub connections: usize,
    /// The whole days that are left of the certificate that ends first; negative after its end.
    #[serde(default)]
    pub certificate_days_left: Option<i64>,
}

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

/// A group of backends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pool {
    /// The name of the pool.
    pub name: String,
    /// As the configuration writes it.
    pub algorithm: String,
    /// Requests of clients that have ended.
    pub requests: u64,
    /// Requests that have ended, by the class of the status that the client got.
    pub responses: Classes,
    /// Requests with a status of 500 or more.
    pub errors: u64,
    /// Requests in flight on its backends.
    pub active: usize,
    /// Requests a second, over the last ten seconds.
    pub rate: f64,
    /// Errors a second, over the last ten seconds.
    pub error_rate: f64,
    /// From a request's header to the end of its answer, in the last minute.
    pub latency: Quantiles,
    /// Requests that wait for a backend.
    pub queue: Queue,
    /// Attempts that followed a failed one.
    pub retries: u64,
    /// Retries that the budget did not allow.
    pub budget_exhausted: u64,
    /// Whether the share of unhealthy backends is above the panic threshold, so that health checks are ignored.
    pub panic: bool,
    /// The last minute.
    pub history: History,
    /// The entries, in the order of the configuration.
    pub backends: Vec<Backend>,
}

/// The line of requests that wait for a backend.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Queue {
    /// The requests that wait now.
    pub length: usize,
    /// The most requests that may wait at once.
    pub size: usize,
}

/// One backend of a pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Backend {
    /// Its pool.
    pub pool: String,
    /// Host and port as configured, such as `localhost:9001`; several addresses may share it.
    pub name: String,
    /// Its address, which identifies it together with the pool.
    pub address: Address,
    /// `eligible`, `draining`, `unhealthy`, `ejected`, `half_open` or `full`: whether it may get a
    /// request.
    pub state: String,
    /// The reason why it may not, in words.
    pub reason: Option<String>,
    /// When that state ends: an instant, or `checks_pass`, `probe`, `undrain`.
    pub until: Option<String>,
    /// The time until that instant.
    pub for_ms: Option<u64>,
    /// An operator's settings, in words such as `drained` and `weight 3`; empty if the
    /// configuration applies.
    pub set_by_operator: Vec<String>,
    /// Whether it serves only if no primary can.
    pub backup: bool,
    /// The weight as configured, or as an operator has set it.
    pub weight: u64,
    /// The weight, reduced by slow start.
    pub weight_in_effect: f64,
    /// Requests in flight.
    pub active: usize,
    /// The most requests that it may have at once.
    pub max_connections: Option<usize>,
    /// Attempts that have ended.
    pub requests: u64,
    /// Attempts that failed.
    pub errors: u64,
    /// Its answers, by the class of the status.
    pub responses: Classes,
    /// Attempts a second, over the last ten seconds.
    pub rate: f64,
    /// Failed attempts a second, over the last ten seconds.
    pub error_rate: f64,
    /// Its part of the pool's attempts in the last ten seconds, from 0 to 1.
    pub share: f64,
    /// From the beginning of an attempt to the end of its answer, in the last minute.
    pub latency: Quantiles,
    /// From the end of the request to the first byte of the answer, in the last minute.
    pub first_byte: Quantiles,
    /// The last active check; `null` if there was none.
    pub check: Option<Check>,
    /// Connections to it.
    pub connections: Connections,
}

impl Backend {
    /// The name, and the address if it differs.
    #[must_use]
    pub fn label(&self) -> String {
        label(&self.name, &self.address)
    }
}

impl Candidate {
    /// The same text as [`Backend::label`].
    #[must_use]
    pub fn label(&self) -> String {
        label(&self.name, &self.address)
    }
}

fn label(name: &str, address: &Address) -> String {
    BackendNames::new(name.into(), address).to_string()
}

/// An active check that has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Whether it passed.
    pub passed: bool,
    /// Why it failed.
    pub reason: Option<String>,
    /// How long it took.
    pub took_ms: f64,
    /// How long ago it ended.
    pub ago_ms: u64,
}

/// Connections to a backend.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Connections {
    /// Connections that were made for an attempt.
    pub opened: u64,
    /// Attempts that reused a connection.
    pub reused: u64,
}

/// Counts by the class of a status. `none` is a request or an attempt that ended without one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classes {
    /// 100 to 199.
    #[serde(rename = "1xx")]
    pub informational: u64,
    /// 200 to 299.
    #[serde(rename = "2xx")]
    pub success: u64,
    /// 300 to 399.
    #[serde(rename = "3xx")]
    pub redirection: u64,
    /// 400 to 499.
    #[serde(rename = "4xx")]
    pub client_error: u64,
    /// 500 and more.
    #[serde(rename = "5xx")]
    pub server_error: u64,
    /// No status at all.
    pub none: u64,
}

/// Percentiles of a duration, in milliseconds; `null` without observations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// The median.
    pub p50_ms: Option<f64>,
    /// The 95th percentile.
    pub p95_ms: Option<f64>,
    /// The 99th percentile.
    pub p99_ms: Option<f64>,
}

/// The last minute, a value a second, oldest first; shorter while the process is younger.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// Requests.
    pub requests: Vec<u64>,
    /// Errors.
    pub errors: Vec<u64>,
    /// The 99th percentile of the latency in the five seconds up to then, in milliseconds.
    pub p99_ms: Vec<Option<f64>>,
}

/// A state change, as `GET /api/v1/events` sends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The number of the event, from 1.
    pub id: u64,
    /// When it happened.
    pub time: String,
    /// The pool that it is about.
    pub pool: Option<String>,
    /// The backend, by its configured name.
    pub backend: Option<String>,
    /// The address of that backend.
    pub address: Option<String>,
    /// `ejected`, `readmitted`, `unhealthy`, `healthy`, `drained`, `undrained`, `weight_changed`,
    /// `panic_began`, `panic_ended`, `pool_unavailable`, `pool_available`, `reloaded`,
    /// `reload_failed`.
    pub event: String,
    /// The reason or the new value, in words.
    pub reason: Option<String>,
    /// How long it lasts, if that is known.
    pub for_ms: Option<u64>,
    /// The operator who caused it: a user, or the address of a client.
    pub by: Option<String>,
}

/// How a request would be served: the answer of `GET /api/v1/explain`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The listeners that would take it; a route is for all of them.
    pub listeners: Vec<String>,
    /// The first route that matches; `null` if none does.
    pub route: Option<Route>,
    /// The pool of that route.
    pub pool: Option<String>,
    /// Whether it would be tried again after it may have been executed.
    pub repeatable: bool,
    /// The address that the request would be said to come from.
    pub client: Option<String>,
    /// Every backend of the pool, primaries first.
    pub candidates: Vec<Candidate>,
    /// The backend that would get it now. An algorithm that draws at random may choose another one for the
    /// next request; then `by_chance` is set.
    pub chosen: Option<Address>,
    /// See `chosen`.
    pub by_chance: bool,
    /// The answer in a sentence.
    pub summary: String,
}

/// A route, as configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The host; `null` for any.
    pub host: Option<String>,
    /// The path prefix.
    pub path: String,
    /// Its place in the configuration, from 0.
    pub index: usize,
}

/// A backend that might get the request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// As [`Backend::name`].
    pub name: String,
    /// As [`Backend::address`].
    pub address: Address,
    /// As [`Backend::state`].
    pub state: String,
    /// As [`Backend::reason`].
    pub reason: Option<String>,
    /// As [`Backend::until`].
    pub until: Option<String>,
    /// As [`Backend::for_ms`].
    pub for_ms: Option<u64>,
    /// As [`Backend::backup`].
    pub backup: bool,
    /// As [`Backend::weight_in_effect`].
    pub weight_in_effect: f64,
    /// As [`Backend::active`].
    pub active: usize,
    /// The figure that the algorithm compares, the lowest first; `null` if the backend is not in
    /// service.
    pub score: Option<f64>,
    /// The meaning of the score.
    pub score_is: String,
}

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The reason, and what to do about it.
    pub error: String,
}

/// The body of a change: of `PUT …/weight` and of `POST …/eject`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeBody {
    /// The new weight; `null` restores the weight of the configuration.
    #[serde(default)]
    pub weight: Option<u32>,
    /// The length of the ejection, such as `30s`.
    #[serde(default, rename = "for")]
    pub duration: Option<String>,
}
