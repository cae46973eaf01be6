//! The state of a backend that one process passes to the next, so that an upgrade does not start
//! blind.
//!
//! Verdicts are passed on; counts towards the next verdict are not, because they are back within
//! seconds. An instant means nothing to another process, so each is written as its distance from
//! the present.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::super::{
    Address, Backend,
    event::{EjectionCause, EjectionEnd},
    standing::{Ejection, Health, Standing},
};
use crate::config::Weight;

/// The longest ejection: what an operator can ask for.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// The greatest weight.
const WEIGHT_MAX: u64 = Weight::MAX as u64;

/// The state of one backend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// The address of the backend in its pool.
    pub address: Address,
    health: Health,
    was_healthy: bool,
    listens: bool,
    ejected: Option<Ejected>,
    /// The number of ejections that followed one another closely, and how long the last one lasted.
    ejections: u32,
    term: Duration,
    /// How long it has been back in service.
    serving_for: Option<Duration>,
    /// How long it has been in service, draining, and unhealthy; a version before does not say.
    #[serde(default)]
    state_for: StateFor,
    /// An operator's orders: to drain or not to, and the weight.
    #[serde(default)]
    ordered: (Option<bool>, Option<u64>),
    /// The expected time to the first byte in microseconds, if it was measured.
    latency: Option<f32>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct StateFor {
    in_service: Option<Duration>,
    draining: Option<Duration>,
    unhealthy: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Ejected {
    cause: EjectionCause,
    /// The time since it began; a version before does not say.
    #[serde(default)]
    began_ago: Duration,
    /// The time until its probe; `None` if it waits for checks to pass.
    probe_in: Option<Duration>,
}

impl Memory {
    pub(super) fn of(backend: &Backend, standing: &Standing, now: Instant) -> Self {
        let ejected = standing.ejection.map(|ejection| Ejected {
            cause: ejection.cause,
            began_ago: now.saturating_duration_since(ejection.began),
            probe_in: match ejection.until {
                EjectionEnd::ChecksPass => None,
                EjectionEnd::Probe(at) => Some(at.saturating_duration_since(now)),
            },
        });
        let latency = backend.latency();
        let ago = |since: Instant| now.saturating_duration_since(since);
        Self {
            address: backend.id().address.clone(),
            health: standing.health,
            was_healthy: standing.was_healthy,
            listens: standing.listens,
            ejected,
            ejections: standing.ejections,
            term: standing.term,
            serving_for: standing.serving_since.map(ago),
            state_for: StateFor {
                in_service: standing.since.in_service.map(ago),
                draining: standing.since.draining.map(ago),
                unhealthy: standing.since.unhealthy.map(ago),
            },
            ordered: (standing.ordered, backend.weight()),
            latency: latency.is_measured().then(|| latency.estimate(now)).flatten(),
        }
    }

    /// Replaces the state that this process has found by itself, which is less. Results of checks
    /// count only if both processes check in the same way. The values come from another process,
    /// perhaps of another version, so they are kept within the bounds of this one.
    pub(super) fn recall(
        &self,
        backend: &Backend,
        standing: &mut Standing,
        has_same_checks: bool,
        now: Instant,
    ) {
        let ago = |time: Duration| now.checked_sub(time);
        if has_same_checks && self.health != Health::Unchecked {
            (standing.health, standing.was_healthy) = (self.health, self.was_healthy);
            standing.listens = self.listens;
            standing.since.unhealthy = self.state_for.unhealthy.and_then(ago);
        }
        // Those that do not hold here end when the change is noted.
        standing.since.in_service = self.state_for.in_service.and_then(ago);
        standing.since.draining = self.state_for.draining.and_then(ago);
        (standing.ordered, _) = self.ordered;
        backend.set_weight(self.ordered.1.filter(|weight| (1..=WEIGHT_MAX).contains(weight)));
        standing.ejection = self.ejected.map(|ejected| {
            let until = ejected.probe_in.map_or(EjectionEnd::ChecksPass, |wait| {
                EjectionEnd::Probe(now + wait.min(LONGEST))
            });
            let mut ejection = Ejection::new(ejected.cause, until, now);
            ejection.began = ago(ejected.began_ago).unwrap_or(now);
            ejection
        });
        (standing.ejections, standing.term) = (self.ejections, self.term.min(LONGEST));
        standing.serving_since = self.serving_for.and_then(ago);
        if let Some(micros) = self.latency {
            backend.latency().recall(micros, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::{option, prelude::*};

    use super::super::{BackendSettings, Roster};
    use super::*;
    use crate::backend::{AttemptFailure, Event, Policy};
    use crate::config::{EjectionRules, PoolName};

    fn policy() -> Policy {
        let ejection = Some(EjectionRules::default());
        Policy { rise: 2, fall: 3, checked: true, ejection, panic_threshold: None }
    }

    fn duration() -> impl Strategy<Value = Duration> {
        let second = prop_oneof![0_u64..100, any::<u64>(), Just(u64::MAX)];
        (second, 0_u32..1_000_000_000).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos))
    }

    fn ejected() -> impl Strategy<Value = Ejected> {
        let cause = prop_oneof![
            Just(EjectionCause::Refused),
            Just(EjectionCause::Timeout),
            Just(EjectionCause::Operator),
            any::<u16>().prop_map(EjectionCause::Status),
        ];
        (cause, duration(), option::of(duration()))
            .prop_map(|(cause, began_ago, probe_in)| Ejected { cause, began_ago, probe_in })
    }

    fn memory() -> impl Strategy<Value = Memory> {
        let health =
            prop_oneof![Just(Health::Unchecked), Just(Health::Healthy), Just(Health::Unhealthy)];
        let operator = (any::<Option<bool>>(), any::<Option<u64>>());
        let latency = option::of(prop::num::f32::ANY);
        let past = (any::<u32>(), duration(), option::of(duration()));
        let state_for = [(); 3].map(|()| option::of(duration()));
        let past = (past, state_for);
        (health, any::<(bool, bool)>(), option::of(ejected()), past, operator, latency).prop_map(
            |(health, (was_healthy, listens), ejected, (past, state_for), ordered, latency)| {
                Memory {
                    address: std::net::SocketAddr::from(([127, 0, 0, 1], 1)).into(),
                    health,
                    was_healthy,
                    listens,
                    ejected,
                    ejections: past.0,
                    term: past.1,
                    serving_for: past.2,
                    state_for: StateFor {
                        in_service: state_for[0],
                        draining: state_for[1],
                        unhealthy: state_for[2],
                    },
                    ordered,
                    latency,
                }
            },
        )
    }

    proptest! {
        #![proptest_config(crate::properties::config())]

        #[test]
        fn any_recalled_state_leaves_the_backend_usable(memory in memory(), same in any::<bool>()) {
            let (now, policy) = (crate::clock::now(), policy());
            let roster = Roster::new(PoolName::new("web"), Default::default(), now);
            let backend = roster.backend(&memory.address);
            let name = "a:1".into();
            let settings = BackendSettings { name, drain: false, max_connections: None };
            roster.enlist(&HashMap::from([(memory.address.clone(), settings)]), &policy, now);
            roster.recall(&[memory], &policy, same, now);
            prop_assert!(backend.weight().is_none_or(|weight| (1..=WEIGHT_MAX).contains(&weight)));
            let later = now + 2 * LONGEST;
            for now in [now, later] {
                let _ = (backend.eligibility(now), roster.is_unavailable(now), backend.serving_since());
                prop_assert!(backend.latency().estimate(now).is_none_or(f32::is_finite));
                if roster.claim_probe(false, |_| true, now).is_some() {
                    backend.leave();
                    roster.apply(&backend, Event::ProbeEnded, &policy, now);
                }
                let failed = AttemptFailure::new(EjectionCause::Timeout, now);
                roster.apply(&backend, Event::AttemptFailed(failed), &policy, now);
                roster.apply(&backend, Event::CheckPassed, &policy, now);
                prop_assert_eq!(roster.remember(now).len(), 1);
            }
        }
    }
}
