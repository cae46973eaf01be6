//! Members that come and go while the pool serves.

use super::*;
use crate::config::{HealthCheck, Probe};

fn change(pool: &Arc<Pool>, endpoints: &[Endpoint]) {
    runtime().block_on(pool.change_members(endpoints, clock::now())).unwrap();
}

fn ports(pool: &Arc<Pool>) -> Vec<u16> {
    pool.backends(clock::now()).map(|view| view.endpoint.address.tcp().unwrap().port()).collect()
}

/// Puts the pool of another configuration in place of this one.
fn reload(
    pool: &Arc<Pool>,
    endpoints: &[Endpoint],
    change: impl FnOnce(&mut config::Pool),
) -> Arc<Pool> {
    let mut config = pool.config().clone();
    change(&mut config);
    let (roster, now) = (Arc::clone(&pool.state.roster), clock::now());
    let prepared = Pool::prepare(&config, endpoints, roster, Some(pool), now);
    runtime().block_on(prepared.take_effect(now)).unwrap()
}

#[test]
fn three_of_five_thousand_change_and_the_others_notice_nothing() {
    let slow_start = Duration::from_secs(600);
    let endpoints: Vec<_> = (1..=5000).map(endpoint).collect();
    let pool = build(&endpoints, |config| config.slow_start = Some(slow_start));
    let serving = [1, 2].map(|expected| {
        let lease = pick(&pool, &first()).unwrap();
        assert_eq!(port(&lease), expected);
        lease
    });
    let ejected = pick(&pool, &PickRequest { sticky: Some(address(4000)), ..first() }).unwrap();
    fail(&pool, &ejected, Failure::Refused, clock::now());
    let on_last = pick(&pool, &PickRequest { sticky: Some(address(5000)), ..first() }).unwrap();
    let last = Arc::clone(on_last.backend());
    let now = clock::now();
    let before: Vec<_> = pool.backends(now).collect();

    let mut changed = endpoints[..4997].to_vec();
    changed.extend([6001, 6002, 6003].map(endpoint));
    change(&pool, &changed);

    let after: Vec<_> = pool.backends(now).collect();
    for (before, after) in before.iter().zip(&after[..4997]) {
        assert!(Arc::ptr_eq(&before.backend, &after.backend));
        assert_eq!(before.eligibility, after.eligibility);
        assert!((after.share - 1.0).abs() < f64::EPSILON);
    }
    assert!(!after[3999].eligibility.is_eligible());
    assert_eq!((serving.len(), after[1].backend.active()), (2, 1));
    assert_eq!(port(&pick(&pool, &first()).unwrap()), 3, "the turn goes on");
    assert!(after[4997..].iter().all(|new| new.share < 0.2), "new ones start slowly");

    // Backends that left get no new requests, and end with their last request.
    assert!(pool.roster().known(&address(5000)).is_none());
    assert_eq!((last.active(), port(&on_last)), (1, 5000));
    drop((on_last, before));
    assert_eq!((last.active(), Arc::strong_count(&last)), (0, 1), "this test alone knows it");
}

#[test]
fn the_first_members_of_a_pool_do_not_start_slowly() {
    let pool = build(&[endpoint(1), endpoint(2)], |config| {
        config.slow_start = Some(Duration::from_secs(600));
    });
    change(&pool, &[endpoint(3), endpoint(4)]);
    assert!(pool.backends(clock::now()).all(|view| (view.share - 1.0).abs() < f64::EPSILON));
}

#[test]
fn there_is_no_moment_without_a_member() {
    let pool = pool(&[1, 2, 3]);
    let is_done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let picks = scope.spawn(|| {
            let mut picks = 0;
            while !is_done.load(std::sync::atomic::Ordering::Relaxed) {
                drop(pick(&pool, &first()).unwrap());
                picks += 1;
            }
            picks
        });
        for round in 0..300 {
            let base = 10 + round % 2 * 10;
            change(&pool, &[base, base + 1, base + 2].map(endpoint));
        }
        is_done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(picks.join().unwrap() > 0);
    });
}

