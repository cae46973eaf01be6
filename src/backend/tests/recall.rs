//! What must be true of a pool that recalls anything, for the tests and for the target in `fuzz/`.

use std::{collections::HashMap, sync::Arc, time::Duration};

use crate::backend::{
    AttemptFailure, BackendSettings, EjectionCause, Eligibility, Event, Memory, Policy, Roster,
};
use crate::clock;
use crate::config::{EjectionRules, PoolName};

/// A time that is longer than any ejection.
const LONG: Duration = Duration::from_secs(2 * 24 * 60 * 60);

/// What another process tells of the backends of a pool, as JSON. Whatever it is, this process tells the
/// next one the same, and each backend that is not drained is back in service once its checks have passed
/// and its probe was answered.
pub(crate) fn memories(bytes: &[u8]) {
    let Ok(memories) = serde_json::from_slice::<Vec<Memory>>(bytes) else { return };
    let rules = Some(EjectionRules::default());
    let policy = Policy { rise: 2, fall: 3, checked: true, ejection: rules, panic_threshold: None };
    let now = clock::now();
    let settings = memories.iter().map(|memory| {
        let name = Arc::from("backend");
        (memory.address.clone(), BackendSettings { name, drain: false, max_connections: None })
    });
    let settings: HashMap<_, _> = settings.collect();
    let pool = || {
        let roster = Roster::new(PoolName::new("web"), Arc::default(), now);
        roster.enlist(&settings, &policy, now);
        roster
    };
    let roster = pool();
    roster.recall(&memories, &policy, true, now);
    let told = roster.remember(now);
    let sent = serde_json::to_vec(&told).expect("it can be sent");
    let heard: Vec<Memory> = serde_json::from_slice(&sent).expect("it can be heard");
    let next = pool();
    next.recall(&heard, &policy, true, now);
    let sorted = |mut memories: Vec<Memory>| {
        memories.sort_by_key(|memory| memory.address.to_string());
        serde_json::to_value(&memories).expect("JSON")
    };
    assert_eq!(sorted(next.remember(now)), sorted(told));
    for address in settings.keys() {
        let backend = &next.known(address).expect("it is enlisted");
        for later in [now, now + LONG] {
            let failure = AttemptFailure::new(EjectionCause::Timeout, later);
            for _ in 0..5 {
                next.apply(backend, Event::AttemptFailed(failure), &policy, later);
            }
            assert_eq!(backend.is_eligible(), backend.eligibility(later).is_eligible());
        }
        let later = now + 2 * LONG;
        for _ in 0..2 {
            next.apply(backend, Event::CheckPassed, &policy, later);
        }
        // An answer readmits a backend only if it is that of a probe, which has to be claimed.
        if next.claim_probe(true, |it| it.id().address == *address, later).is_some() {
            next.apply(backend, Event::Answered { probe: true }, &policy, later);
            next.apply(backend, Event::ProbeEnded, &policy, later);
            backend.leave();
        }
        let eligibility = backend.eligibility(later);
        assert!(
            matches!(eligibility, Eligibility::Eligible | Eligibility::Draining(_)),
            "{eligibility:?}"
        );
        assert_eq!(backend.is_eligible(), eligibility.is_eligible());
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_that_fuzzing_has_found_breaks_a_rule() {
        crate::fuzzed::each_input("memories", super::memories);
    }
}
