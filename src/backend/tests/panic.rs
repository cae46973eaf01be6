//! Panic: the share of unhealthy backends is so large that checks are not believed.

use super::*;

fn fall(world: &World, index: usize, refused: bool) {
    world.check(index, true);
    (0..3).for_each(|_| drop(world.apply(index, Event::CheckFailed { refused })));
}

#[test]
fn uses_the_unhealthy_when_more_than_the_threshold_are() {
    let world = World::new(4, PANICKY);
    fall(&world, 0, false);
    fall(&world, 1, false);
    assert_eq!(world.eligible(), [2, 3], "half is not more than half");
    fall(&world, 2, false);
    assert_eq!(world.eligible(), [0, 1, 2, 3]);
    (0..2).for_each(|_| drop(world.check(0, true)));
    assert_eq!(world.eligible(), [0, 3], "and ends");
}

#[test]
fn is_off_unless_configured() {
    let world = World::new(3, CHECKED);
    (0..3).for_each(|index| fall(&world, index, false));
    assert!(world.eligible().is_empty());
}

#[test]
fn neither_counts_nor_uses_the_draining_and_the_refusing() {
    let world = World::new(5, PANICKY);
    world.change_of(0, None, true);
    fall(&world, 0, false);
    fall(&world, 1, true);
    world.check(2, true);
    world.fail(2, EjectionCause::Refused);
    assert_eq!(world.eligible(), [3, 4], "no listening backend is unhealthy");
    fall(&world, 3, false);
    assert_eq!(world.eligible(), [4], "one of two who listen is");
    fall(&world, 4, false);
    assert_eq!(world.eligible(), [3, 4], "both are");
}

#[test]
fn takes_back_a_backend_that_listens_again_after_a_refusal() {
    let world = World::new(3, PANICKY);
    (0..3).for_each(|index| fall(&world, index, false));
    for index in 0..3 {
        world.fail(index, EjectionCause::Refused);
        assert!(!world.is_eligible(index));
        world.apply(index, Event::CheckFailed { refused: false });
        assert_eq!(world.eligible(), [0, 1, 2]);
    }
}

#[test]
fn counts_as_service_for_a_backend_that_becomes_healthy_meanwhile() {
    let world = World::new(3, PANICKY);
    (0..3).for_each(|index| fall(&world, index, false));
    (0..2).for_each(|_| drop(world.check(0, true)));
    assert_eq!(world.backends[0].serving_since(), None);
}

#[test]
fn counts_each_change_of_the_usable_backends() {
    let world = World::new(3, PANICKY);
    (0..3).for_each(|index| fall(&world, index, false));
    world.apply(1, Event::CheckFailed { refused: true });
    let changes = world.roster.changes();
    assert_eq!(world.eligible(), [0, 2]);
    world.apply(1, Event::CheckFailed { refused: false });
    assert_eq!(world.eligible(), [0, 1, 2]);
    assert!(world.roster.changes() > changes);
    assert_eq!(world.roster.panics(), 1);
}

#[test]
fn is_reported_when_it_begins_and_when_it_ends() {
    let world = World::new(1, PANICKY);
    let report = |event| {
        let notices = world.roster.apply(&world.backends[0], event, &PANICKY, world.now);
        notices.into_iter().find_map(|notice| match notice {
            PoolChange::PanicBegan { unhealthy, listening } => Some((true, unhealthy, listening)),
            PoolChange::PanicEnded { unhealthy, listening } => Some((false, unhealthy, listening)),
            _ => None,
        })
    };
    assert_eq!(report(Event::CheckFailed { refused: false }), Some((true, 1, 1)));
    assert_eq!(report(Event::CheckFailed { refused: false }), None);
    assert_eq!(report(Event::CheckPassed), Some((false, 0, 1)));
}
