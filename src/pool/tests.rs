//! Picking, waiting, giving back, and learning, without a network.

use std::{
    borrow::Cow,
    net::SocketAddr,
    num::NonZeroU32,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use tokio::{runtime::Runtime, task::JoinHandle};

use super::*;
use crate::backend::Event;
use crate::config::Weight;
use crate::retry::Failure;

fn address(port: u16) -> Address {
    SocketAddr::from(([127, 0, 0, 1], port)).into()
}

fn endpoint(port: u16) -> Endpoint {
    Endpoint {
        name: address(port).to_string().into(),
        address: address(port),
        weight: Weight::MIN,
        backup: false,
        drain: false,
        max_connections: None,
    }
}

fn limited(port: u16, limit: u32) -> Endpoint {
    Endpoint { max_connections: NonZeroU32::new(limit), ..endpoint(port) }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

fn build(endpoints: &[Endpoint], change: impl FnOnce(&mut config::Pool)) -> Arc<Pool> {
    let mut config = config::Pool::new(PoolName::new("web"));
    change(&mut config);
    let roster = Arc::new(Roster::new(config.name.clone(), Arc::default(), clock::now()));
    let pool = runtime().block_on(Pool::build(&config, endpoints, roster, None)).unwrap();
    pool.enlist(clock::now());
    Arc::new(pool)
}

fn pool(ports: &[u16]) -> Arc<Pool> {
    build(&ports.iter().map(|port| endpoint(*port)).collect::<Vec<_>>(), |_| {})
}

fn wanted(ports: &[u16], failure: Failure) -> PickRequest<'static> {
    let roster = Roster::new(PoolName::new("web"), Arc::default(), clock::now());
    let tried =
        ports.iter().map(|port| TriedBackend { backend: roster.backend(&address(*port)), failure });
    PickRequest { tried: Cow::Owned(tried.collect()), repeatable: true }
}

fn first() -> PickRequest<'static> {
    wanted(&[], Failure::Broken)
}

fn pick(pool: &Arc<Pool>, wanted: &PickRequest<'_>) -> Result<Lease, Unavailable> {
    pool.pick(wanted, clock::now())
}

fn port(lease: &Lease) -> u16 {
    lease.backend().id().address.tcp().unwrap().port()
}

fn fail(pool: &Arc<Pool>, lease: &Lease, failure: Failure, now: Instant) {
    let attempt = FailedAttempt { failure, began: now, midway: false, retry_after: None };
    pool.failed(lease, &attempt, now);
}

#[test]
fn a_lease_counts_until_it_is_dropped() {
    let pool = pool(&[1]);
    let leases = [pick(&pool, &first()).unwrap(), pick(&pool, &first()).unwrap()];
    let backend = Arc::clone(leases[0].backend());
    assert_eq!(backend.active(), 2);
    drop(leases);
    assert_eq!(backend.active(), 0);
}

#[test]
fn a_lease_is_given_back_by_a_panic() {
    let pool = pool(&[1]);
    let backend = Arc::clone(pick(&pool, &first()).unwrap().backend());
    let panics = || {
        let _lease = pick(&pool, &first()).unwrap();
        assert_eq!(backend.active(), 1);
        panic!("in the middle of a request");
    };
    catch_unwind(AssertUnwindSafe(panics)).unwrap_err();
    assert_eq!(backend.active(), 0);
}

#[test]
fn who_was_tried_is_not_picked_while_another_is_left() {
    let pool = pool(&[1, 2]);
    for _ in 0..4 {
        assert_eq!(port(&pick(&pool, &wanted(&[1], Failure::Broken)).unwrap()), 2);
    }
}

#[test]
fn who_was_tried_is_picked_again_when_nobody_else_is_left_unless_it_answered() {
    let pool = pool(&[1, 2]);
    assert!(pick(&pool, &wanted(&[1, 2], Failure::Broken)).is_ok());
    let answered = pick(&pool, &wanted(&[1, 2], Failure::Status(503)));
    assert_eq!(answered.unwrap_err(), Unavailable::NoneEligible);
}

#[test]
fn who_answered_is_not_picked_again_after_another_gave_no_answer() {
    let pool = pool(&[1, 2]);
    let mut wanted = wanted(&[1], Failure::Status(503)).into_owned();
    wanted.tried.to_mut().extend(self::wanted(&[2], Failure::Broken).tried.into_owned());
    for _ in 0..4 {
        assert_eq!(port(&pick(&pool, &wanted).unwrap()), 2);
    }
}

