//! Figures that several parts of an answer have.

use serde::{Deserialize, Serialize};

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
