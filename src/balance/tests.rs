//! The selector as Pingora drives it: `iter`, `next`, and the whole of `select_with`.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use pingora_load_balancing::{Backends, LoadBalancer, discovery};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngSeed},
};

use super::*;
use crate::backend::Policy;

const CHECKED: Policy = Policy { rise: 1, fall: 1, checked: true };
const UNCHECKED: Policy = Policy { rise: 1, fall: 1, checked: false };
const BOTH: [Algorithm; 2] = [Algorithm::RoundRobin, Algorithm::LeastConn];

/// A selector over backends that are known by their place in the list of weights.
struct Fixture {
    selector: Arc<Selector>,
    roster: Arc<Roster>,
    backends: Vec<Arc<Backend>>,
}

impl Fixture {
    fn new(algorithm: Algorithm, weights: &[usize]) -> Self {
        let roster = Arc::new(Roster::new(PoolName::new("web"), clock::now()));
        let config = SelectorConfig { algorithm, roster: Arc::clone(&roster), seed: 7 };
        let selector = Selector::build_with_config(&discovered(weights), &config);
        let backends = (0..weights.len())
            .map(|index| roster.backend(address(index).parse().unwrap()))
            .collect();
        Self { selector: Arc::new(selector), roster, backends }
    }

    fn eject(&self, index: usize) {
        self.backends[index].observe(clock::now(), |s| s.refused(&CHECKED, clock::now()));
    }

    /// Returns the weights of those that are left, 0 for the others.
    fn eject_all(&self, weights: &[usize], ejected: &[bool]) -> Vec<usize> {
        let out = (0..ejected.len()).filter(|index| ejected[*index]);
        out.for_each(|index| self.eject(index));
        weights.iter().zip(ejected).map(|(weight, out)| if *out { 0 } else { *weight }).collect()
    }

    fn readmit(&self, index: usize) {
        self.backends[index].observe(clock::now(), |s| s.check_passed(&CHECKED));
    }

    /// The first pick of a request.
    fn pick(&self) -> Option<usize> {
        self.selector.iter(b"").next().map(index)
    }

    fn picks(&self, count: usize) -> Vec<usize> {
        (0..count).map(|_| self.pick().unwrap()).collect()
    }

    /// All picks of one request that refuses each of them.
    fn all_picks(&self) -> Vec<usize> {
        let mut picks = self.selector.iter(b"");
        let mut all = vec![];
        while let Some(discovered) = picks.next() {
            all.push(index(discovered));
        }
        assert!(picks.next().is_none(), "it ended");
        all
    }

    fn counts(&self, count: usize) -> Vec<usize> {
        let mut counts = vec![0; self.backends.len()];
        for pick in self.picks(count) {
            counts[pick] += 1;
        }
        counts
    }
}

/// In the order of the indexes, which is that of the addresses.
fn address(index: usize) -> String {
    format!("10.0.{}.{}:80", index / 256, index % 256)
}

fn index(discovered: &Discovered) -> usize {
    let std::net::IpAddr::V4(ip) = discovered.addr.as_inet().unwrap().ip() else { panic!("IPv4") };
    let [_, _, high, low] = ip.octets();
    usize::from(high) * 256 + usize::from(low)
}

fn discovered(weights: &[usize]) -> BTreeSet<Discovered> {
    let weights = weights.iter().enumerate();
    weights.map(|(i, weight)| Discovered::new_with_weight(&address(i), *weight).unwrap()).collect()
}