#[test]
fn who_refused_is_not_picked() {
    let pool = pool(&[1, 2]);
    let refused = pick(&pool, &wanted(&[2], Failure::Broken)).unwrap();
    fail(&pool, &refused, Failure::Refused, clock::now());
    for _ in 0..4 {
        assert_eq!(port(&pick(&pool, &first()).unwrap()), 2);
    }
    let all = pick(&pool, &wanted(&[2], Failure::Status(503)));
    assert_eq!(all.unwrap_err(), Unavailable::NoneEligible);
}

#[test]
fn a_status_that_is_no_gateway_error_and_a_time_that_is_over_say_nothing_about_the_backend() {
    let pool = pool(&[1, 2]);
    let lease = pick(&pool, &first()).unwrap();
    for failure in [Failure::Status(500), Failure::Status(429), Failure::OutOfTime] {
        (0..9).for_each(|_| fail(&pool, &lease, failure, clock::now()));
    }
    assert!(lease.backend().is_eligible() && !lease.backend().is_suspect());
}

#[test]
fn a_probe_goes_first_and_ends_with_its_lease() {
    let pool = pool(&[1, 2]);
    let now = clock::now();
    let failing = pick(&pool, &first()).unwrap();
    (0..5).for_each(|_| fail(&pool, &failing, Failure::Timeout, now));
    assert!(!failing.backend().is_eligible());
    let later = now + defaults::EJECTION.base;
    let probe = pool.pick(&first(), later).unwrap();
    assert!(probe.is_probe() && port(&probe) == port(&failing));
    assert!(!pool.pick(&first(), later).unwrap().is_probe(), "one at a time");
    drop(probe);
    let probe = pool.pick(&first(), later).unwrap();
    assert!(probe.is_probe(), "nothing was shown, so another follows");
    pool.answered(&probe, None, later);
    assert!(failing.backend().is_eligible());
}

#[test]
fn a_full_backend_is_not_picked_and_nobody_overtakes() {
    let pool = build(&[limited(1, 1), limited(2, 2)], |_| {});
    let leases: Vec<_> = (0..3).map(|_| pick(&pool, &first()).unwrap()).collect();
    assert_eq!(leases.iter().filter(|lease| port(lease) == 1).count(), 1);
    assert_eq!(pick(&pool, &first()).unwrap_err(), Unavailable::Full);
    drop(leases);
    assert!(pick(&pool, &first()).is_ok());
}

/// Waits in the queue in a task of its own.
fn wait(pool: &Arc<Pool>, wanted: PickRequest<'static>) -> JoinHandle<Result<Lease, Unavailable>> {
    let pool = Arc::clone(pool);
    tokio::spawn(async move { pool.wait(wanted, None, clock::now()).await })
}

async fn until_queued(pool: &Arc<Pool>, count: usize) {
    while pool.queued() != count {
        tokio::task::yield_now().await;
    }
}

#[test]
fn the_queue_is_first_in_first_out() {
    runtime().block_on(async {
        let pool = build_in(&[limited(1, 1)], |_| {}).await;
        let lease = pick(&pool, &first()).unwrap();
        let mut waiters = vec![];
        for place in 1..=3 {
            waiters.push(wait(&pool, first()));
            until_queued(&pool, place).await;
        }
        drop(lease);
        for waiter in waiters {
            assert_eq!(pick(&pool, &first()).unwrap_err(), Unavailable::Full, "no overtaking");
            drop(waiter.await.unwrap().unwrap());
        }
        assert!(pick(&pool, &first()).is_ok());
    });
}

async fn build_in(endpoints: &[Endpoint], change: impl FnOnce(&mut config::Pool)) -> Arc<Pool> {
    let mut config = config::Pool::new(PoolName::new("web"));
    change(&mut config);
    let roster = Arc::new(Roster::new(config.name.clone(), Arc::default(), clock::now()));
    let pool = Pool::build(&config, endpoints, roster, None).await.unwrap();
    pool.enlist(clock::now());
    Arc::new(pool)
}

