//! The one request that shows whether an ejected backend works.

use super::*;

#[test]
fn is_one_at_a_time_and_readmits_when_answered() {
    let mut world = World::new(2, CHECKED);
    world.eject(0);
    world.pass(RULES.base - SECOND);
    assert_eq!(world.probe(true), None);
    world.pass(SECOND);
    assert_eq!(world.probe(true), Some(0));
    assert_eq!(world.probe(true), None);
    let readmitted = BackendChange::Readmitted(ReadmissionCause::Probe);
    assert_eq!(world.apply(0, Event::Answered { probe: true }), [readmitted]);
    assert!(world.is_eligible(0));
}

#[test]
fn that_showed_nothing_is_followed_by_another_later() {
    let mut world = World::new(2, CHECKED);
    world.eject(0);
    world.pass(RULES.base);
    for seconds in [1, 2, 4] {
        assert_eq!(world.probe(true), Some(0));
        assert_eq!(world.apply(0, Event::ProbeEnded), []);
        assert_eq!(world.probe(true), None, "it has cost a client");
        world.pass(seconds * SECOND);
    }
    assert_eq!(world.probe(true), Some(0));
}

#[test]
fn is_a_request_that_can_be_repeated_or_after_a_while_any() {
    let mut world = World::new(2, CHECKED);
    world.eject(0);
    world.pass(RULES.base);
    assert_eq!(world.probe(false), None);
    world.pass(29 * SECOND);
    assert_eq!(world.probe(false), None);
    world.pass(SECOND);
    assert_eq!(world.probe(false), Some(0));
}

#[test]
fn of_who_refused_is_any_request_as_it_cannot_be_lost_there() {
    let mut world = World::new(2, UNCHECKED);
    world.fail(0, EjectionCause::Refused);
    assert_eq!(world.probe(false), None);
    world.pass(SECOND);
    assert_eq!(world.probe(false), Some(0));
}

#[test]
fn is_not_sent_to_who_is_out_for_another_reason() {
    let mut world = World::new(4, CHECKED);
    world.eject(0);
    world.eject(1);
    world.pass(RULES.base);
    (0..3).for_each(|_| drop(world.check(0, false)));
    world.change_of(1, None, true);
    assert_eq!(world.probe(true), None);
    (0..2).for_each(|_| drop(world.check(0, true)));
    assert_eq!(world.probe(true), Some(0));
    world.change_of(1, None, false);
    assert_eq!(world.probe(true), Some(1));
}

#[test]
fn does_not_go_where_it_is_not_wanted_or_has_no_place() {
    let mut world = World::new(2, CHECKED);
    world.eject(0);
    world.pass(RULES.base);
    assert!(world.roster.claim_probe(true, |_| false, world.now).is_none());
    world.change_of(0, Some(1), false);
    assert!(world.backends[0].try_enter());
    assert_eq!(world.probe(true), None);
    world.backends[0].leave();
    assert_eq!(world.probe(true), Some(0));
}
