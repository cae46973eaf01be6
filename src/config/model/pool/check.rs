//! The settings of a pool's health checks.

use std::{
    num::{NonZeroU16, NonZeroU32},
    time::Duration,
};

use crate::config::model::quantity::StatusRanges;

/// The health checks of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// The question of a check, and the answers that pass.
    pub probe: Probe,
    /// The time between the starts of two checks of one backend.
    pub interval: Duration,
    /// The limit on the whole check; below the interval.
    pub timeout: Duration,
    /// Passes in a row before an unhealthy backend is used again.
    pub rise: NonZeroU32,
    /// Failures in a row before a healthy backend is taken out.
    pub fall: NonZeroU32,
    /// The port to check instead of the backend's own.
    pub port: Option<NonZeroU16>,
}

/// The question of a health check, and the answers that pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// The connection is accepted.
    Tcp,
    /// `GET path` answers with an expected status.
    Http {
        /// The path, which starts with `/` and may have a query.
        path: Box<str>,
        /// The Host header; the backend's address when `None`.
        host: Option<Box<str>>,
        /// Statuses that pass.
        expect: StatusRanges,
    },
}