#[test]
fn who_wants_another_backend_does_not_block_those_behind() {
    runtime().block_on(async {
        let pool = build_in(&[limited(1, 1), limited(2, 1)], |_| {}).await;
        let one = pick(&pool, &wanted(&[2], Failure::Broken)).unwrap();
        let two = pick(&pool, &first()).unwrap();
        let picky = wait(&pool, wanted(&[1], Failure::Broken));
        until_queued(&pool, 1).await;
        let behind = wait(&pool, first());
        until_queued(&pool, 2).await;
        drop(one);
        assert_eq!(port(&behind.await.unwrap().unwrap()), 1);
        drop(two);
        assert_eq!(port(&picky.await.unwrap().unwrap()), 2);
    });
}

#[test]
fn when_all_have_failed_it_the_last_one_is_not_asked_twice_in_a_row() {
    let pool = pool(&[1, 2, 3]);
    for _ in 0..6 {
        let lease = pick(&pool, &wanted(&[1, 2, 3], Failure::Broken)).unwrap();
        assert_ne!(port(&lease), 3);
    }
}

#[test]
fn a_newcomer_does_not_overtake_when_a_backend_comes_back() {
    runtime().block_on(async {
        let draining = Endpoint { drain: true, ..limited(2, 1) };
        let pool = build_in(&[limited(1, 1), draining], |_| {}).await;
        let _lease = pick(&pool, &first()).unwrap();
        let waits = wait(&pool, first());
        until_queued(&pool, 1).await;
        let back = pool.roster.backend(&address(2));
        pool.roster.apply(&back, Event::Drain(false), &pool.policy, clock::now());
        assert_eq!(pick(&pool, &first()).unwrap_err(), Unavailable::Full);
        assert_eq!(port(&waits.await.unwrap().unwrap()), 2);
    });
}

#[test]
fn the_queue_is_bounded_in_size_and_time() {
    runtime().block_on(async {
        let pool = build_in(&[limited(1, 1)], |config| config.queue.size = 1).await;
        let lease = pick(&pool, &first()).unwrap();
        let late = wait(&pool, first());
        until_queued(&pool, 1).await;
        let full = pool.wait(first(), None, clock::now()).await;
        assert_eq!(full.unwrap_err(), Unavailable::Full);
        assert_eq!(late.await.unwrap().unwrap_err(), Unavailable::QueueTimeout);
        assert_eq!(pool.queued(), 0);
        drop(lease);
    });
}

#[test]
fn who_leaves_the_queue_frees_its_place_and_takes_none_along() {
    runtime().block_on(async {
        let pool = build_in(&[limited(1, 1)], |_| {}).await;
        let lease = pick(&pool, &first()).unwrap();
        let leaves = wait(&pool, first());
        until_queued(&pool, 1).await;
        let stays = wait(&pool, first());
        until_queued(&pool, 2).await;
        leaves.abort();
        until_queued(&pool, 1).await;
        drop(lease);
        drop(stays.await.unwrap().unwrap());

        // It is handed a place and dropped before it takes it.
        let lease = pick(&pool, &first()).unwrap();
        let leaves = wait(&pool, first());
        until_queued(&pool, 1).await;
        let backend = Arc::clone(lease.backend());
        drop(lease);
        assert_eq!((backend.active(), pool.queued()), (1, 0));
        leaves.abort();
        assert!(leaves.await.is_err());
        assert_eq!(backend.active(), 0);
    });
}

#[test]
fn no_place_is_lost_between_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let pool = build_in(&[limited(1, 2), limited(2, 1)], |config| {
            config.queue.size = 1000;
            config.queue.timeout = Duration::from_secs(60);
        })
        .await;
        let ask = |pool: Arc<Pool>| async move {
            let lease = match pick(&pool, &first()) {
                Err(Unavailable::Full) => pool.wait(first(), None, clock::now()).await,
                picked => picked,
            };
            let lease = lease.unwrap();
            assert!(lease.backend().active() <= lease.backend().limit().unwrap());
            tokio::task::yield_now().await;
        };
        let clients: Vec<_> = (0..16)
            .map(|_| {
                let pool = Arc::clone(&pool);
                tokio::spawn(async move {
                    for _ in 0..200 {
                        ask(Arc::clone(&pool)).await;
                    }
                })
            })
            .collect();
        for client in clients {
            client.await.unwrap();
        }
        assert_eq!(pool.queued(), 0);
        assert!(pool.members.values().all(|member| member.backend.active() == 0));
    });
}
