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
fn that_was_inconclusive_is_followed_by_another_later() {
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
fn is_a_repeatable_request_or_after_a_while_any_request() {
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
fn of_a_refusing_backend_is_any_request_as_none_can_be_lost_there() {
    let mut world = World::new(2, UNCHECKED);
    world.fail(0, EjectionCause::Refused);
    assert_eq!(world.probe(false), None);
    world.pass(SECOND);
    assert_eq!(world.probe(false), Some(0));
}

#[test]
fn is_not_sent_to_a_backend_that_is_out_for_another_reason() {
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
fn does_not_go_to_an_unwanted_or_full_backend() {
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

#[test]
fn may_come_early_for_requests_that_would_fail_and_then_several_at_once() {
    let world = World::new(2, CHECKED);
    world.eject(0);
    assert_eq!(world.probe(true), None);
    let claim = || world.roster.claim_last_resort(|_| true, world.now).map(|it| it.leave());
    assert!(claim().is_some() && claim().is_some());
    let readmitted = BackendChange::Readmitted(ReadmissionCause::Probe);
    assert_eq!(world.apply(0, Event::Answered { probe: true }), [readmitted]);
    assert!(claim().is_none(), "it is back");
}

/// In an outage every request is such a probe, and what failed a hundred times in a second would be out
/// for the longest term.
#[test]
fn that_came_early_and_failed_changes_nothing() {
    let mut world = World::new(2, CHECKED);
    world.eject(0);
    for seconds in 1..10 {
        world.pass(SECOND);
        let claim = || world.roster.claim_last_resort(|_| true, world.now).map(|it| it.leave());
        assert!(claim().is_some() && claim().is_some());
        for cause in [EjectionCause::Status(503), EjectionCause::ConnectTimeout] {
            let retry_after = Some(SECOND);
            let failed = AttemptFailure { probe: true, retry_after, ..world.failure(cause) };
            assert_eq!(world.apply(0, Event::AttemptFailed(failed)), []);
        }
        assert_eq!(world.term(0), RULES.base - seconds * SECOND);
    }
    world.pass(RULES.base - 9 * SECOND);
    assert_eq!(world.probe(true), Some(0), "all were given back");
    let failed = AttemptFailure { probe: true, ..world.failure(EjectionCause::Timeout) };
    assert_eq!(world.apply(0, Event::AttemptFailed(failed)).len(), 1);
    assert_eq!(world.term(0), 2 * RULES.base);
}

#[test]
fn that_came_early_and_failed_is_followed_by_one_of_another_backend() {
    let mut world = World::new(4, CHECKED);
    world.eject(0);
    world.pass(SECOND);
    world.eject(1);
    for expected in [0, 1, 0, 1] {
        world.pass(SECOND);
        let claimed = world.roster.claim_last_resort(|_| true, world.now).unwrap();
        claimed.leave();
        assert!(Arc::ptr_eq(&claimed, &world.backends[expected]));
        let failed = AttemptFailure { probe: true, ..world.failure(EjectionCause::Timeout) };
        world.apply(expected, Event::AttemptFailed(failed));
    }
}

#[test]
fn that_was_hastened_and_failed_leaves_the_term_as_it_was() {
    let mut world = World::new(2, CHECKED);
    world.eject(0);
    world.pass(SECOND);
    (0..5).for_each(|_| drop(world.fail(1, EjectionCause::Status(503))));
    for seconds in 1..=5 {
        assert_eq!(world.probe(true), Some(0));
        let failed = AttemptFailure { probe: true, ..world.failure(EjectionCause::Timeout) };
        assert_eq!(world.apply(0, Event::AttemptFailed(failed)), []);
        assert_eq!(world.term(0), RULES.base - seconds * SECOND);
        world.fail(1, EjectionCause::Status(503));
        assert_eq!(world.probe(true), None, "the last one was less than a second ago");
        world.pass(SECOND);
    }
}

#[test]
fn comes_early_only_to_backends_that_nothing_but_the_ejection_keeps_out() {
    let mut world = World::new(8, CHECKED);
    (0..4).for_each(|index| world.eject(index));
    (0..3).for_each(|_| drop(world.check(0, false)));
    world.change_of(1, None, true);
    world.apply(2, Event::CheckFailed { refused: true });
    world.pass(SECOND);
    world.apply(4, Event::Operator(OperatorAction::Eject(SECOND)));
    let claimed = world.roster.claim_last_resort(|_| true, world.now).unwrap();
    assert!(Arc::ptr_eq(&claimed, &world.backends[3]));
    assert!(world.roster.claim_last_resort(|one| *one.id() != *claimed.id(), world.now).is_none());
}

#[test]
fn is_due_at_once_when_the_pool_cannot_spare_the_next_ejection() {
    let mut world = World::new(2, CHECKED);
    world.eject(0);
    world.pass(SECOND);
    (0..4).for_each(|_| drop(world.fail(1, EjectionCause::Status(503))));
    assert_eq!(world.probe(true), None);
    assert_eq!(world.fail(1, EjectionCause::Status(503)), [], "it is the last one");
    assert_eq!(world.probe(true), Some(0));
}
