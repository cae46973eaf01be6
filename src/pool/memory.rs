//! What one process tells the next about a pool.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::Pool;
use crate::backend;
use crate::state_log::{self, ChangeCause};

/// What is known of one pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Its name.
    pub pool: String,
    /// How its backends are checked, in words that are the same where that is the same.
    checks: String,
    /// What `response: auto` has learned: see [`crate::retry::Quantile::remember`].
    first_byte: (f32, u16),
    backends: Vec<backend::Memory>,
}

impl Pool {
    /// What the next process should know.
    #[must_use]
    pub fn remember(&self, now: Instant) -> Memory {
        Memory {
            pool: self.name().as_str().to_owned(),
            checks: self.checks(),
            first_byte: self.state.first_byte.remember(),
            backends: self.state.roster.remember(now),
        }
    }

    fn checks(&self) -> String {
        format!("{:?}", self.config.health_check)
    }

    /// Goes on from what the process before knew, on this configuration's terms.
    pub fn recall(&self, memory: &Memory, now: Instant) {
        self.state.first_byte.recall(memory.first_byte);
        let has_same_checks = memory.checks == self.checks();
        let changes =
            self.state.roster.recall(&memory.backends, &self.policy, has_same_checks, now);
        state_log::record(&self.state.roster, &changes, ChangeCause::Implied, now);
        self.state.enlist(&self.state.membership(), now);
    }
}
