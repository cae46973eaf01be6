//! An ejection is a preference and not a wall: no request that can be repeated fails while a
//! backend that passes its checks would have answered it.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::backend::{AttemptFailure, Backend, BackendSettings, EjectionCause};

/// The reaction of a backend to every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Well,
    Fails(Failure),
    /// Refuses connections, those of checks as well.
    Down,
}

/// A pool, and the reaction of each of its backends.
struct Scene {
    pool: Arc<Pool>,
    modes: Vec<Mode>,
    now: Instant,
    /// Attempts that each backend has failed.
    failed: Vec<usize>,
}

impl Scene {
    fn new(size: usize) -> Self {
        let ports: Vec<_> = (1..=size).map(|port| u16::try_from(port).unwrap()).collect();
        let pool = build(&ports.iter().map(|port| endpoint(*port)).collect::<Vec<_>>(), |config| {
            config.algorithm = config::Algorithm::LeastConn;
            config.health_check = Some(config::HealthCheck::default());
        });
        let modes = vec![Mode::Well; size];
        let mut scene = Self { pool, modes, now: clock::now(), failed: vec![0; size] };
        scene.check();
        scene
    }

    fn backend(&self, index: usize) -> Arc<Backend> {
        self.pool.roster().backend(&address(u16::try_from(index).unwrap() + 1))
    }

    fn apply(&self, index: usize, event: Event) {
        let policy = policy(self.pool.config());
        self.pool.roster().apply(&self.backend(index), event, &policy, self.now);
    }

    /// A round of checks, enough of them for a verdict.
    fn check(&mut self) {
        for index in 0..self.modes.len() {
            for _ in 0..3 {
                self.apply(
                    index,
                    match self.modes[index] {
                        Mode::Well | Mode::Fails(_) => Event::CheckPassed,
                        Mode::Down => Event::CheckFailed { refused: true },
                    },
                );
            }
        }
    }

    fn set(&mut self, modes: &[Mode]) {
        self.modes.copy_from_slice(modes);
        self.check();
    }

    /// Sends this number of requests at once, each tried until it is answered; returns the tries of
    /// each.
    fn requests(&mut self, count: usize) -> Vec<usize> {
        let mut under_way: Vec<(Vec<TriedBackend>, Lease)> = (0..count)
            .map(|_| (vec![], self.pool.pick(&PickRequest::new(vec![], true), self.now).unwrap()))
            .collect();
        let mut tries = vec![];
        while !under_way.is_empty() {
            let mut next = vec![];
            for (mut tried, lease) in under_way {
                let index = usize::from(port(&lease)) - 1;
                let failure = match self.modes[index] {
                    Mode::Well => {
                        self.pool.answered(&lease, None, self.now);
                        self.pool.completed(&lease, self.now);
                        tries.push(tried.len() + 1);
                        continue;
                    }
                    Mode::Fails(failure) => failure,
                    Mode::Down => Failure::Refused,
                };
                self.failed[index] += 1;
                fail(&self.pool, &lease, failure, self.now);
                let backend = Arc::clone(lease.backend());
                assert!(
                    tried.iter().all(|one: &TriedBackend| !Arc::ptr_eq(&one.backend, &backend)),
                    "{backend:?} was tried twice while another was well"
                );
                tried.push(TriedBackend { backend, failure });
                drop(lease);
                let request = PickRequest::new(tried.clone(), true);
                let picked = self.pool.pick(&request, self.now);
                let lease = picked.unwrap_or_else(|why| panic!("{why:?}: {:?}", self.modes));
                next.push((tried, lease));
            }
            under_way = next;
        }
        tries
    }
}

const UNAVAILABLE: Mode = Mode::Fails(Failure::Status(503));

#[test]
fn a_rolling_restart_of_two_replicas_loses_no_request() {
    let mut scene = Scene::new(2);
    // Ten requests a second; A answers 503 for 1.5 s, and 4 s later B does for 3 s.
    for tenth in 0..400 {
        let (a, b) = ((10..25).contains(&tenth), (65..95).contains(&tenth));
        let mode = |is_restarting| if is_restarting { UNAVAILABLE } else { Mode::Well };
        scene.set(&[mode(a), mode(b)]);
        scene.requests(1);
        scene.now += Duration::from_millis(100);
    }
}

