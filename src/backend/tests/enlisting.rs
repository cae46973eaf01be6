//! Backends that stay, go and come back with a new configuration.

use super::*;

fn enlist(world: &World, ports: &[u16], policy: &Policy) {
    let terms = BackendSettings { name: "a:1".into(), drain: false, max_connections: None };
    let terms = ports.iter().map(|port| (address(*port), terms.clone())).collect();
    world.roster.enlist(&terms, policy, world.now);
}

#[test]
fn a_backend_that_stays_keeps_its_state() {
    let world = World::new(3, CHECKED);
    world.fail(0, EjectionCause::Refused);
    enlist(&world, &[1, 2, 7], &CHECKED);
    assert_eq!(world.eligible(), [1, 2]);
    assert!(Arc::ptr_eq(&world.roster.backend(&address(1)), &world.backends[0]));
}

#[test]
fn events_of_a_removed_backend_are_ignored() {
    let world = World::new(4, CHECKED);
    enlist(&world, &[1, 2], &CHECKED);
    (0..9).for_each(|_| assert!(world.fail(3, EjectionCause::Timeout).is_empty()));
    assert!(world.fail(2, EjectionCause::Refused).is_empty());
    world.eject(0);
    (0..9).for_each(|_| assert!(world.fail(1, EjectionCause::Timeout).is_empty(), "half of two"));
    assert_eq!(world.eligible(), [1, 2, 3]);
}

#[test]
fn a_backend_that_returns_is_a_new_one() {
    let world = World::new(2, CHECKED);
    world.fail(1, EjectionCause::Refused);
    enlist(&world, &[1], &CHECKED);
    enlist(&world, &[1, 2], &CHECKED);
    assert!(world.roster.backend(&address(2)).is_eligible());
}

#[test]
fn without_checks_their_results_are_void_and_refusers_are_probed() {
    let world = World::new(3, CHECKED);
    world.check(0, false);
    world.fail(1, EjectionCause::Refused);
    assert_eq!(world.eligible(), [2]);
    enlist(&world, &[1, 2, 3], &UNCHECKED);
    assert_eq!(world.eligible(), [0, 2]);
    assert_eq!(world.probe(true), Some(1));
}

#[test]
fn is_what_makes_a_backend_known_and_nothing_else_does() {
    let world = World::new(2, CHECKED);
    let candidate = world.roster.candidate(&address(3));
    assert!(world.roster.known(&address(3)).is_none());
    assert_eq!(world.roster.remember(world.now).len(), 2);
    let failed = Event::AttemptFailed(world.failure(EjectionCause::Refused));
    assert!(world.roster.apply(&candidate, failed, &CHECKED, world.now).is_empty());
    world.eject(0);
    (0..9).for_each(|_| assert!(world.fail(1, EjectionCause::Timeout).is_empty(), "one of two"));

    assert!(Arc::ptr_eq(&candidate, &world.roster.candidate(&address(3))));
    enlist(&world, &[1, 2, 3], &CHECKED);
    assert!(Arc::ptr_eq(&candidate, &world.roster.known(&address(3)).unwrap()));
    assert_eq!(candidate.serving_since(), Some(world.now), "it starts slowly");

    drop(world.roster.candidate(&address(4)));
    enlist(&world, &[1, 2, 3, 4], &CHECKED);
    assert_eq!(world.roster.remember(world.now).len(), 4);
}

#[test]
fn is_never_exceeded_and_says_full() {
    let world = World::new(1, CHECKED);
    let backend = &world.backends[0];
    world.change_of(0, Some(2), false);
    assert!(backend.try_enter() && backend.try_enter());
    assert!(!backend.try_enter());
    assert_eq!(backend.eligibility(world.now), Eligibility::Full);
    assert!(backend.is_open() && !backend.is_eligible());
    backend.leave();
    assert!(backend.is_eligible() && backend.try_enter());
    assert_eq!(backend.active(), 2);
}
