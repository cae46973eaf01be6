//! Backends that are gone, and come back: their port is closed, and connections are refused.

use super::{Ended, REQUESTS, SOME, Scene, is_plain};

/// Asserts what holds if one backend is left.
#[track_caller]
fn assert_no_client_noticed(ended: &Ended) {
    ended.assert_no_get_failed(0);
    ended.assert_orders_failed_plainly();
}

#[test]
fn a_backend_that_is_killed_and_comes_back() {
    let (scene, mut c) = Scene::with_process("");
    c.kill();
    scene.load.more(SOME);
    c.start();
    scene.wait_until_used(scene.c());
    assert_no_client_noticed(&scene.end());
}

#[test]
fn a_backend_that_refuses_connections_for_a_while() {
    let scene = Scene::new("");
    scene.c().stop();
    scene.load.more(SOME);
    scene.c().start();
    scene.wait_until_used(scene.c());
    assert_no_client_noticed(&scene.end());
}

#[test]
fn all_but_one_of_three_refuse_connections() {
    let scene = Scene::new("");
    for index in [1, 2] {
        scene.backends[index].stop();
    }
    scene.load.more(REQUESTS);
    for index in [1, 2] {
        scene.backends[index].start();
    }
    for index in [1, 2] {
        scene.wait_until_used(&scene.backends[index]);
    }
    assert_no_client_noticed(&scene.end());
}

#[test]
fn every_backend_is_restarted_one_after_the_other() {
    let scene = Scene::new("");
    for backend in &scene.backends {
        backend.stop();
        scene.load.more(SOME);
        backend.start();
        scene.wait_until_used(backend);
    }
    assert_no_client_noticed(&scene.end());
}

#[test]
fn all_backends_are_down_and_come_back() {
    let scene = Scene::new("");
    for backend in &scene.backends {
        backend.stop();
    }
    scene.load.more(SOME);
    for backend in &scene.backends {
        backend.start();
    }
    for backend in &scene.backends {
        scene.wait_until_used(backend);
    }
    let all_are_back = scene.load.begun();
    scene.load.more(REQUESTS);
    let ended = scene.end();
    ended.assert_no_get_failed(all_are_back);
    ended.assert_orders_failed_plainly();
    let failures = &ended.report.failures;
    assert!(failures.iter().all(|failed| is_plain(&failed.failure)), "{}", ended.report);
    assert!(failures.iter().all(|failed| failed.number < all_are_back), "{}", ended.report);
    assert!(!failures.is_empty(), "no client noticed that all were down");
}
