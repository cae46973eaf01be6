//! The state of a pool that one process passes to the next.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::Pool;
use crate::backend;
use crate::state_log::{self, ChangeCause};

/// The state of one pool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// The name of the pool.
    pub pool: String,
    /// A text that is equal for pools whose backends are checked in the same way.
    checks: String,
    /// The learned limit: see [`crate::retry::Quantile::remember`].
    first_byte: (f32, u16),
    backends: Vec<backend::Memory>,
}

impl Pool {
    /// The state of the pool for the next process.
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

    /// Goes on from the state of the process before, under this configuration.
    pub fn recall(&self, memory: &Memory, now: Instant) {
        self.state.first_byte.recall(memory.first_byte);
        let has_same_checks = memory.checks == self.checks();
        let changes =
            self.state.roster.recall(&memory.backends, &self.policy, has_same_checks, now);
        state_log::record(&self.state.roster, &changes, ChangeCause::Implied, now);
        self.state.enlist(&self.state.membership(), now);
    }
}