#[test]
fn terms_change_with_the_members() {
    let pool = pool(&[1, 2]);
    change(&pool, &[Endpoint { backup: true, ..endpoint(1) }, endpoint(2)]);
    assert_eq!([(); 3].map(|()| port(&pick(&pool, &first()).unwrap())), [2, 2, 2]);
    change(&pool, &[endpoint(1), Endpoint { drain: true, ..endpoint(2) }]);
    assert_eq!([(); 3].map(|()| port(&pick(&pool, &first()).unwrap())), [1, 1, 1]);
    change(&pool, &[limited(1, 1)]);
    let _lease = pick(&pool, &first()).unwrap();
    assert_eq!(pick(&pool, &first()).unwrap_err(), Unavailable::Full);
}

#[test]
fn a_configuration_that_changes_backends_alone_keeps_the_pool() {
    let pool = pool(&[1, 2]);
    let same = reload(&pool, &[endpoint(2), endpoint(3)], |_| {});
    assert!(Arc::ptr_eq(&pool, &same));
    assert_eq!(ports(&pool), [2, 3]);
    let other = reload(&pool, &[endpoint(2), endpoint(3)], |config| config.queue.size = 7);
    assert!(!Arc::ptr_eq(&pool, &other));
}

#[test]
fn a_request_of_an_older_configuration_gets_a_backend_of_the_newest_membership() {
    let old = pool(&[1]);
    let new = reload(&old, &[endpoint(2)], |config| config.algorithm = Algorithm::LeastConn);
    assert_eq!(port(&pick(&old, &first()).unwrap()), 2);
    assert_eq!(port(&pick(&new, &first()).unwrap()), 2);
}

#[test]
fn a_queue_goes_on_when_the_configuration_changes() {
    let old = build(&[limited(1, 1)], |_| {});
    let lease = pick(&old, &first()).unwrap();
    runtime().block_on(async {
        let waits = wait(&old, first());
        until_queued(&old, 1).await;
        let mut config = old.config().clone();
        config.queue.size = 7;
        let (roster, now) = (Arc::clone(&old.state.roster), clock::now());
        let new = Pool::prepare(&config, &[limited(1, 1)], roster, Some(&old), now);
        let new = new.take_effect(now).await.unwrap();
        let behind = wait(&new, first());
        until_queued(&new, 2).await;
        assert_eq!(pick(&new, &first()).unwrap_err(), Unavailable::Full, "no overtaking");
        drop(lease);
        assert_eq!(port(&waits.await.unwrap().unwrap()), 1);
        drop(behind.await.unwrap().unwrap());
    });
}

#[test]
fn a_new_member_serves_waiting_requests_at_once() {
    let pool = build(&[limited(1, 1)], |_| {});
    let _lease = pick(&pool, &first()).unwrap();
    runtime().block_on(async {
        let waits = wait(&pool, first());
        until_queued(&pool, 1).await;
        pool.change_members(&[limited(1, 1), endpoint(2)], clock::now()).await.unwrap();
        assert_eq!(pool.queued(), 0);
        assert_eq!(port(&waits.await.unwrap().unwrap()), 2);
    });
}

#[tokio::test]
async fn checks_of_those_that_stay_go_on_and_a_new_member_is_checked_at_once() {
    let listen = || async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, endpoint(port))
    };
    let (_first, stays) = listen().await;
    let pool = build_in(std::slice::from_ref(&stays), |config| {
        // Without a random wait before a check, and without a second round.
        let hour = Duration::from_secs(3600);
        config.health_check = Some(HealthCheck {
            probe: Probe::Tcp,
            interval: hour,
            timeout: hour,
            rise: NonZeroU32::MIN,
            fall: NonZeroU32::MIN,
            port: None,
        });
    })
    .await;
    let (_shutdown, watch) = tokio::sync::watch::channel(false);
    let runs = tokio::spawn({
        let pool = Arc::clone(&pool);
        async move { pool.run(watch).await }
    });
    let checked = async |address: &Address| {
        let backend = pool.roster().known(address).unwrap();
        let deadline = clock::now() + Duration::from_secs(10);
        loop {
            if let Some(check) = backend.counts().last_check() {
                return check.at;
            }
            assert!(clock::now() < deadline, "{address} was not checked");
            tokio::task::yield_now().await;
        }
    };
    let at = checked(&stays.address).await;
    for _ in 0..3 {
        let (_listener, joins) = listen().await;
        pool.change_members(&[stays.clone(), joins.clone()], clock::now()).await.unwrap();
        checked(&joins.address).await;
        assert!(pool.is_checked());
        assert_eq!(checked(&stays.address).await, at);
    }
    runs.abort();
}