fn load_balancer(algorithm: Algorithm, weights: &[usize]) -> LoadBalancer<Selector> {
    let roster = Arc::new(Roster::new(PoolName::new("web"), clock::now()));
    let config = SelectorConfig { algorithm, roster, seed: 7 };
    let backends = Backends::new(discovery::Static::new(discovered(weights)));
    let balancer = LoadBalancer::from_backends_with_config(backends, Some(config));
    let update = balancer.update();
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(update).unwrap();
    balancer
}

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
fn a_request_that_refuses_what_it_has_tried_gets_every_backend() {
    for algorithm in BOTH {
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
fn least_connections_follows_what_is_in_flight() {
    let fixture = Fixture::new(Algorithm::LeastConn, &[1, 1, 1]);
    fixture.backends[0].enter();
    fixture.backends[2].enter();
    assert_eq!(fixture.picks(3), [1, 1, 1]);
    fixture.backends[2].leave();
    assert_eq!(fixture.picks(4), [1, 2, 1, 2]);
}

#[test]
fn counts_are_kept_when_the_set_of_backends_changes() {
    let algorithm = Algorithm::LeastConn;
    let fixture = Fixture::new(algorithm, &[1, 1]);
    fixture.backends[0].enter();
    let config = SelectorConfig { algorithm, roster: Arc::clone(&fixture.roster), seed: 7 };
    let rebuilt = Arc::new(Selector::build_with_config(&discovered(&[1, 1, 1]), &config));
    let picks: HashSet<_> = (0..4).map(|_| index(rebuilt.iter(b"").next().unwrap())).collect();
    assert_eq!(picks, HashSet::from([1, 2]));
}

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
fn an_ejection_that_ends_by_time_needs_no_event() {
    for algorithm in BOTH {
        let fixture = Fixture::new(algorithm, &[1, 1]);
        // Nine tenths of the cool-down of one second are over.
        let then = clock::now().checked_sub(Duration::from_millis(900)).unwrap();
        fixture.backends[0].observe(then, |standing| standing.refused(&UNCHECKED, then));
        let until = fixture.backends[0].eligible_at().unwrap();
        let changes = fixture.roster.changes();
        while fixture.pick() != Some(0) {
            let deadline = until + Duration::from_secs(5);
            assert!(clock::now() < deadline, "{algorithm:?}: it did not come back");
            thread::yield_now();
        }
        assert!(clock::now() >= until, "{algorithm:?}: it came back too early");
        assert_eq!(fixture.roster.changes(), changes);
    }
}

#[test]
fn nobody_eligible_is_nobody_yielded() {
    for algorithm in BOTH {
        let fixture = Fixture::new(algorithm, &[1, 1]);
        fixture.eject(0);
        fixture.eject(1);
        assert!(fixture.all_picks().is_empty());
        assert!(Fixture::new(algorithm, &[]).all_picks().is_empty());
    }
}

#[test]
fn a_stale_snapshot_yields_exactly_the_eligible() {
    for algorithm in BOTH {
        let fixture = Fixture::new(algorithm, &[1; 20]);
        fixture.eject(4);
        fixture.eject(5);
        fixture.pick();
        let _renewing = fixture.selector.renewal.lock();
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
    for algorithm in BOTH {
        let fixture = Fixture::new(algorithm, &[1, 1, 1]);
        fixture.eject(1);
        fixture.pick();
        let _renewing = fixture.selector.renewal.lock();
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

#[test]
fn the_share_of_a_refused_backend_goes_to_all_the_others_by_weight() {
    let fixture = Fixture::new(Algorithm::RoundRobin, &[4, 4, 1, 3]);
    let mut counts = [0_usize; 4];
    for _ in 0..12_000 {
        let mut picks = fixture.selector.iter(b"");
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
        let mut picks = fixture.selector.iter(b"");
        let first = index(picks.next().unwrap());
        assert_ne!(index(picks.next().unwrap()), first);
        first
    };
    assert_eq!((0..8).map(|_| first_of_two()).collect::<Vec<_>>(), [0, 1, 2, 3, 0, 1, 2, 3]);
}

#[test]
fn what_has_ended_stays_ended() {
    for algorithm in BOTH {
        let fixture = Fixture::new(algorithm, &[1, 1]);
        fixture.eject(1);
        let mut picks = fixture.selector.iter(b"");
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
        (0..active).for_each(|_| backend.enter());
    }
    assert_eq!(fixture.all_picks(), [1, 3, 0, 2]);
}

#[test]
fn without_a_configuration_it_still_selects() {
    let selector = Arc::new(Selector::build(&discovered(&[1, 1])));
    assert_eq!(selector.iter(b"").next().map(index), Some(0));
}

#[test]
fn threads_together_are_off_by_at_most_one_each() {
    const THREADS: usize = 4;
    const CYCLES: usize = 400;
    for weights in [&[1, 1, 1][..], &[5, 1, 1], &[3, 2, 2, 1]] {
        let fixture = Fixture::new(Algorithm::RoundRobin, weights);
        let each = CYCLES * weights.iter().sum::<usize>() / THREADS;
        let counts: Vec<Vec<usize>> = thread::scope(|scope| {
            let threads: Vec<_> =
                (0..THREADS).map(|_| scope.spawn(|| fixture.counts(each))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for (index, weight) in weights.iter().enumerate() {
            let total: usize = counts.iter().map(|counts| counts[index]).sum();
            assert!(total.abs_diff(weight * CYCLES) <= THREADS, "{weights:?}: {index} has {total}");
        }
    }
}

#[test]
fn under_changes_from_other_threads_no_pick_misses_the_eligible() {
    for algorithm in BOTH {
        let fixture = Fixture::new(algorithm, &[1, 2, 1, 3]);
        let asking = AtomicBool::new(true);
        thread::scope(|scope| {
            scope.spawn(|| {
                while asking.load(Ordering::Relaxed) {
                    fixture.eject(3);
                    fixture.readmit(3);
                }
            });
            let askers: Vec<_> = (0..2).map(|_| scope.spawn(|| ask(&fixture, 2_000))).collect();
            let misses: usize = askers.into_iter().map(|asker| asker.join().unwrap()).sum();
            asking.store(false, Ordering::Relaxed);
            assert_eq!(misses, 0, "{algorithm:?}");
        });
    }
}

/// How often somebody was missing or came twice, where the first three are always eligible.
fn ask(fixture: &Fixture, times: usize) -> usize {
    let is_wrong = |picks: Vec<usize>| {
        let unique: HashSet<_> = picks.iter().copied().collect();
        unique.len() != picks.len() || !(0..3).all(|index| unique.contains(&index))
    };
    (0..times).filter(|_| is_wrong(fixture.all_picks())).count()
}

fn weights_and_ejected() -> impl Strategy<Value = (Vec<usize>, Vec<bool>)> {
    (1..30_usize).prop_flat_map(|len| (vec(1..=20_usize, len), vec(any::<bool>(), len)))
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
            fixture.backends[fixture.pick().unwrap()].enter();
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
        for algorithm in BOTH {
            let fixture = Fixture::new(algorithm, &weights);
            let left = fixture.eject_all(&weights, &ejected);
            let eligible: Vec<usize> = (0..left.len()).filter(|index| left[*index] > 0).collect();
            let mut picks = fixture.all_picks();
            picks.sort_unstable();
            prop_assert_eq!(picks, eligible, "{:?}", algorithm);
        }
    }
}
