//! Expected latency in virtual time: clients in a closed loop, and backends with given response
//! times.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc, time::Duration};

use super::*;
use crate::backend::Roster;
use crate::config::PoolName;

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// How a backend behaves.
#[derive(Debug, Clone, Copy)]
enum Behaviour {
    /// It answers after about this long.
    Takes(Duration),
    /// It fails at once.
    Fails,
}

use Behaviour::{Fails, Takes};

/// A pool, clients that each send a request as soon as the one before is answered, and a clock
/// that moves from answer to answer.
struct Simulation {
    candidates: Candidates,
    random: Random,
    noise: fastrand::Rng,
    backends: Vec<Arc<Backend>>,
    behaviours: Vec<Behaviour>,
    now: Instant,
    /// Requests in flight, ordered by their end: the backend, and when they began.
    in_flight: BinaryHeap<Reverse<(Instant, usize, Instant)>>,
}

/// The observations of clients in a span of time.
#[derive(Debug, Default)]
struct Seen {
    /// The number of answers, by backend.
    counts: Vec<usize>,
    times: Vec<Duration>,
}

impl Seen {
    fn share(&self, backend: usize) -> f64 {
        self.counts[backend] as f64 / self.counts.iter().sum::<usize>() as f64
    }

    fn p99(&mut self) -> Duration {
        let at = self.times.len() * 99 / 100;
        *self.times.select_nth_unstable(at).1
    }
}

impl Simulation {
    fn new(behaviours: &[Behaviour]) -> Self {
        Self::weighing(&vec![1; behaviours.len()], behaviours)
    }

    fn weighing(weights: &[u64], behaviours: &[Behaviour]) -> Self {
        let now = crate::clock::now();
        let roster = Roster::new(PoolName::new("web"), Arc::default(), now);
        let address = |index: usize| format!("10.0.{}.{}:80", index / 256, index % 256);
        let backends: Vec<_> = (0..weights.len())
            .map(|index| roster.backend(&address(index).parse().unwrap()))
            .collect();
        introduce(backends.iter().map(|backend| &**backend), now);
        Self {
            candidates: Candidates::new(weights.iter().copied().enumerate()),
            random: Random::new(7),
            noise: fastrand::Rng::with_seed(7),
            backends,
            behaviours: behaviours.to_vec(),
            now,
            in_flight: BinaryHeap::new(),
        }
    }

    fn pick_among(&self, is_free: impl Fn(usize) -> bool) -> Option<usize> {
        let free = |index: usize| is_free(index).then(|| &*self.backends[index]);
        pick(&self.candidates, &self.random, self.now, free)
    }

    fn pick(&self) -> usize {
        self.pick_among(|_| true).unwrap()
    }

    fn send(&mut self) {
        let picked = self.pick();
        assert!(self.backends[picked].try_enter());
        let takes = match self.behaviours[picked] {
            Takes(time) => time.mul_f64(0.8 + 0.4 * self.noise.f64()),
            Fails => MILLI / 10,
        };
        self.in_flight.push(Reverse((self.now + takes, picked, self.now)));
    }

    fn answer(&mut self, seen: &mut Seen) {
        let Reverse((now, index, began)) = self.in_flight.pop().unwrap();
        self.now = now;
        let backend = &self.backends[index];
        backend.leave();
        match self.behaviours[index] {
            Takes(_) => backend.latency().observe(now - began, now),
            Fails => backend.latency().failed(now - began, now),
        }
        seen.counts[index] += 1;
        seen.times.push(now - began);
    }

    fn connect(&mut self, clients: usize) {
        (0..clients).for_each(|_| self.send());
    }

    fn run(&mut self, time: Duration) -> Seen {
        let mut seen = Seen { counts: vec![0; self.backends.len()], times: vec![] };
        let end = self.now + time;
        while self.now < end {
            self.answer(&mut seen);
            self.send();
        }
        seen
    }

    /// Requests in flight, by backend.
    fn active(&self) -> Vec<usize> {
        self.backends.iter().map(|backend| backend.active()).collect()
    }
}

#[test]
fn a_slow_backend_gets_few_requests_and_the_tail_is_that_of_the_fast_ones() {
    let mut pool = Simulation::new(&[Takes(2 * MILLI), Takes(2 * MILLI), Takes(100 * MILLI)]);
    pool.connect(32);
    let mut seen = pool.run(5 * SECOND);
    assert!(seen.share(2) < 0.001, "{:?}", seen.counts);
    assert!((0.4..0.6).contains(&seen.share(0)), "{:?}", seen.counts);
    assert!(seen.p99() < 3 * MILLI, "{:?}", seen.p99());
}

