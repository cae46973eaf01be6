//! What one process tells the next about a backend, so that an upgrade does not start blind.
//!
//! Verdicts go along, counts towards the next verdict do not: they are made anew in seconds. An
//! instant means nothing to another process, so each is told as its distance from the moment of
//! telling.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::super::{
    Address, Backend,
    event::{EjectionCause, EjectionEnd},
    standing::{Ejection, Health, Standing},
};

/// What is known of one backend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Which of its pool's.
    pub address: Address,
    health: Health,
    was_healthy: bool,
    listens: bool,
    ejected: Option<Ejected>,
    /// Ejections, each soon after the one before, and how long the last one lasted.
    ejections: u32,
    term: Duration,
    /// How long it has been back in service.
    serving_for: Option<Duration>,
    /// What an operator has said: to drain or not to, and the weight.
    #[serde(default)]
    ordered: (Option<bool>, Option<u64>),
    /// The expected time to the first byte in microseconds, where it was measured.
    latency: Option<f32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Ejected {
    cause: EjectionCause,
    /// Until its probe; without one it waits for checks to pass.
    probe_in: Option<Duration>,
}

impl Memory {
    pub(super) fn of(backend: &Backend, standing: &Standing, now: Instant) -> Self {
        let ejected = standing.ejection.map(|ejection| Ejected {
            cause: ejection.cause,
            probe_in: match ejection.until {
                EjectionEnd::ChecksPass => None,
                EjectionEnd::Probe(at) => Some(at.saturating_duration_since(now)),
            },
        });
        let latency = backend.latency();
        Self {
            address: backend.id().address.clone(),
            health: standing.health,
            was_healthy: standing.was_healthy,
            listens: standing.listens,
            ejected,
            ejections: standing.ejections,
            term: standing.term,
            serving_for: standing.serving_since.map(|since| now.saturating_duration_since(since)),
            ordered: (standing.ordered, backend.weight()),
            latency: latency.is_measured().then(|| latency.estimate(now)).flatten(),
        }
    }

    /// Takes the place of what this process has found by itself, which is less. What checks have
    /// said counts only where they are the same.
    pub(super) fn recall(
        &self,
        backend: &Backend,
        standing: &mut Standing,
        has_same_checks: bool,
        now: Instant,
    ) {
        if has_same_checks && self.health != Health::Unchecked {
            (standing.health, standing.was_healthy) = (self.health, self.was_healthy);
            standing.listens = self.listens;
        }
        (standing.ordered, _) = self.ordered;
        backend.set_weight(self.ordered.1);
        standing.ejection = self.ejected.map(|ejected| {
            let until = ejected
                .probe_in
                .map_or(EjectionEnd::ChecksPass, |wait| EjectionEnd::Probe(now + wait));
            Ejection::new(ejected.cause, until)
        });
        (standing.ejections, standing.term) = (self.ejections, self.term);
        standing.serving_since = self.serving_for.and_then(|time| now.checked_sub(time));
        if let Some(micros) = self.latency {
            backend.latency().recall(micros, now);
        }
    }
}
