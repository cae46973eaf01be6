//! A backend that comes back gets its share gradually.

use super::*;

#[test]
fn a_backend_that_is_back_for_half_of_the_slow_start_has_half_of_its_share() {
    let fixture = Fixture::with_slow_start(Algorithm::RoundRobin, Duration::from_secs(300));
    fixture.eject(1);
    // In the middle of the step.
    fixture.readmit_at(1, ago(Duration::from_secs(157)));
    assert_eq!(fixture.counts(50), [20, 10, 20]);
}

#[test]
fn a_backend_that_is_just_back_has_a_tenth_of_its_share_with_every_algorithm() {
    for (algorithm, share) in [
        (Algorithm::RoundRobin, 30..=30),
        (Algorithm::LeastConn, 30..=30),
        (Algorithm::Ewma, 0..=60),
    ] {
        let fixture = Fixture::with_slow_start(algorithm, Duration::from_secs(300));
        fixture.eject(1);
        fixture.readmit(1);
        // Each request stays in flight; among idle backends, expected latency would send none to a
        // backend in slow start.
        let mut counts = [0; 3];
        for _ in 0..630 {
            let picked = fixture.pick().unwrap();
            assert!(fixture.backends[picked].try_enter());
            counts[picked] += 1;
        }
        assert!(share.contains(&counts[1]), "{algorithm:?}: {counts:?}");
        assert!(counts[1] >= 15, "{algorithm:?}: {counts:?}");
    }
}

#[test]
fn a_slow_start_ends_without_an_event() {
    for algorithm in ALL {
        let fixture = Fixture::with_slow_start(algorithm, Duration::from_millis(200));
        fixture.eject(1);
        fixture.readmit(1);
        let changes = fixture.roster.changes();
        let deadline = clock::now() + Duration::from_secs(5);
        let weight = || fixture.selector.snapshot().tiers[0].candidates.weight(1);
        assert!(weight() < 20, "{algorithm:?}");
        // Once no backend is in slow start, the weights are the configured ones.
        while weight() != 1 {
            assert!(clock::now() < deadline, "{algorithm:?}: it did not end");
            thread::yield_now();
        }
        assert_eq!(fixture.roster.changes(), changes);
    }
}

#[test]
fn a_backend_that_was_never_away_does_not_start_slowly() {
    let fixture = Fixture::with_slow_start(Algorithm::RoundRobin, Duration::from_secs(300));
    assert_eq!(fixture.picks(3), [0, 1, 2]);
    assert_eq!(fixture.selector.snapshot().tiers[0].candidates.weight(1), 1);
}
