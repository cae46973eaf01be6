//! Decisions of active checks alone.

use super::*;

#[test]
fn a_backend_never_checked_is_used() {
    assert_eq!(World::new(1, CHECKED).eligible(), [0]);
}

#[test]
fn the_first_check_decides() {
    let world = World::new(1, CHECKED);
    assert_eq!(world.check(0, false), [BackendChange::BecameUnhealthy(1)]);
    assert!(!world.is_eligible(0));
    let world = World::new(1, CHECKED);
    assert_eq!(world.check(0, true), []);
    assert!(world.is_eligible(0));
}

#[test]
fn the_first_time_up_one_pass_is_enough() {
    let world = World::new(1, CHECKED);
    world.check(0, false);
    world.check(0, false);
    assert_eq!(world.check(0, true), [BackendChange::BecameHealthy(1)]);
    assert!(world.is_eligible(0));
}

#[test]
fn falls_after_fall_failures_in_a_row() {
    let world = World::new(1, CHECKED);
    for passes in [true, false, false, true, false, false] {
        assert_eq!(world.check(0, passes), []);
    }
    assert!(world.is_eligible(0));
    assert_eq!(world.check(0, false), [BackendChange::BecameUnhealthy(3)]);
    assert_eq!(world.check(0, false), [], "a change is reported once");
    assert!(!world.is_eligible(0));
}

#[test]
fn rises_after_rise_passes_in_a_row() {
    let world = World::new(1, CHECKED);
    world.check(0, true);
    (0..3).for_each(|_| drop(world.check(0, false)));
    for passes in [true, false, true] {
        assert_eq!(world.check(0, passes), []);
    }
    assert_eq!(world.check(0, true), [BackendChange::BecameHealthy(2)]);
    assert!(world.is_eligible(0));
}
