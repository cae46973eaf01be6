//! Backends that refuse connections, and how they come back.

use super::*;

#[test]
fn ejects_at_once_until_rise_checks_have_passed_since() {
    let mut world = World::new(1, CHECKED);
    (0..2).for_each(|_| drop(world.check(0, true)));
    let ejected = BackendChange::Ejected(EjectionCause::Refused, EjectionEnd::ChecksPass, 1);
    assert_eq!(world.fail(0, EjectionCause::Refused), [ejected]);
    assert_eq!(world.fail(0, EjectionCause::Refused), [], "one ejection at a time");
    world.pass(3600 * SECOND);
    assert!(!world.is_eligible(0));
    assert_eq!(world.probe(true), None, "checks are asked, not requests");
    assert_eq!(world.check(0, true), [], "passes from before do not count");
    let readmitted = BackendChange::Readmitted(ReadmissionCause::ChecksPassed(2));
    assert_eq!(world.check(0, true), [readmitted]);
    assert!(world.is_eligible(0));
}

#[test]
fn takes_out_all_of_them_if_all_refuse() {
    let world = World::new(3, CHECKED);
    (0..3).for_each(|index| drop(world.fail(index, EjectionCause::Refused)));
    assert!(world.eligible().is_empty());
}

#[test]
fn before_the_first_check_ends_with_rise_passes_too() {
    let world = World::new(1, CHECKED);
    world.fail(0, EjectionCause::Refused);
    assert_eq!(world.check(0, true), []);
    assert!(!world.is_eligible(0));
    assert_eq!(world.check(0, true).len(), 1);
    assert!(world.is_eligible(0));
}

#[test]
fn unhealthy_and_ejected_end_together() {
    let world = World::new(1, CHECKED);
    world.check(0, true);
    world.fail(0, EjectionCause::Refused);
    (0..3).for_each(|_| drop(world.check(0, false)));
    world.check(0, true);
    let readmitted = BackendChange::Readmitted(ReadmissionCause::ChecksPassed(2));
    assert_eq!(world.check(0, true), [BackendChange::BecameHealthy(2), readmitted]);
    assert!(world.is_eligible(0));
}

#[test]
fn with_checks_off_probes_come_after_a_second_to_a_minute() {
    let mut world = World::new(1, UNCHECKED);
    world.fail(0, EjectionCause::Refused);
    for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
        assert_eq!(world.term(0), seconds * SECOND);
        assert_eq!(world.probe(true), None);
        world.pass(seconds * SECOND);
        assert_eq!(world.probe(true), Some(0));
        let refused = AttemptFailure { probe: true, ..world.failure(EjectionCause::Refused) };
        assert_eq!(world.apply(0, Event::AttemptFailed(refused)).len(), 1);
    }
}
