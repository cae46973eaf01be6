//! What the configuration says of a pool's health checks.

use std::{
    num::{NonZeroU16, NonZeroU32},
    time::Duration,
};

use super::quantity::StatusRanges;

/// How a pool's backends are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked, and what is a pass.
    pub probe: Probe,
    /// Between the starts of two checks of one backend.
    pub interval: Duration,
    /// For the whole check; below the interval.
    pub timeout: Duration,
    /// Passes in a row before an unhealthy backend is used again.
    pub rise: NonZeroU32,
    /// Failures in a row before a healthy one is dropped.
    pub fall: NonZeroU32,
    /// Checked instead of the backend's own port.
    pub port: Option<NonZeroU16>,
}

/// What a health check asks, and what is a pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// The connection is accepted.
    Tcp,
    /// `GET path` answers with an expected status.
    Http {
        /// Starts with `/`; may have a query.
        path: Box<str>,
        /// The Host header; the backend's address when `None`.
        host: Option<Box<str>>,
        /// Statuses that pass.
        expect: StatusRanges,
    },
}
