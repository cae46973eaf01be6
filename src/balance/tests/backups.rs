//! Backups serve when no primary is left.

use super::*;

#[test]
fn backups_get_nothing_while_a_primary_is_eligible() {
    for algorithm in ALL {
        let fixture = Fixture::with_backups(algorithm, &[1, 1, 1, 1], &[0, 2]);
        fixture.eject(1);
        assert_eq!(fixture.counts(20), [0, 0, 0, 20], "{algorithm:?}");
    }
}

#[test]
fn backups_share_when_no_primary_is_eligible_and_make_way_when_one_is_back() {
    for algorithm in ALL {
        let fixture = Fixture::with_backups(algorithm, &[1, 1, 1, 1], &[0, 2]);
        fixture.eject(1);
        fixture.eject(3);
        let counts = fixture.counts(100);
        assert!(counts[0] >= 30 && counts[2] >= 30, "{algorithm:?}: {counts:?}");
        fixture.readmit(3);
        assert_eq!(fixture.counts(20), [0, 0, 0, 20], "{algorithm:?}");
    }
}

#[test]
fn a_request_that_has_tried_all_primaries_gets_the_backups() {
    for algorithm in ALL {
        // There are more of each than a request remembers one by one.
        let backups: Vec<usize> = (0..20).step_by(2).collect();
        let fixture = Fixture::with_backups(algorithm, &[1; 20], &backups);
        fixture.eject(0);
        fixture.eject(1);
        let picks = fixture.all_picks();
        let (first, last) = picks.split_at(9);
        assert_eq!(last.len(), 9, "{algorithm:?}");
        assert!(first.iter().all(|index| index % 2 == 1), "{algorithm:?}: {picks:?}");
        assert!(last.iter().all(|index| index % 2 == 0), "{algorithm:?}: {picks:?}");
    }
}

#[test]
fn backups_share_by_the_algorithm_among_themselves() {
    let fixture = Fixture::with_backups(Algorithm::RoundRobin, &[5, 5, 1, 1], &[0, 2, 3]);
    fixture.eject(1);
    assert_eq!(fixture.picks(7), [0, 0, 2, 0, 3, 0, 0]);
    let fixture = Fixture::with_backups(Algorithm::LeastConn, &[1, 1, 1, 1], &[0, 2, 3]);
    fixture.eject(1);
    assert!(fixture.backends[2].try_enter());
    assert_eq!(fixture.picks(4), [0, 3, 0, 3]);
}

#[test]
fn a_pool_of_backups_alone_serves() {
    for algorithm in ALL {
        let fixture = Fixture::with_backups(algorithm, &[1, 1], &[0, 1]);
        assert_eq!(fixture.all_picks().len(), 2, "{algorithm:?}");
    }
}

#[test]
fn a_primary_that_a_stale_snapshot_missed_comes_before_the_backups() {
    for algorithm in ALL {
        let fixture = Fixture::with_backups(algorithm, &[1, 1, 1], &[0]);
        fixture.eject(2);
        fixture.pick();
        let _renewing = fixture.selector.snapshot.hold_renewal();
        fixture.readmit(2);
        assert_eq!(fixture.all_picks(), [1, 2, 0], "{algorithm:?}");
    }
}
