//! A state change.

use serde::{Deserialize, Serialize};

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
    /// What happened, as a person would say it: `ejected: it answered 503`.
    #[serde(default)]
    pub text: String,
    /// The reason or the new value, as a word or a number for programs.
    pub reason: Option<String>,
    /// How long it lasts, if that is known.
    pub for_ms: Option<u64>,
    /// The operator who caused it: a user, or the address of a client.
    pub by: Option<String>,
}
