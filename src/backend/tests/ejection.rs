//! Ejections by a guess: when, for how long, and how many at once.

use super::*;

const CAUSES: [EjectionCause; 6] = [
    EjectionCause::ConnectTimeout,
    EjectionCause::ConnectFailure,
    EjectionCause::Reset,
    EjectionCause::Timeout,
    EjectionCause::Status(502),
    EjectionCause::Status(503),
];

#[test]
fn follows_five_failures_in_a_row_of_any_cause() {
    let world = World::new(2, CHECKED);
    for cause in [
        EjectionCause::Reset,
        EjectionCause::Timeout,
        EjectionCause::Status(503),
        EjectionCause::ConnectTimeout,
    ] {
        assert_eq!(world.fail(0, cause), []);
    }
    let until = EjectionEnd::Probe(world.now + RULES.base);
    let ejected = BackendChange::Ejected(EjectionCause::Status(502), until, 5);
    assert_eq!(world.fail(0, EjectionCause::Status(502)), [ejected]);
    assert_eq!(world.eligible(), [1]);
}

#[test]
fn an_answer_in_between_starts_the_row_anew() {
    let world = World::new(2, CHECKED);
    (0..4).for_each(|_| drop(world.fail(0, EjectionCause::Reset)));
    assert!(world.backends[0].is_suspect());
    world.answer(0);
    assert!(!world.backends[0].is_suspect());
    (0..4).for_each(|_| drop(world.fail(0, EjectionCause::Reset)));
    assert!(world.is_eligible(0));
}

#[test]
fn follows_two_failures_if_nothing_else_happened_for_a_second() {
    for cause in CAUSES {
        let mut world = World::new(2, CHECKED);
        assert_eq!(world.fail(0, cause), []);
        world.pass(SECOND);
        assert_eq!(world.fail(0, cause).len(), 1, "{cause}");
    }
}

#[test]
fn an_attempt_that_hung_for_a_second_counts_from_its_beginning() {
    let mut world = World::new(2, CHECKED);
    let since = world.now;
    world.pass(SECOND);
    let hung = AttemptFailure { since, ..world.failure(EjectionCause::Timeout) };
    assert_eq!(world.apply(0, Event::AttemptFailed(hung)), [], "one may be the request's fault");
    assert_eq!(world.apply(0, Event::AttemptFailed(hung)).len(), 1);
}

#[test]
fn an_answer_to_another_request_starts_the_row_anew() {
    let mut world = World::new(2, CHECKED);
    let began = world.now;
    world.pass(SECOND);
    world.backends[0].note_answer(world.now);
    let since = world.backends[0].since_answer(began);
    assert_eq!(since, world.now);
    let hung = AttemptFailure { since, ..world.failure(EjectionCause::Timeout) };
    assert_eq!(world.apply(0, Event::AttemptFailed(hung)), []);
    assert_eq!(world.apply(0, Event::AttemptFailed(hung)), []);
}

#[test]
fn five_answers_in_a_row_that_break_off_eject_although_each_began_well() {
    let world = World::new(2, CHECKED);
    let break_off = || {
        world.answer(0);
        world.apply(
            0,
            Event::AttemptFailed(AttemptFailure {
                midway: true,
                ..world.failure(EjectionCause::Reset)
            }),
        )
    };
    (0..4).for_each(|_| assert_eq!(break_off(), []));
    world.apply(0, Event::Completed);
    (0..4).for_each(|_| assert_eq!(break_off(), []));
    assert_eq!(break_off().len(), 1);
}

#[test]
fn switched_off_leaves_only_refused_connections() {
    let world = World::new(2, Policy { ejection: None, ..CHECKED });
    (0..50).for_each(|_| assert_eq!(world.fail(0, EjectionCause::Timeout), []));
    assert_eq!(world.fail(0, EjectionCause::Refused).len(), 1);
}

#[test]
fn takes_out_half_of_a_pool_at_most() {
    for (size, most) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (10, 5)] {
        let world = World::new(size, CHECKED);
        for index in 0..usize::from(size) {
            (0..9).for_each(|_| drop(world.fail(index, EjectionCause::Timeout)));
        }
        assert_eq!(usize::from(size) - world.eligible().len(), most, "of {size}");
    }
}

#[test]
fn never_takes_out_the_last_one() {
    let world = World::new(3, CHECKED);
    world.fail(1, EjectionCause::Refused);
    world.fail(2, EjectionCause::Refused);
    (0..9).for_each(|_| assert_eq!(world.fail(0, EjectionCause::Timeout), []));
    assert_eq!(world.eligible(), [0]);
}

#[test]
fn ends_when_no_other_backend_is_left() {
    let world = World::new(2, CHECKED);
    world.eject(0);
    let changes = world.fail(1, EjectionCause::Refused);
    assert_eq!(changes[1..], [BackendChange::Readmitted(ReadmissionCause::NoOtherBackend)]);
    assert_eq!(world.eligible(), [0]);
}

