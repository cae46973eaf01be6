//! What must be true of a pool that recalls anything, for the tests and for the target in `fuzz/`.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde_json::json;

use crate::backend::{
    AttemptFailure, BackendSettings, EjectionCause, Eligibility, Event, Memory, Policy, Roster,
};
use crate::clock;
use crate::config::{EjectionRules, PoolName};

/// A time that is longer than any ejection.
const LONG: Duration = Duration::from_secs(2 * 24 * 60 * 60);

/// What another process tells of the backends of a pool. Whatever it is, this process tells the next one the
/// same, and each backend that is not drained is back in service once its checks have passed and its probe
/// was answered.
pub(crate) fn memories(bytes: &[u8]) {
    let Some(memories) = told(bytes) else { return };
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

/// JSON, as it is told, or a number of bytes for each backend: few changes of JSON are JSON.
fn told(bytes: &[u8]) -> Option<Vec<Memory>> {
    if bytes.starts_with(b"[") {
        return serde_json::from_slice(bytes).ok();
    }
    let (backends, _) = bytes.as_chunks();
    Some(backends.iter().map(backend).collect())
}

fn backend(bytes: &[u8; 14]) -> Memory {
    let [port, health, flags, cause, began, probe, ejections, term, times @ .., ordered, latency] =
        *bytes;
    let is = |bit: u8| flags & bit != 0;
    let [serving, in_service, draining, unhealthy] = times.map(time);
    let healths = ["Unchecked", "Healthy", "Unhealthy"];
    let causes = [json!("Refused"), json!("Timeout"), json!({ "Status": 503 }), json!("Operator")];
    let ejected = json!({
        "cause": causes[usize::from(cause % 4)],
        "began_ago": time(began.max(1)),
        "probe_in": time(probe),
    });
    let memory = json!({
        "address": format!("127.0.0.1:{}", 9000 + u16::from(port % 4)),
        "health": healths[usize::from(health % 3)],
        "was_healthy": is(1),
        "listens": is(2),
        "ejected": is(4).then_some(ejected),
        "ejections": if ejections == u8::MAX { u32::MAX } else { ejections.into() },
        "term": time(term.max(1)),
        "serving_for": serving,
        "state_for": { "in_service": in_service, "draining": draining, "unhealthy": unhealthy },
        "ordered": [is(8).then_some(is(16)), is(32).then_some(1_u64 << (ordered % 64))],
        "latency": is(64).then(|| (f32::from(latency) - 100.0).powi(9)),
    });
    serde_json::from_value(memory).expect("a memory")
}

/// No time, or one of up to 2^63 seconds.
fn time(byte: u8) -> Option<Duration> {
    let nanos = 333_333_333 * u32::from(byte % 4);
    (byte > 0).then(|| Duration::new(1 << (byte / 4), nanos))
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_that_fuzzing_has_found_breaks_a_rule() {
        crate::fuzzed::each_input("memories", super::memories);
    }
}
