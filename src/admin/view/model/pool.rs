//! A pool, its figures and its last minute.

use serde::{Deserialize, Serialize};

use super::{
    backend::Backend,
    figures::{Classes, History, Quantiles},
};

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
    /// Bytes of request bodies that its backends were sent.
    #[serde(default)]
    pub request_bytes: u64,
    /// Bytes of response bodies that clients were sent from its backends.
    #[serde(default)]
    pub response_bytes: u64,
    /// Bytes of request bodies a second, over the last ten seconds.
    #[serde(default)]
    pub request_byte_rate: f64,
    /// Bytes of response bodies a second, over the last ten seconds.
    #[serde(default)]
    pub response_byte_rate: f64,
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