#[test]
fn lasts_thirty_seconds_more_each_time_and_no_longer_than_300() {
    let mut world = World::new(2, CHECKED);
    world.eject(0);
    for terms in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10] {
        assert_eq!(world.term(0), terms * RULES.base);
        world.pass(terms * RULES.base);
        assert_eq!(world.probe(true), Some(0));
        let failed = AttemptFailure { probe: true, ..world.failure(EjectionCause::Timeout) };
        assert_eq!(
            world.apply(0, Event::AttemptFailed(failed)).len(),
            1,
            "one failed probe is enough"
        );
    }
}

#[test]
fn starts_anew_after_serving_for_as_long_as_the_last_term() {
    let mut world = World::new(2, CHECKED);
    for (served, terms) in [(0, 1), (29, 2), (60, 1), (29, 2), (59, 3)] {
        world.pass(served * SECOND);
        world.eject(0);
        assert_eq!(world.term(0), terms * RULES.base, "after {served} s");
        world.pass(terms * RULES.base);
        world.probe(true);
        world.apply(0, Event::Answered { probe: true });
    }
}

#[test]
fn long_ago_is_forgotten_also_when_it_has_refused_since() {
    let mut world = World::new(2, CHECKED);
    for _ in 0..5 {
        world.eject(0);
        let term = world.term(0);
        world.pass(term);
        world.probe(true);
        world.apply(0, Event::Answered { probe: true });
    }
    world.pass(24 * 3600 * SECOND);
    world.fail(0, EjectionCause::Refused);
    (0..2).for_each(|_| drop(world.check(0, true)));
    world.pass(10 * SECOND);
    world.eject(0);
    assert_eq!(world.term(0), RULES.base);
}

#[test]
fn its_jitter_shortens_it_by_a_tenth_at_most() {
    for (draw, millis) in [(0.0, 30_000), (0.5, 28_500), (1.0, 27_000)] {
        let world = World::new(2, CHECKED);
        let failed = AttemptFailure { draw, ..world.failure(EjectionCause::Reset) };
        (0..5).for_each(|_| drop(world.apply(0, Event::AttemptFailed(failed))));
        assert_eq!(world.term(0), Duration::from_millis(millis));
    }
}

#[test]
fn passed_checks_do_not_shorten_it() {
    let mut world = World::new(2, CHECKED);
    world.eject(0);
    (0..100).for_each(|_| assert_eq!(world.check(0, true), []));
    world.pass(RULES.base);
    (0..100).for_each(|_| assert_eq!(world.check(0, true), []));
    assert!(!world.is_eligible(0));
    assert_eq!(
        world.backends[0].eligibility(world.now),
        Eligibility::HalfOpen { cause: EjectionCause::Timeout }
    );
}

#[test]
fn becomes_one_for_refusing_when_a_check_is_refused() {
    let world = World::new(2, CHECKED);
    world.check(0, true);
    world.eject(0);
    let ejected = BackendChange::Ejected(EjectionCause::Refused, EjectionEnd::ChecksPass, 1);
    assert_eq!(world.apply(0, Event::CheckFailed { refused: true }), [ejected]);
    assert_eq!(world.check(0, true), []);
    assert!(!world.is_eligible(0));
    assert_eq!(world.check(0, true).len(), 1);
    assert!(world.is_eligible(0));
}

#[test]
fn late_answers_to_others_do_not_end_it() {
    let mut world = World::new(2, CHECKED);
    world.eject(0);
    assert_eq!(world.answer(0), []);
    world.pass(RULES.base);
    assert_eq!(world.probe(true), Some(0));
    assert_eq!(world.answer(0), []);
    assert!(!world.is_eligible(0));
}

#[test]
fn that_coincides_with_unhealthy_is_reported_and_counted_as_well() {
    let world = World::new(2, CHECKED);
    world.check(0, true);
    world.eject(0);
    let refused = Event::CheckFailed { refused: true };
    let policy = Policy { fall: 1, ..CHECKED };
    let changes = world.roster.apply(&world.backends[0], refused, &policy, world.now);
    let changes = changes.into_iter().filter_map(|change| match change {
        PoolChange::Backend(_, change) => Some(change),
        _ => None,
    });
    let ejected = BackendChange::Ejected(EjectionCause::Refused, EjectionEnd::ChecksPass, 1);
    assert_eq!(changes.collect::<Vec<_>>(), [BackendChange::BecameUnhealthy(1), ejected]);
    let counted = world.backends[0].counts().ejections();
    assert_eq!(counted[EjectionCause::Refused.place()], 1);
    assert_eq!(counted[EjectionCause::Timeout.place()], 1);
}

#[test]
fn for_a_connection_that_was_not_made_ends_when_checks_pass() {
    for cause in [EjectionCause::ConnectTimeout, EjectionCause::ConnectFailure] {
        let world = World::new(2, CHECKED);
        (0..5).for_each(|_| drop(world.fail(0, cause)));
        assert_eq!(world.until(0), EjectionEnd::ChecksPass);
        world.check(0, true);
        let readmitted = BackendChange::Readmitted(ReadmissionCause::ChecksPassed(2));
        assert_eq!(world.check(0, true), [readmitted]);
        let unchecked = World::new(2, UNCHECKED);
        (0..5).for_each(|_| drop(unchecked.fail(0, cause)));
        assert_eq!(unchecked.term(0), RULES.base, "where nothing checks, a probe decides");
    }
}
