//! A backend of a pool.

use serde::{Deserialize, Serialize};

use super::figures::{Classes, Quantiles};
use crate::backend::{Address, BackendNames};

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
    /// When that state began; `null` if that is not known, as for `full`, which changes with every
    /// request.
    #[serde(default)]
    pub since: Option<String>,
    /// The time since then.
    #[serde(default)]
    pub since_ms: Option<u64>,
    /// The reason why it may not, in words.
    pub reason: Option<String>,
    /// When that state ends: an instant, or `checks_pass`, `probe`, `undrain`.
    pub until: Option<String>,
    /// The time until that instant.
    pub for_ms: Option<u64>,
    /// An operator's settings, in words such as `drained` and `weight 3`; empty if the
    /// configuration applies.
    pub set_by_operator: Vec<String>,
    /// What the pool loses without it: `backend` if no other backend serves, `primary` if only backups
    /// do; `null` if another primary serves, or if it does not serve itself.
    #[serde(default)]
    pub last_serving: Option<String>,
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
    /// Bytes of request bodies, for requests whose last attempt it had.
    #[serde(default)]
    pub request_bytes: u64,
    /// Bytes of response bodies that clients were sent from it.
    #[serde(default)]
    pub response_bytes: u64,
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

pub(super) fn label(name: &str, address: &Address) -> String {
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
