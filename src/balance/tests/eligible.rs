//! Only eligible backends are yielded, also if the snapshot is stale.

use super::*;

#[test]
fn an_ejected_backend_is_not_yielded_and_a_readmitted_one_is() {
    for algorithm in BOTH {
        let fixture = Fixture::new(algorithm, &[1, 1, 1]);
        fixture.eject(1);
        assert_eq!(fixture.counts(10), [5, 0, 5], "{algorithm:?}");
        assert_eq!(fixture.all_picks().len(), 2);
        fixture.readmit(1);
        assert_eq!(fixture.counts(9), [3, 3, 3], "{algorithm:?}");
        assert_eq!(fixture.all_picks().len(), 3);
    }
}

#[test]
fn a_full_backend_is_not_yielded_and_one_with_a_free_slot_is() {
    for algorithm in ALL {
        let fixture = Fixture::new(algorithm, &[1, 1]);
        let terms = BackendSettings { name: "a:1".into(), drain: false, max_connections: Some(1) };
        let open = BackendSettings { name: "a:1".into(), drain: false, max_connections: None };
        let terms = [(0, terms), (1, open)].map(|(index, it)| (address(index), it));
        fixture.roster.enlist(&terms.into(), &POLICY, clock::now());
        assert!(fixture.backends[0].try_enter());
        assert_eq!(fixture.counts(10), [0, 10], "{algorithm:?}");
        assert_eq!(fixture.all_picks(), [1]);
        fixture.backends[0].leave();
        assert_eq!(fixture.all_picks().len(), 2);
    }
}

#[test]
fn without_an_eligible_backend_none_is_yielded() {
    for algorithm in ALL {
        let fixture = Fixture::new(algorithm, &[1, 1]);
        fixture.eject(0);
        fixture.eject(1);
        assert!(fixture.all_picks().is_empty());
        assert!(Fixture::new(algorithm, &[]).all_picks().is_empty());
    }
}

#[test]
fn a_stale_snapshot_yields_exactly_the_eligible() {
    for algorithm in ALL {
        let fixture = Fixture::new(algorithm, &[1; 20]);
        fixture.eject(4);
        fixture.eject(5);
        fixture.pick();
        let _renewing = fixture.selector.snapshot.hold_renewal();
        fixture.readmit(4);
        fixture.eject(11);
        let mut picks = fixture.all_picks();
        picks.sort_unstable();
        let eligible: Vec<usize> = (0..20).filter(|index| ![5, 11].contains(index)).collect();
        assert_eq!(picks, eligible, "{algorithm:?}");
    }
}

#[test]
fn a_snapshot_that_missed_the_only_eligible_one_finds_it() {
    for algorithm in ALL {
        let fixture = Fixture::new(algorithm, &[1, 1, 1]);
        fixture.eject(1);
        fixture.pick();
        let _renewing = fixture.selector.snapshot.hold_renewal();
        fixture.eject(0);
        fixture.eject(2);
        fixture.readmit(1);
        assert_eq!(fixture.all_picks(), [1], "{algorithm:?}");
    }
}

#[test]
fn flapping_does_not_restart_the_rotation() {
    let fixture = Fixture::new(Algorithm::RoundRobin, &[5, 1, 1, 1]);
    let mut counts = [0; 3];
    for _ in 0..70 {
        fixture.eject(3);
        counts[fixture.pick().unwrap()] += 1;
        fixture.readmit(3);
        fixture.selector.snapshot();
    }
    assert_eq!(counts, [50, 10, 10]);
}