#[test]
fn a_backend_that_is_bad_for_long_gets_a_small_share_of_the_requests() {
    for size in [2, 4] {
        let mut scene = Scene::new(size);
        scene.modes[0] = UNAVAILABLE;
        for _ in 0..3_000 {
            scene.check();
            scene.requests(1);
            scene.now += Duration::from_millis(100);
        }
        // Two or five failures eject it, and each term, of 30 s and longer, ends with one probe.
        assert!(scene.failed[0] <= 15, "{} of 3000", scene.failed[0]);
    }
}

#[test]
fn a_retry_takes_no_probe_while_a_backend_is_eligible_that_was_not_tried() {
    let scene = Scene::new(3);
    (0..5).for_each(|_| {
        let failed = AttemptFailure::new(EjectionCause::Timeout, scene.now);
        scene.apply(0, Event::AttemptFailed(failed));
    });
    assert!(!scene.backend(0).is_eligible());
    let due = scene.now + Duration::from_secs(60);
    let retry = scene.pool.pick(&tried(&[2], Failure::Broken), due).unwrap();
    assert!(!retry.is_probe() && port(&retry) == 3);
    let last = scene.pool.pick(&tried(&[2, 3], Failure::Status(503)), scene.now).unwrap();
    assert!(last.is_probe() && port(&last) == 1, "it is tried before the request fails");
    let mut post = tried(&[2, 3], Failure::Status(503));
    post.repeatable = false;
    assert!(scene.pool.pick(&post, scene.now).is_ok(), "no try need be left after it");
    post.may_be_last_resort = false;
    assert!(scene.pool.pick(&post, scene.now).is_err(), "a probe must be repeatable");
}

#[test]
fn of_several_the_one_is_tried_that_is_most_likely_well() {
    let mut scene = Scene::new(4);
    for index in [1, 0] {
        for _ in 0..5 {
            let failed = AttemptFailure::new(EjectionCause::Timeout, scene.now);
            scene.apply(index, Event::AttemptFailed(failed));
        }
        assert!(!scene.backend(index).is_open());
        scene.now += Duration::from_secs(1);
    }
    let ask = |scene: &Scene, tried: &PickRequest<'_>| {
        let lease = scene.pool.pick(tried, scene.now);
        lease.map(|lease| (port(&lease), lease.is_probe()))
    };
    let request = tried(&[3, 4], Failure::Status(503));
    assert_eq!(ask(&scene, &request), Ok((2, true)), "it has been out for longer");
    for _ in 0..3 {
        scene.apply(1, Event::CheckFailed { refused: false });
    }
    assert_eq!(ask(&scene, &request), Ok((1, true)), "the checks of the other one fail");
    for _ in 0..3 {
        scene.apply(0, Event::CheckFailed { refused: false });
    }
    assert_eq!(ask(&scene, &request), Err(Unavailable::NoneEligible), "no check passes");
}

#[test]
fn a_probe_is_claimed_on_the_backend_of_the_lease() {
    let scene = Scene::new(2);
    let (pool, roster) = (&scene.pool, scene.pool.roster());
    let settings = |ports: &[u16]| {
        let one = |port: &u16| {
            let name = address(*port).to_string().into();
            (address(*port), BackendSettings { name, drain: false, max_connections: None })
        };
        ports.iter().map(one).collect()
    };
    // The backend is removed and added by two reloads, while this membership still has the first
    // one.
    for ports in [&[1_u16][..], &[1, 2]] {
        roster.enlist(&settings(ports), &policy(pool.config()), scene.now);
    }
    let second = roster.backend(&address(2));
    for _ in 0..5 {
        let failed = AttemptFailure::new(EjectionCause::Timeout, scene.now);
        scene.apply(1, Event::AttemptFailed(failed));
    }
    assert!(!second.is_eligible());
    let due = scene.now + Duration::from_secs(60);
    for request in [first(), tried(&[1], Failure::Broken)] {
        drop(pool.pick(&request, due));
        assert_eq!(second.active(), 0);
    }
    assert!(roster.next_probe(true, due).is_some(), "it does not wait for a probe that was lost");
}

