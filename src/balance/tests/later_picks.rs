//! The picks after a backend that the request has refused, by each algorithm.

use super::*;

#[test]
fn least_connections_follows_requests_in_flight() {
    let fixture = Fixture::new(Algorithm::LeastConn, &[1, 1, 1]);
    assert!(fixture.backends[0].try_enter());
    assert!(fixture.backends[2].try_enter());
    assert_eq!(fixture.picks(3), [1, 1, 1]);
    fixture.backends[2].leave();
    assert_eq!(fixture.picks(4), [1, 2, 1, 2]);
}

#[test]
fn the_share_of_a_refused_backend_goes_to_all_the_others_by_weight() {
    let fixture = Fixture::new(Algorithm::RoundRobin, &[4, 4, 1, 3]);
    let mut counts = [0_usize; 4];
    for _ in 0..12_000 {
        let mut picks = fixture.pingora.iter(b"");
        let first = index(picks.next().unwrap());
        let picked = if first == 0 { index(picks.next().unwrap()) } else { first };
        counts[picked] += 1;
    }
    for (count, expected) in counts.iter().zip([0, 6_000, 1_500, 4_500]) {
        assert!(count.abs_diff(expected) <= 150, "{counts:?}");
    }
}

#[test]
fn later_picks_do_not_take_turns_from_other_requests() {
    let fixture = Fixture::new(Algorithm::RoundRobin, &[1, 1, 1, 1]);
    let first_of_two = || {
        let mut picks = fixture.pingora.iter(b"");
        let first = index(picks.next().unwrap());
        assert_ne!(index(picks.next().unwrap()), first);
        first
    };
    assert_eq!((0..8).map(|_| first_of_two()).collect::<Vec<_>>(), [0, 1, 2, 3, 0, 1, 2, 3]);
}

#[test]
fn picks_that_have_ended_stay_ended() {
    for algorithm in ALL {
        let fixture = Fixture::new(algorithm, &[1, 1]);
        fixture.eject(1);
        let mut picks = fixture.pingora.iter(b"");
        assert_eq!(picks.next().map(index), Some(0));
        assert!(picks.next().is_none());
        fixture.readmit(1);
        assert!(picks.next().is_none(), "{algorithm:?}");
    }
}

#[test]
fn later_picks_of_least_connections_are_the_best_of_the_rest() {
    let fixture = Fixture::new(Algorithm::LeastConn, &[1, 1, 1, 1]);
    for (backend, active) in fixture.backends.iter().zip([3, 1, 4, 2]) {
        (0..active).for_each(|_| assert!(backend.try_enter()));
    }
    assert_eq!(fixture.all_picks(), [1, 3, 0, 2]);
}

#[test]
fn expected_latency_follows_response_times_and_requests_in_flight() {
    let fixture = Fixture::new(Algorithm::Ewma, &[1, 1]);
    let [fast, slow] = [Duration::from_millis(2), Duration::from_millis(7)];
    fixture.backends[0].latency().observe(slow, clock::now());
    fixture.backends[1].latency().observe(fast, clock::now());
    assert_eq!(fixture.counts(100), [0, 100]);
    (0..3).for_each(|_| assert!(fixture.backends[1].try_enter()));
    assert_eq!(fixture.counts(100), [100, 0]);
}

#[test]
fn later_picks_by_expected_latency_are_the_better_ones_of_the_rest() {
    let fixture = Fixture::new(Algorithm::Ewma, &[1, 1, 1]);
    for (backend, millis) in fixture.backends.iter().zip([3, 1, 2]) {
        backend.latency().observe(Duration::from_millis(millis), clock::now());
    }
    for _ in 0..100 {
        let picks = fixture.all_picks();
        assert!([[1, 2, 0], [1, 0, 2], [2, 1, 0]].contains(&[picks[0], picks[1], picks[2]]));
    }
}

#[test]
fn a_backend_that_joins_is_assumed_to_be_a_usual_one() {
    let fixture = Fixture::new(Algorithm::Ewma, &[1, 1, 1]);
    for (backend, millis) in fixture.backends.iter().zip([5, 2, 900]) {
        backend.latency().observe(Duration::from_millis(millis), clock::now());
    }
    let joined = fixture.roster.backend(&address(3));
    let config = config(Algorithm::Ewma);
    let config = SelectorConfig { roster: Arc::clone(&fixture.roster), ..config };
    let set = set(&[1, 1, 1, 1], &[]);
    let _rebuilt = PingoraSelector::build_with_config(&set, &Succession::new(config));
    let estimate = joined.latency().estimate(clock::now()).unwrap();
    assert!((4_900.0..=5_000.0).contains(&estimate), "{estimate}");
}
