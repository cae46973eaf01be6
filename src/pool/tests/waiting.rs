//! Waiting for a backend in the queue.

use super::*;

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

#[test]
fn a_request_that_wants_another_backend_does_not_block_those_behind() {
    runtime().block_on(async {
        let pool = build_in(&[limited(1, 1), limited(2, 1)], |_| {}).await;
        let one = pick(&pool, &tried(&[2], Failure::Broken)).unwrap();
        let two = pick(&pool, &first()).unwrap();
        let picky = wait(&pool, tried(&[1], Failure::Broken));
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
fn a_newcomer_does_not_overtake_when_a_backend_comes_back() {
    runtime().block_on(async {
        let draining = Endpoint { drain: true, ..limited(2, 1) };
        let pool = build_in(&[limited(1, 1), draining], |_| {}).await;
        let _lease = pick(&pool, &first()).unwrap();
        let waits = wait(&pool, first());
        until_queued(&pool, 1).await;
        let back = pool.roster().backend(&address(2));
        pool.roster().apply(&back, Event::Drain(false), &pool.policy, clock::now());
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
fn a_request_that_leaves_the_queue_frees_its_slot() {
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
fn no_slot_is_lost_between_threads() {
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
        assert!(pool.backends(clock::now()).all(|view| view.backend.active() == 0));
    });
}
