//! The state that is passed to the next process.

use super::*;

fn told(world: &World, other: &World) {
    let memories = serde_json::to_vec(&world.roster.remember(world.now)).unwrap();
    let memories: Vec<Memory> = serde_json::from_slice(&memories).unwrap();
    other.roster.recall(&memories, &other.policy, true, other.now);
}

#[test]
fn leaves_out_results_of_different_checks() {
    let (before, after) = (World::new(1, CHECKED), World::new(1, CHECKED));
    before.check(0, false);
    after.check(0, true);
    let memories = before.roster.remember(before.now);
    after.roster.recall(&memories, &after.policy, false, after.now);
    assert_eq!(after.eligible(), [0]);
}

#[test]
fn is_health_ejection_slow_start_and_latency() {
    let mut before = World::new(4, CHECKED);
    (0..3).for_each(|_| drop(before.check(0, false)));
    before.eject(1);
    before.pass(RULES.base);
    before.answer(1);
    assert_eq!(before.probe(true), Some(1));
    before.apply(1, Event::Answered { probe: true });
    before.fail(2, EjectionCause::Refused);
    before.backends[3].latency().observe(SECOND, before.now);
    before.pass(10 * SECOND);
    before.eject(3);
    before.pass(5 * SECOND);

    let after = World::new(5, CHECKED);
    (0..5).for_each(|index| drop(after.check(index, true)));
    told(&before, &after);
    assert_eq!(after.eligible(), [1, 4]);
    assert_eq!(after.backends[0].eligibility(after.now), Eligibility::Unhealthy);
    assert_eq!(after.until(2), EjectionEnd::ChecksPass);
    assert_eq!(after.term(3), before.term(3));
    let served = |world: &World| {
        let since = world.backends[1].serving_since().unwrap();
        world.now.duration_since(since).as_millis()
    };
    assert!(served(&after).abs_diff(served(&before)) <= 1);
    assert_eq!(after.backends[4].serving_since(), None);
    assert!(after.backends[3].latency().is_measured());
}

#[test]
fn counts_for_the_next_ejection() {
    let before = World::new(2, CHECKED);
    before.eject(0);
    let mut after = World::new(2, CHECKED);
    told(&before, &after);
    after.pass(RULES.base);
    assert_eq!(after.probe(true), Some(0));
    let failed = AttemptFailure { probe: true, ..after.failure(EjectionCause::Timeout) };
    after.apply(0, Event::AttemptFailed(failed));
    assert!(after.term(0) > RULES.base, "it is the second in a row");
}

#[test]
fn does_not_keep_out_the_last_backend_here() {
    let before = World::new(2, UNCHECKED);
    before.eject(0);
    let after = World::new(1, UNCHECKED);
    told(&before, &after);
    assert_eq!(after.eligible(), [0]);
}

#[test]
fn keeps_own_results_where_the_other_process_did_not_check() {
    let (before, after) = (World::new(1, UNCHECKED), World::new(1, CHECKED));
    after.check(0, false);
    told(&before, &after);
    assert_eq!(after.backends[0].eligibility(after.now), Eligibility::Unhealthy);
}
