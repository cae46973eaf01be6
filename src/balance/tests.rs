//! The selector as Pingora drives it: `iter`, `next`, and the whole of `select_with`.

use std::{
    cell::RefCell,
    collections::HashSet,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use pingora_load_balancing::{Backends, LoadBalancer, discovery, selection::BackendIter};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngSeed},
};

use super::*;
use crate::backend::{Cause, Event, Failed, Policy, Terms};

const POLICY: Policy =
    Policy { rise: 1, fall: 1, checked: true, ejection: None, panic_threshold: None };
const ALL: [Algorithm; 3] = [Algorithm::RoundRobin, Algorithm::LeastConn, Algorithm::Ewma];
/// Those that take turns.
const BOTH: [Algorithm; 2] = [Algorithm::RoundRobin, Algorithm::LeastConn];

/// A selector over backends that are known by their place in the list of weights.
struct Fixture {
    selector: Arc<Selector>,
    roster: Arc<Roster>,
    backends: Vec<Arc<Backend>>,
}

impl Fixture {
    fn new(algorithm: Algorithm, weights: &[usize]) -> Self {
        Self::of(config(algorithm), weights)
    }

    fn with_backups(algorithm: Algorithm, weights: &[usize], backups: &[usize]) -> Self {
        let backups = backups.iter().map(|index| address(*index).parse().unwrap());
        let backups = Arc::new(backups.collect());
        Self::of(SelectorConfig { backups, ..config(algorithm) }, weights)
    }

    fn with_slow_start(algorithm: Algorithm, window: Duration) -> Self {
        Self::of(SelectorConfig { slow_start: window, ..config(algorithm) }, &[1, 1, 1])
    }

    fn of(config: SelectorConfig, weights: &[usize]) -> Self {
        let selector = Selector::build_with_config(&discovered(weights), &config);
        let backends = (0..weights.len())
            .map(|index| config.roster.backend(address(index).parse().unwrap()))
            .collect();
        Self { selector: Arc::new(selector), roster: config.roster, backends }
    }

    fn eject(&self, index: usize) {
        let refused = Event::Failed(Failed::new(Cause::Refused, clock::now()));
        self.roster.apply(&self.backends[index], refused, &POLICY, clock::now());
    }

    /// Returns the weights of those that are left, 0 for the others.
    fn eject_all(&self, weights: &[usize], ejected: &[bool]) -> Vec<usize> {
        let out = (0..ejected.len()).filter(|index| ejected[*index]);
        out.for_each(|index| self.eject(index));
        weights.iter().zip(ejected).map(|(weight, out)| if *out { 0 } else { *weight }).collect()
    }

    fn readmit(&self, index: usize) {
        self.readmit_at(index, clock::now());
    }

    fn readmit_at(&self, index: usize, then: Instant) {
        self.roster.apply(&self.backends[index], Event::CheckPassed, &POLICY, then);
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

/// Without backups and slow start, of a roster that is ten minutes old.
fn config(algorithm: Algorithm) -> SelectorConfig {
    let roster = Roster::new(PoolName::new("web"), Arc::default(), ago(Duration::from_secs(600)));
    SelectorConfig {
        algorithm,
        roster: Arc::new(roster),
        backups: Arc::default(),
        slow_start: Duration::ZERO,
        seed: 7,
    }
}

fn ago(time: Duration) -> Instant {
    clock::now().checked_sub(time).unwrap()
}

fn load_balancer(algorithm: Algorithm, weights: &[usize]) -> LoadBalancer<Selector> {
    let backends = Backends::new(discovery::Static::new(discovered(weights)));
    let balancer = LoadBalancer::from_backends_with_config(backends, Some(config(algorithm)));
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
fn least_connections_follows_what_is_in_flight() {
    let fixture = Fixture::new(Algorithm::LeastConn, &[1, 1, 1]);
    assert!(fixture.backends[0].try_enter());
    assert!(fixture.backends[2].try_enter());
    assert_eq!(fixture.picks(3), [1, 1, 1]);
    fixture.backends[2].leave();
    assert_eq!(fixture.picks(4), [1, 2, 1, 2]);
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
fn a_full_backend_is_not_yielded_and_one_with_a_place_is() {
    for algorithm in ALL {
        let fixture = Fixture::new(algorithm, &[1, 1]);
        let terms = Terms { drain: false, max_connections: Some(1) };
        let open = Terms { drain: false, max_connections: None };
        let terms =
            [(0, terms), (1, open)].map(|(index, it)| (address(index).parse().unwrap(), it));
        fixture.roster.enlist(&terms.into(), &POLICY, clock::now());
        assert!(fixture.backends[0].try_enter());
        assert_eq!(fixture.counts(10), [0, 10], "{algorithm:?}");
        assert_eq!(fixture.all_picks(), [1]);
        fixture.backends[0].leave();
        assert_eq!(fixture.all_picks().len(), 2);
    }
}

#[test]
fn nobody_eligible_is_nobody_yielded() {
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
    for algorithm in ALL {
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
    for algorithm in ALL {
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
        (0..active).for_each(|_| assert!(backend.try_enter()));
    }
    assert_eq!(fixture.all_picks(), [1, 3, 0, 2]);
}

#[test]
fn expected_latency_follows_what_answers_took_and_what_is_in_flight() {
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
fn a_backend_that_joins_is_taken_for_a_usual_one() {
    let fixture = Fixture::new(Algorithm::Ewma, &[1, 1, 1]);
    for (backend, millis) in fixture.backends.iter().zip([5, 2, 900]) {
        backend.latency().observe(Duration::from_millis(millis), clock::now());
    }
    let config = config(Algorithm::Ewma);
    let config = SelectorConfig { roster: Arc::clone(&fixture.roster), ..config };
    let _rebuilt = Selector::build_with_config(&discovered(&[1, 1, 1, 1]), &config);
    let joined = fixture.roster.backend(address(3).parse().unwrap());
    let estimate = joined.latency().estimate(clock::now()).unwrap();
    assert!((4_900.0..=5_000.0).contains(&estimate), "{estimate}");
}

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
        // More of each than are remembered one by one.
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
        let _renewing = fixture.selector.renewal.lock();
        fixture.readmit(2);
        assert_eq!(fixture.all_picks(), [1, 2, 0], "{algorithm:?}");
    }
}

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
        // Each stays in flight; among the idle, expected latency sends nobody to the handicapped.
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
        // Where nobody is handicapped, weights are as they are configured.
        while weight() != 1 {
            assert!(clock::now() < deadline, "{algorithm:?}: it did not end");
            thread::yield_now();
        }
        assert_eq!(fixture.roster.changes(), changes);
    }
}

#[test]
fn who_was_never_away_does_not_start_slowly() {
    let fixture = Fixture::with_slow_start(Algorithm::RoundRobin, Duration::from_secs(300));
    assert_eq!(fixture.picks(3), [0, 1, 2]);
    assert_eq!(fixture.selector.snapshot().tiers[0].candidates.weight(1), 1);
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
    for algorithm in ALL {
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
