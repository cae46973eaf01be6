//! Properties over generated weights: every backend has its share, and is yielded once.

use super::*;

fn weights_and_ejected() -> impl Strategy<Value = (Vec<u16>, Vec<bool>)> {
    (1..30_usize).prop_flat_map(|len| (vec(1..=20_u16, len), vec(any::<bool>(), len)))
}

proptest! {
    #![proptest_config(Config {
        cases: 64,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(7),
        ..Config::default()
    })]

    #[test]
    fn over_a_cycle_shares_are_the_weights_of_the_eligible(
        (weights, ejected) in weights_and_ejected(),
        before in 0..100_usize,
    ) {
        let fixture = Fixture::new(Algorithm::RoundRobin, &weights);
        fixture.counts(before);
        let expected = fixture.eject_all(&weights, &ejected);
        prop_assert_eq!(fixture.counts(expected.iter().sum()), expected);
    }

    #[test]
    fn least_connections_fills_the_eligible_by_weight((weights, ejected) in weights_and_ejected()) {
        let fixture = Fixture::new(Algorithm::LeastConn, &weights);
        let expected = fixture.eject_all(&weights, &ejected);
        for _ in 0..expected.iter().sum() {
            assert!(fixture.backends[fixture.pick().unwrap()].try_enter());
        }
        for (backend, weight) in fixture.backends.iter().zip(expected) {
            prop_assert!(backend.active().abs_diff(weight) <= 1);
        }
    }

    #[test]
    fn each_eligible_backend_is_yielded_once_and_no_other(
        (weights, ejected) in weights_and_ejected(),
        large in any::<bool>(),
    ) {
        let repeat = if large { 4 } else { 1 };
        let (weights, ejected) = (weights.repeat(repeat), ejected.repeat(repeat));
        for algorithm in ALL {
            let fixture = Fixture::new(algorithm, &weights);
            let left = fixture.eject_all(&weights, &ejected);
            let eligible: Vec<usize> = (0..left.len()).filter(|index| left[*index] > 0).collect();
            let mut picks = fixture.all_picks();
            picks.sort_unstable();
            prop_assert_eq!(picks, eligible, "{:?}", algorithm);
        }
    }
}
