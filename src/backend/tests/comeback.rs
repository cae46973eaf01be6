//! A backend that comes back: its latency is forgotten, and its slow start begins.

use super::*;

#[test]
fn forgets_how_fast_it_was() {
    let mut world = World::new(2, CHECKED);
    world.backends[0].latency().observe(SECOND, world.now);
    world.eject(0);
    world.pass(RULES.base);
    assert_eq!(world.probe(true), Some(0));
    assert!(world.backends[0].latency().is_measured());
    world.apply(0, Event::Answered { probe: true });
    assert!(world.is_eligible(0) && !world.backends[0].latency().is_measured());
}

#[test]
fn is_marked_for_slow_start_but_not_the_beginning() {
    let mut world = World::new(3, CHECKED);
    (0..3).for_each(|index| drop(world.check(index, true)));
    assert!(world.backends.iter().all(|backend| backend.serving_since().is_none()));
    world.fail(0, EjectionCause::Refused);
    world.pass(SECOND);
    (0..2).for_each(|_| drop(world.check(0, true)));
    assert_eq!(world.backends[0].serving_since(), Some(world.now));
    (0..3).for_each(|_| drop(world.check(1, false)));
    world.pass(SECOND);
    (0..2).for_each(|_| drop(world.check(1, true)));
    assert_eq!(world.backends[1].serving_since(), Some(world.now));
    world.eject(2);
    world.pass(RULES.base);
    world.probe(true);
    world.apply(2, Event::Answered { probe: true });
    assert_eq!(world.backends[2].serving_since(), Some(world.now));
}

#[test]
fn and_going_are_counted_as_changes_and_nothing_else_is() {
    let world = World::new(2, CHECKED);
    world.fail(0, EjectionCause::Timeout);
    world.answer(0);
    world.check(0, true);
    assert_eq!(world.roster.changes(), 0);
    world.fail(0, EjectionCause::Refused);
    assert_eq!(world.roster.changes(), 1);
    world.fail(0, EjectionCause::Refused);
    assert_eq!(world.roster.changes(), 1);
    (0..2).for_each(|_| drop(world.check(0, true)));
    assert_eq!(world.roster.changes(), 2);
}