#[test]
fn a_backend_that_becomes_slow_is_left_at_once() {
    let mut pool = Simulation::new(&[Takes(2 * MILLI); 3]);
    pool.connect(32);
    pool.run(SECOND);
    pool.behaviours[2] = Takes(100 * MILLI);
    // Only requests that were on their way when the first slow answer came.
    let seen = pool.run(SECOND);
    assert!(seen.counts[2] <= 64, "{:?}", seen.counts);
    let seen = pool.run(SECOND);
    assert!(seen.counts[2] <= 10, "{:?}", seen.counts);
}

#[test]
fn a_backend_that_recovered_has_its_share_again_within_a_minute() {
    let mut pool = Simulation::new(&[Takes(20 * MILLI), Takes(20 * MILLI), Takes(SECOND)]);
    pool.connect(32);
    pool.run(5 * SECOND);
    pool.behaviours[2] = Takes(20 * MILLI);
    pool.run(60 * SECOND);
    let seen = pool.run(5 * SECOND);
    assert!((0.25..0.4).contains(&seen.share(2)), "{:?}", seen.counts);
}

#[test]
fn a_backend_that_stays_slow_is_tried_now_and_then() {
    let mut pool = Simulation::new(&[Takes(20 * MILLI), Takes(20 * MILLI), Takes(SECOND)]);
    pool.connect(32);
    pool.run(5 * SECOND);
    let seen = pool.run(100 * SECOND);
    assert!((1..=40).contains(&seen.counts[2]), "{:?}", seen.counts);
}

#[test]
fn a_backend_that_fails_fast_attracts_nothing() {
    let mut pool = Simulation::new(&[Takes(2 * MILLI), Takes(2 * MILLI), Fails]);
    pool.connect(32);
    let seen = pool.run(5 * SECOND);
    // Until its first failure it looks like the others.
    assert!(seen.counts[2] <= 32, "{:?}", seen.counts);
    assert_eq!(pool.run(5 * SECOND).counts[2], 0);
}

#[test]
fn one_client_alone_hardly_meets_a_backend_that_fails_fast() {
    let mut pool = Simulation::new(&[Takes(2 * MILLI), Takes(2 * MILLI), Fails]);
    pool.connect(1);
    let seen = pool.run(100 * SECOND);
    assert!((2..=4).contains(&seen.counts[2]), "{:?}", seen.counts);
}

#[test]
fn a_backend_that_failed_once_is_back_within_a_minute() {
    for clients in [1, 8] {
        let mut pool = Simulation::new(&[Takes(2 * MILLI), Takes(2 * MILLI)]);
        pool.connect(clients);
        pool.run(SECOND);
        pool.backends[1].latency().failed(MILLI, pool.now);
        let seen = pool.run(5 * SECOND);
        // Only requests that were on their way.
        assert!(seen.counts[1] <= clients, "{:?}", seen.counts);
        let seen = pool.run(40 * SECOND);
        assert!(seen.counts[1] > 0, "{:?}", seen.counts);
        pool.run(10 * SECOND);
        let seen = pool.run(20 * SECOND);
        assert!((0.3..0.7).contains(&seen.share(1)), "{:?}", seen.counts);
    }
}

#[test]
fn a_slow_backend_that_begins_to_fail_at_once_does_not_look_fast_for_it() {
    for clients in [1, 4] {
        let mut pool = Simulation::new(&[Takes(20 * MILLI), Takes(20 * MILLI), Takes(100 * MILLI)]);
        pool.connect(clients);
        pool.run(5 * SECOND);
        pool.behaviours[2] = Fails;
        let seen = pool.run(40 * SECOND);
        assert!(seen.share(2) < 0.1, "{:?}", seen.counts);
    }
}

#[test]
fn weights_one_to_three_share_about_one_to_three() {
    let mut pool = Simulation::weighing(&[1, 3], &[Takes(20 * MILLI); 2]);
    pool.connect(32);
    let seen = pool.run(10 * SECOND);
    assert!((0.2..0.3).contains(&seen.share(0)), "{:?}", seen.counts);
}

#[test]
fn one_client_alone_is_served_by_the_fast_ones() {
    let mut pool = Simulation::new(&[Takes(20 * MILLI), Takes(SECOND)]);
    pool.connect(1);
    let seen = pool.run(60 * SECOND);
    assert!(seen.counts[1] <= 3, "{:?}", seen.counts);
}

#[test]
fn a_large_pool_fills_evenly() {
    let mut pool = Simulation::new(&[Takes(20 * MILLI); 1000]);
    pool.connect(10_000);
    let fullest = pool.active().into_iter().max().unwrap();
    assert!(fullest <= 14, "{fullest}");
}

