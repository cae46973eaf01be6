//! Since when a backend has been in its state.

use super::*;

impl World {
    /// How many seconds the backend has been in this state.
    fn seconds(&self, index: usize) -> (&'static str, Option<u64>) {
        let (state, since) = self.backends[index].state(self.now);
        (state.word(), since.map(|since| (self.now - since).as_secs()))
    }

    fn order(&self, index: usize, action: OperatorAction) {
        self.apply(index, Event::Operator(action));
    }
}

#[test]
fn each_state_is_as_old_as_the_event_that_began_it() {
    let mut world = World::new(4, CHECKED);
    (0..4).for_each(|index| drop(world.check(index, true)));
    world.pass(10 * SECOND);
    assert_eq!(world.seconds(0), ("eligible", Some(10)));
    (0..3).for_each(|_| drop(world.check(0, false)));
    world.eject(1);
    world.order(2, OperatorAction::Drain);
    world.pass(4 * SECOND);
    // Events that change nothing do not begin it anew.
    world.check(0, false);
    world.order(2, OperatorAction::Drain);
    world.fail(1, EjectionCause::Timeout);
    assert_eq!(world.seconds(0), ("unhealthy", Some(4)));
    assert_eq!(world.seconds(1), ("ejected", Some(4)));
    assert_eq!(world.seconds(2), ("draining", Some(4)));
    (0..2).for_each(|_| drop(world.check(0, true)));
    world.pass(2 * SECOND);
    assert_eq!(world.seconds(0), ("eligible", Some(2)));
    world.pass(RULES.base - 6 * SECOND + 3 * SECOND);
    assert_eq!(world.seconds(1), ("half_open", Some(3)));
    assert_eq!(world.probe(true), Some(1));
    let failed = AttemptFailure { probe: true, ..world.failure(EjectionCause::Timeout) };
    world.apply(1, Event::AttemptFailed(failed));
    world.pass(SECOND);
    assert_eq!(world.seconds(1), ("ejected", Some(1)), "that is another ejection");
}

/// The drain hides an ejection, which goes on.
#[test]
fn a_state_that_was_hidden_is_as_old_as_its_own_reason() {
    let mut world = World::new(3, CHECKED);
    world.eject(0);
    world.pass(3 * SECOND);
    world.order(0, OperatorAction::Drain);
    world.pass(4 * SECOND);
    assert_eq!(world.seconds(0), ("draining", Some(4)));
    world.order(0, OperatorAction::Undrain);
    assert_eq!(world.seconds(0), ("ejected", Some(7)));
}

/// A probe before its time that fails changes nothing about the ejection.
#[test]
fn an_early_probe_does_not_begin_an_ejection_anew() {
    let mut world = World::new(2, CHECKED);
    world.eject(0);
    world.pass(5 * SECOND);
    let claimed = world.roster.claim_last_resort(|_| true, world.now).unwrap();
    claimed.leave();
    let failed = AttemptFailure { probe: true, ..world.failure(EjectionCause::Timeout) };
    world.apply(0, Event::AttemptFailed(failed));
    assert_eq!(world.seconds(0), ("ejected", Some(5)));
}

#[test]
fn panic_and_load_have_no_event_to_count_from() {
    let mut world = World::new(3, PANICKY);
    (0..2).for_each(|index| drop(world.check(index, false)));
    assert!(world.roster.is_panic());
    world.pass(SECOND);
    assert_eq!(world.seconds(0), ("eligible", None));
    let policy = &world.policy;
    let settings = |address: Address| {
        let name = Arc::from("a");
        (address, BackendSettings { name, drain: false, max_connections: Some(1) })
    };
    let all = (1..=3).map(|port| settings(address(port))).collect();
    world.roster.enlist(&all, policy, world.now);
    assert!(world.backends[2].try_enter());
    assert_eq!(world.seconds(2), ("full", None));
    world.backends[2].leave();
}

#[test]
fn the_next_process_goes_on_counting() {
    let mut before = World::new(5, CHECKED);
    (0..5).for_each(|index| drop(before.check(index, true)));
    before.pass(SECOND);
    (0..3).for_each(|_| drop(before.check(0, false)));
    before.pass(SECOND);
    before.eject(1);
    before.pass(SECOND);
    before.order(2, OperatorAction::Drain);
    before.pass(SECOND);
    before.fail(3, EjectionCause::Refused);
    before.pass(SECOND);
    let told = serde_json::to_value(before.roster.remember(before.now)).unwrap();
    let mut after = World::new(5, CHECKED);
    (0..5).for_each(|index| drop(after.check(index, true)));
    let memories: Vec<Memory> = serde_json::from_value(told).unwrap();
    after.roster.recall(&memories, &after.policy, true, after.now);
    after.pass(10 * SECOND);
    let all: Vec<_> = (0..5).map(|index| after.seconds(index)).collect();
    let seconds = |word, seconds| (word, Some(seconds));
    assert_eq!(
        all,
        [
            seconds("unhealthy", 14),
            seconds("ejected", 13),
            seconds("draining", 12),
            seconds("ejected", 11),
            seconds("eligible", 15),
        ]
    );
}

/// A version before does not say when a state began, so it counts from the hand-over.
#[test]
fn a_process_of_a_version_before_is_understood() {
    let before = World::new(2, CHECKED);
    before.eject(0);
    let mut told = serde_json::to_value(before.roster.remember(before.now)).unwrap();
    for one in told.as_array_mut().unwrap() {
        let one = one.as_object_mut().unwrap();
        one.remove("state_for").unwrap();
        if let Some(ejected) = one["ejected"].as_object_mut() {
            ejected.remove("began_ago").unwrap();
        }
    }
    let mut after = World::new(2, CHECKED);
    let memories: Vec<Memory> = serde_json::from_value(told).unwrap();
    after.roster.recall(&memories, &after.policy, true, after.now);
    after.pass(SECOND);
    assert_eq!(after.seconds(0), ("ejected", Some(1)));
    assert_eq!(after.seconds(1), ("eligible", Some(1)));
}
