//! Picking a backend, giving it back, and learning from what it did.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

#[test]
fn a_lease_counts_until_it_is_dropped() {
    let pool = pool(&[1]);
    let leases = [pick(&pool, &first()).unwrap(), pick(&pool, &first()).unwrap()];
    let backend = Arc::clone(leases[0].backend());
    assert_eq!(backend.active(), 2);
    drop(leases);
    assert_eq!(backend.active(), 0);
}

#[test]
fn a_lease_is_given_back_by_a_panic() {
    let pool = pool(&[1]);
    let backend = Arc::clone(pick(&pool, &first()).unwrap().backend());
    let panics = || {
        let _lease = pick(&pool, &first()).unwrap();
        assert_eq!(backend.active(), 1);
        panic!("in the middle of a request");
    };
    catch_unwind(AssertUnwindSafe(panics)).unwrap_err();
    assert_eq!(backend.active(), 0);
}

#[test]
fn a_tried_backend_is_not_picked_while_another_is_left() {
    let pool = pool(&[1, 2]);
    for _ in 0..4 {
        assert_eq!(port(&pick(&pool, &tried(&[1], Failure::Broken)).unwrap()), 2);
    }
}

#[test]
fn a_tried_backend_is_picked_again_if_none_is_left_unless_it_answered() {
    let pool = pool(&[1, 2]);
    assert!(pick(&pool, &tried(&[1, 2], Failure::Broken)).is_ok());
    let answered = pick(&pool, &tried(&[1, 2], Failure::Status(503)));
    assert_eq!(answered.unwrap_err(), Unavailable::NoneEligible);
}

#[test]
fn a_backend_that_answered_is_not_picked_again_after_another_gave_no_answer() {
    let pool = pool(&[1, 2]);
    let mut request = tried(&[1], Failure::Status(503)).into_owned();
    request.tried.to_mut().extend(super::tried(&[2], Failure::Broken).tried.into_owned());
    for _ in 0..4 {
        assert_eq!(port(&pick(&pool, &request).unwrap()), 2);
    }
}

#[test]
fn a_refusing_backend_is_not_picked() {
    let pool = pool(&[1, 2]);
    let refused = pick(&pool, &tried(&[2], Failure::Broken)).unwrap();
    fail(&pool, &refused, Failure::Refused, clock::now());
    for _ in 0..4 {
        assert_eq!(port(&pick(&pool, &first()).unwrap()), 2);
    }
    let all = pick(&pool, &tried(&[2], Failure::Status(503)));
    assert_eq!(all.unwrap_err(), Unavailable::NoneEligible);
}

#[test]
fn other_statuses_the_request_timeout_and_a_lack_of_files_say_nothing_about_the_backend() {
    let pool = pool(&[1, 2]);
    let lease = pick(&pool, &first()).unwrap();
    let all = [Failure::Status(500), Failure::Status(429), Failure::OutOfTime, Failure::NoSocket];
    for failure in all {
        (0..9).for_each(|_| fail(&pool, &lease, failure, clock::now()));
    }
    assert!(lease.backend().is_eligible() && !lease.backend().is_suspect());
}

#[test]
fn a_probe_goes_first_and_ends_with_its_lease() {
    let pool = pool(&[1, 2]);
    let now = clock::now();
    let failing = pick(&pool, &first()).unwrap();
    (0..5).for_each(|_| fail(&pool, &failing, Failure::Timeout, now));
    assert!(!failing.backend().is_eligible());
    let later = now + config::EjectionRules::default().base;
    let probe = pool.pick(&first(), later).unwrap();
    assert!(probe.is_probe() && port(&probe) == port(&failing));
    assert!(!pool.pick(&first(), later).unwrap().is_probe(), "one at a time");
    drop(probe);
    let probe = pool.pick(&first(), later).unwrap();
    assert!(probe.is_probe(), "nothing was shown, so another follows");
    pool.answered(&probe, None, later);
    assert!(failing.backend().is_eligible());
}

#[test]
fn a_full_backend_is_not_picked_and_no_request_overtakes() {
    let pool = build(&[limited(1, 1), limited(2, 2)], |_| {});
    let leases: Vec<_> = (0..3).map(|_| pick(&pool, &first()).unwrap()).collect();
    assert_eq!(leases.iter().filter(|lease| port(lease) == 1).count(), 1);
    assert_eq!(pick(&pool, &first()).unwrap_err(), Unavailable::Full);
    drop(leases);
    assert!(pick(&pool, &first()).is_ok());
}

#[test]
fn when_all_have_failed_it_the_last_one_is_not_asked_twice_in_a_row() {
    let pool = pool(&[1, 2, 3]);
    for _ in 0..6 {
        let lease = pick(&pool, &tried(&[1, 2, 3], Failure::Broken)).unwrap();
        assert_ne!(port(&lease), 3);
    }
}