#[test]
fn an_unmeasured_backend_gets_no_burst_and_is_not_left_out() {
    let mut pool = Simulation::new(&[Takes(2 * MILLI); 3]);
    let now = pool.now;
    pool.backends[2].latency().forget();
    for backend in &pool.backends[..2] {
        backend.latency().observe(2 * MILLI, now);
    }
    introduce(pool.backends.iter().map(|backend| &**backend), now);
    pool.connect(30);
    assert!((8..=12).contains(&pool.active()[2]), "{:?}", pool.active());
}

#[test]
fn a_backend_that_was_never_picked_gets_no_burst_after_a_quiet_night() {
    let mut pool = Simulation::new(&[Takes(2 * MILLI); 3]);
    pool.now += 3600 * SECOND;
    for backend in &pool.backends[..2] {
        backend.latency().observe(2 * MILLI, pool.now);
    }
    pool.connect(30);
    assert!((8..=12).contains(&pool.active()[2]), "{:?}", pool.active());
}

#[test]
fn one_client_alone_reaches_all_equals_within_a_few_requests() {
    for seed in 0..100 {
        let mut pool = Simulation::new(&[Takes(2 * MILLI); 3]);
        pool.random = Random::new(seed);
        pool.connect(1);
        let seen = pool.run(60 * MILLI);
        assert!(seen.counts.iter().all(|count| *count > 0), "{seed}: {:?}", seen.counts);
    }
}

#[test]
fn a_guess_that_is_too_high_does_not_lose_and_one_that_is_too_low_wins() {
    let pool = Simulation::new(&[Takes(2 * MILLI); 2]);
    let picks_of_guess = || (0..1_000).filter(|_| pool.pick() == 1).count();
    pool.backends[0].latency().observe(2 * MILLI, pool.now);
    assert!((400..600).contains(&picks_of_guess()));
    assert!(pool.backends[1].try_enter());
    assert_eq!(picks_of_guess(), 0);
    pool.backends[1].leave();
    assert!(pool.backends[0].try_enter());
    assert_eq!(picks_of_guess(), 1_000);
    pool.backends[0].leave();
    pool.backends[0].latency().observe(100 * MILLI, pool.now);
    assert!(pool.backends[1].try_enter());
    assert_eq!(picks_of_guess(), 1_000);
}

#[test]
fn a_backend_without_an_assumed_latency_is_tried_all_the_same() {
    let mut pool = Simulation::new(&[Takes(2 * MILLI); 2]);
    pool.backends.iter().for_each(|backend| backend.latency().forget());
    pool.backends[0].latency().observe(2 * MILLI, pool.now);
    pool.connect(1);
    let seen = pool.run(60 * MILLI);
    assert!(seen.counts[1] > 0, "{:?}", seen.counts);
}

#[test]
fn without_measurements_the_usual_is_assumed_and_a_failing_backend_is_not_the_measure() {
    let estimate = |pool: &Simulation, index: usize| {
        pool.backends[index].latency().estimate(pool.now).unwrap()
    };
    let pool = Simulation::new(&[Fails; 3]);
    assert_eq!(estimate(&pool, 0), USUAL);
    pool.backends[0].latency().failed(MILLI, pool.now);
    pool.backends[1].latency().observe(2 * MILLI, pool.now);
    pool.backends[2].latency().forget();
    introduce(pool.backends.iter().map(|backend| &**backend), pool.now);
    assert_eq!(estimate(&pool, 2), estimate(&pool, 1));
}

#[test]
fn equals_get_the_same() {
    for size in [2, 3, 7] {
        let pool = Simulation::new(&vec![Fails; size]);
        let mut counts = vec![0_usize; size];
        (0..size * 1_000).for_each(|_| counts[pool.pick()] += 1);
        assert!(counts.iter().all(|count| count.abs_diff(1_000) <= 100), "{counts:?}");
    }
}

#[test]
fn the_few_free_backends_of_many_get_the_same() {
    let pool = Simulation::new(&[Fails; 1000]);
    let mut counts = [0_usize; 3];
    for _ in 0..3_000 {
        let picked = pool.pick_among(|index| index % 400 == 7).unwrap();
        assert_eq!(picked % 400, 7);
        counts[picked / 400] += 1;
    }
    assert!(counts.iter().all(|count| count.abs_diff(1_000) <= 100), "{counts:?}");
}

#[test]
fn a_backend_that_must_not_be_picked_is_not_picked() {
    let pool = Simulation::new(&[Fails; 3]);
    assert_eq!(pool.pick_among(|index| index == 1), Some(1));
    assert_eq!(pool.pick_among(|_| false), None);
    assert_eq!(Simulation::new(&[]).pick_among(|_| true), None);
    assert_eq!(Simulation::new(&[Fails]).pick(), 0);
}

#[test]
fn one_seed_is_one_sequence() {
    let picks = || {
        let pool = Simulation::new(&[Fails; 10]);
        (0..100).map(|_| pool.pick()).collect::<Vec<_>>()
    };
    assert_eq!(picks(), picks());
}
