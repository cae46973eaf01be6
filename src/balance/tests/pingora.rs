//! A selector behind Pingora's load balancer.

use super::*;

#[test]
fn through_pingora_weights_five_one_one_give_a_a_b_a_c_a_a() {
    for algorithm in BOTH {
        let balancer = balancer(algorithm, &[5, 1, 1]);
        let picks: Vec<usize> = (0..7).map(|_| pick_by(&balancer)).collect();
        assert_eq!(picks, [0, 0, 1, 0, 2, 0, 0], "{algorithm:?}");
    }
}

#[test]
fn a_rehearsal_names_the_next_backend_and_changes_nothing() {
    for algorithm in ALL {
        let balancer = balancer(algorithm, &[997, 991, 983, 1]);
        let turns: Vec<_> = (0..6000).map(|_| pick_by(&balancer)).collect();
        assert_eq!(turns.len(), 6000);
        for _ in 0..20 {
            let rehearsed = balancer.rehearse();
            assert_eq!(balancer.rehearse(), rehearsed, "{algorithm:?}");
            let mut all: Vec<_> = rehearsed.offered.iter().map(index_of).collect();
            assert_eq!(pick_by(&balancer), all[0], "{algorithm:?}");
            all.sort_unstable();
            assert_eq!(all, [0, 1, 2, 3], "{algorithm:?}");
        }
    }
}

#[test]
fn a_rehearsal_says_whether_its_first_choice_was_drawn() {
    let by_chance = |algorithm, backends: usize| {
        // Backups are offered later, and so do not count in the first choice.
        let balancer = Balancer::new(config(algorithm));
        update(&balancer, set(&vec![1; backends + 1], &[0]));
        balancer.rehearse().by_chance
    };
    assert_eq!([3, 64, 65].map(|n| by_chance(Algorithm::RoundRobin, n)), [false; 3]);
    assert_eq!([3, 64, 65].map(|n| by_chance(Algorithm::LeastConn, n)), [false, false, true]);
    assert_eq!([1, 2, 3].map(|n| by_chance(Algorithm::Ewma, n)), [false, false, true]);
    assert!(!Balancer::new(config(Algorithm::Ewma)).rehearse().by_chance);
}

#[test]
fn a_request_that_refuses_what_it_has_tried_gets_every_backend() {
    for algorithm in ALL {
        let balancer = balancer(algorithm, &[3, 1, 2, 1]);
        let mut tried = HashSet::new();
        while let Some(picked) = balancer
            .select(None, |address| Some(index_of(address)).filter(|index| !tried.contains(index)))
        {
            assert!(tried.insert(picked));
        }
        assert_eq!(tried.len(), 4, "{algorithm:?}");
    }
}

#[test]
fn counts_are_kept_when_the_set_of_backends_changes() {
    let config = config(Algorithm::LeastConn);
    let roster = Arc::clone(&config.roster);
    let balancer = Balancer::new(config);
    update(&balancer, set(&[1, 1], &[]));
    assert!(roster.backend(&address(0)).try_enter());
    update(&balancer, set(&[1, 1, 1], &[]));
    let picks: HashSet<_> = (0..4).map(|_| pick_by(&balancer)).collect();
    assert_eq!(picks, HashSet::from([1, 2]));
}

#[test]
fn turns_go_on_when_the_set_of_backends_changes() {
    let balancer = balancer(Algorithm::RoundRobin, &[1, 1, 1, 1]);
    assert_eq!([(); 2].map(|()| pick_by(&balancer)), [0, 1]);
    update(&balancer, set(&[1, 1, 1, 1, 1], &[]));
    assert_eq!([(); 4].map(|()| pick_by(&balancer)), [2, 3, 4, 0]);
}

#[test]
fn a_backend_that_becomes_a_backup_is_one_from_then_on() {
    let balancer = balancer(Algorithm::RoundRobin, &[1, 1]);
    update(&balancer, set(&[1, 1], &[0]));
    assert_eq!([(); 3].map(|()| pick_by(&balancer)), [1, 1, 1]);
}

#[test]
fn without_a_configuration_it_still_selects() {
    let selector = Arc::new(PingoraSelector::build(&set(&[1, 1], &[])));
    assert_eq!(selector.iter(b"").next().map(index), Some(0));
}
