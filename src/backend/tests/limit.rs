//! The limit on the requests that a backend has at once.

use super::*;

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