#[test]
fn a_backend_that_is_broken_gets_few_attempts_of_one_request_however_many_are_allowed() {
    let only = build(&[endpoint(1)], |_| {});
    for failure in [Failure::Broken, Failure::ConnectTimeout, Failure::LearnedTimeout] {
        for repeatable in [true, false] {
            let mut request = tried(&[1, 1], failure);
            request.repeatable = repeatable;
            assert_eq!(port(&only.pick(&request, clock::now()).unwrap()), 1);
            request = tried(&[1, 1, 1], failure);
            request.repeatable = repeatable;
            assert_eq!(only.pick(&request, clock::now()).unwrap_err(), Unavailable::NoneEligible);
        }
    }
    // Nor by turns.
    let both = build(&[endpoint(1), endpoint(2)], |_| {});
    let pick = |ports: &[u16]| both.pick(&tried(ports, Failure::Broken), clock::now());
    assert_eq!(port(&pick(&[1, 2, 1, 2, 1]).unwrap()), 2);
    assert!(pick(&[1, 2, 1, 2, 1, 2]).is_err());
}

#[test]
fn a_backend_whose_connections_did_not_come_about_is_back_when_its_checks_pass() {
    for failure in [Failure::ConnectTimeout, Failure::ConnectFailed, Failure::Refused] {
        let mut scene = Scene::new(2);
        scene.modes[0] = Mode::Fails(failure);
        scene.requests(20);
        assert!(!scene.backend(0).is_open(), "{failure:?}");
        scene.modes[0] = Mode::Well;
        scene.now += Duration::from_secs(1);
        scene.check();
        assert!(scene.backend(0).is_open(), "{failure:?}: it does not serve its term");
    }
}

/// Where no connection comes about, checks fail as well.
fn is_bad_and_passes_checks(mode: Mode) -> bool {
    matches!(mode, Mode::Fails(failure) if failure != Failure::ConnectTimeout)
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![
        3 => Just(Mode::Well),
        2 => Just(UNAVAILABLE),
        1 => Just(Mode::Fails(Failure::Broken)),
        1 => Just(Mode::Fails(Failure::Timeout)),
        1 => Just(Mode::Fails(Failure::ConnectTimeout)),
        1 => Just(Mode::Down),
    ]
}

proptest! {
    #![proptest_config(crate::properties::config())]

    #[test]
    fn while_a_backend_is_well_no_repeatable_request_fails(
        size in 2_usize..6,
        steps in vec((vec(mode(), 5), any::<prop::sample::Index>(), 0_u64..20_000, 1_usize..12), 1..80),
    ) {
        let mut scene = Scene::new(size);
        for (modes, well, pause, count) in steps {
            let mut modes = modes[..size].to_vec();
            modes[well.index(size)] = Mode::Well;
            scene.set(&modes);
            let before = scene.failed.clone();
            let tries = scene.requests(count);
            prop_assert!(tries.iter().all(|tries| *tries <= size));
            // Each backend gets no more than one attempt of each request.
            let is_bounded = |(now, before): (&usize, &usize)| now - before <= count;
            prop_assert!(scene.failed.iter().zip(&before).all(is_bounded));
            scene.now += Duration::from_millis(pause);
        }
    }

    /// What an ejected backend gets for as long as it is bad: what ejects it, then at most one request a
    /// second, whatever the others do. (Requests that have failed everywhere else come in addition, and
    /// there are none: one backend is well. Their share is that of retries, `retry.budget`.)
    #[test]
    fn an_ejected_backend_that_stays_bad_gets_one_request_a_second_at_most(
        modes in vec(mode().prop_filter("its checks pass", |mode| is_bad_and_passes_checks(*mode)), 1..5),
        per_second in 10_u64..20,
        seconds in 10_u64..20,
    ) {
        let mut scene = Scene::new(modes.len() + 1);
        scene.modes[1..].copy_from_slice(&modes);
        for _ in 0..seconds {
            scene.check();
            for _ in 0..per_second {
                scene.requests(1);
                scene.now += Duration::from_secs(1).div_f64(per_second as f64);
            }
        }
        for index in 1..=modes.len() {
            let is_out = !scene.backend(index).is_open();
            // It takes ten at the most to eject it.
            let most = 10 + usize::try_from(seconds).unwrap();
            prop_assert!(!is_out || scene.failed[index] <= most, "{:?}", scene.failed);
        }
        let out = (1..=modes.len()).filter(|index| !scene.backend(*index).is_open()).count();
        prop_assert!(out >= modes.len().min(scene.modes.len() / 2), "{out} are out");
    }
}
