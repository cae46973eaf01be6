//! What Pingora asks of a selector, and what it makes of the answers.

use super::*;

#[test]
fn through_pingora_weights_five_one_one_give_a_a_b_a_c_a_a() {
    for algorithm in BOTH {
        let balancer = load_balancer(algorithm, &[5, 1, 1]);
        let picks: Vec<usize> = (0..7)
            .map(|_| index(&balancer.select_with(b"", usize::MAX, |_, _| true).unwrap()))
            .collect();
        assert_eq!(picks, [0, 0, 1, 0, 2, 0, 0], "{algorithm:?}");
    }
}

#[test]
fn a_rehearsal_names_who_is_next_and_changes_nothing() {
    for algorithm in ALL {
        let balancer = load_balancer(algorithm, &[997, 991, 983, 1]);
        for _ in 0..6000 {
            balancer.select_with(b"", usize::MAX, |_, _| true);
        }
        for _ in 0..20 {
            let rehearse = || {
                let offered = RefCell::new(vec![]);
                balancer.select_with(REHEARSAL, usize::MAX, |backend, _| {
                    offered.borrow_mut().push(index(backend));
                    false
                });
                offered.into_inner()
            };
            let rehearsed = rehearse();
            assert_eq!(rehearse(), rehearsed, "{algorithm:?}");
            let mut everyone = rehearsed.clone();
            everyone.sort_unstable();
            assert_eq!(everyone, [0, 1, 2, 3], "{algorithm:?}");
            let real = index(&balancer.select_with(b"", usize::MAX, |_, _| true).unwrap());
            assert_eq!(real, rehearsed[0], "{algorithm:?}");
        }
    }
}

#[test]
fn a_request_that_refuses_what_it_has_tried_gets_every_backend() {
    for algorithm in ALL {
        let balancer = load_balancer(algorithm, &[3, 1, 2, 1]);
        let mut tried = HashSet::new();
        while let Some(picked) =
            balancer.select_with(b"", usize::MAX, |b, _| !tried.contains(&index(b)))
        {
            assert!(tried.insert(index(&picked)));
        }
        assert_eq!(tried.len(), 4, "{algorithm:?}");
    }
}

#[test]
fn counts_are_kept_when_the_set_of_backends_changes() {
    let algorithm = Algorithm::LeastConn;
    let fixture = Fixture::new(algorithm, &[1, 1]);
    assert!(fixture.backends[0].try_enter());
    let config = SelectorConfig { roster: Arc::clone(&fixture.roster), ..config(algorithm) };
    let rebuilt = Arc::new(Selector::build_with_config(&discovered(&[1, 1, 1]), &config));
    let picks: HashSet<_> = (0..4).map(|_| index(rebuilt.iter(b"").next().unwrap())).collect();
    assert_eq!(picks, HashSet::from([1, 2]));
}

#[test]
fn without_a_configuration_it_still_selects() {
    let selector = Arc::new(Selector::build(&discovered(&[1, 1])));
    assert_eq!(selector.iter(b"").next().map(index), Some(0));
}
