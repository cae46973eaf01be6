//! A backend that asks to be left alone.

use super::*;

fn unavailable(world: &World, seconds: u64) -> Vec<BackendChange> {
    let retry_after = Some(Duration::from_secs(seconds));
    let failed =
        AttemptFailure { retry_after, draw: 1.0, ..world.failure(EjectionCause::Status(503)) };
    world.apply(0, Event::AttemptFailed(failed))
}

#[test]
fn ejects_for_that_long_on_the_second_503_in_a_row() {
    let world = World::new(2, CHECKED);
    assert_eq!(unavailable(&world, 7), []);
    let until = EjectionEnd::Probe(world.now + 7 * SECOND);
    assert_eq!(
        unavailable(&world, 7),
        [BackendChange::Ejected(EjectionCause::RetryAfter, until, 2)]
    );
}

#[test]
fn is_obeyed_for_thirty_seconds_at_most() {
    let world = World::new(2, CHECKED);
    unavailable(&world, 3600);
    unavailable(&world, 3600);
    assert_eq!(world.term(0), 30 * SECOND);
}

#[test]
fn is_obeyed_by_the_next_probe_too_and_leaves_the_count_alone() {
    let mut world = World::new(2, CHECKED);
    world.eject(0);
    world.pass(RULES.base);
    world.probe(true);
    let retry_after = Some(7 * SECOND);
    let failed =
        AttemptFailure { probe: true, retry_after, ..world.failure(EjectionCause::Status(503)) };
    world.apply(0, Event::AttemptFailed(failed));
    assert_eq!(world.term(0), 7 * SECOND);
}

#[test]
fn needs_two_503_in_a_row() {
    let world = World::new(2, CHECKED);
    unavailable(&world, 7);
    world.answer(0);
    assert_eq!(unavailable(&world, 7), []);
    world.fail(0, EjectionCause::Status(502));
    assert_eq!(unavailable(&world, 7), []);
}

#[test]
fn keeps_to_the_same_caps() {
    let world = World::new(1, CHECKED);
    (0..9).for_each(|_| assert_eq!(unavailable(&world, 7), []));
}
