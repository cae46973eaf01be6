//! What a running process says about itself, for `lb doctor`: what cannot be seen from outside of it.

use std::{net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

/// What the process that runs from a file says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningFacts {
    /// Files and folders that have changed since they were loaded into the configuration in force.
    pub outdated: Vec<PathBuf>,
    /// Whether the last reload failed.
    pub last_reload_failed: bool,
    /// Backends that have closed connections which this process kept for later requests.
    pub early_closes: Vec<EarlyCloses>,
}

/// Idle connections that a backend closed before their time was over here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlyCloses {
    /// The backend.
    pub address: SocketAddr,
    /// The number of such connections, since the process has started.
    pub count: u64,
    /// How long this process keeps an idle connection to it, in milliseconds.
    pub kept_ms: u64,
    /// How long the latest of them had been idle, in milliseconds; noticed up to a second late.
    pub latest_ms: Vec<u64>,
}
