//! Backends that are there and do not serve: connections that break, answers of 503.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::support::{
    backend::ScriptedBackend,
    load::{Failure, Kind, good_answer, number_in},
    reply::Reply,
    request::Request,
};

use super::{Ended, SOME, Scene, answer};

/// One of three backends does this until it is ejected and then some, and comes back.
#[track_caller]
fn one_is_broken_for_a_while(breaks: impl FnOnce(&ScriptedBackend)) -> Ended {
    let scene = Scene::new("");
    breaks(scene.c());
    scene.wait_for_log("backend ejected");
    scene.load.more(SOME);
    scene.c().on_accept(None);
    scene.c().reply_with(answer);
    scene.wait_for_log("backend readmitted");
    scene.wait_until_used(scene.c());
    let ended = scene.end();
    ended.assert_no_get_failed(0);
    ended.assert_orders_failed_plainly();
    ended
}

#[test]
fn a_backend_that_accepts_connections_and_closes_them() {
    one_is_broken_for_a_while(|c| {
        c.on_accept(Reply::close());
        // Connections that are open already.
        c.reply(Reply::close());
    });
}

#[test]
fn a_backend_that_resets_connections_instead_of_answering() {
    one_is_broken_for_a_while(|c| c.reply(Reply::reset()));
}

#[test]
fn a_backend_that_resets_connections_in_the_middle_of_a_header() {
    one_is_broken_for_a_while(|c| c.reply(Reply::reset_in_header()));
}

#[test]
fn a_backend_that_answers_503() {
    let ended = one_is_broken_for_a_while(|c| c.reply(Reply::status(503).body("not now")));
    let is_passed_on = |failure: Failure| failure == Failure::Status(503);
    let failures = &ended.report.failures;
    assert!(failures.iter().all(|failed| is_passed_on(failed.failure)), "{}", ended.report);
}

/// Ways to die in the middle of a body, the orderly ones first.
const DEATHS: [fn(&Request) -> Reply; 5] = [
    |request| good_answer(request).closed_after(5),
    |request| good_answer(request).chunked().closed_after(5),
    |request| good_answer(request).reset_after(5),
    |request| good_answer(request).chunked().reset_after(5),
    |request| good_answer(request).until_close().reset_after(5),
];
/// The number of these after which the bytes that were sent arrive in any case.
const ORDERLY: usize = 2;
/// One answer in this number breaks off: rarely enough that the backend stays.
const DEATH_EVERY: usize = 8;

#[test]
fn a_backend_that_dies_in_the_middle_of_a_body() {
    let scene = Scene::new("");
    let deaths: Arc<[AtomicUsize; DEATHS.len()]> = Arc::default();
    let count = Arc::clone(&deaths);
    scene.c().reply_with(move |request| {
        let dies = |number: &usize| number.is_multiple_of(DEATH_EVERY);
        let Some(number) = number_in(&request.path).filter(dies) else {
            return answer(request);
        };
        let way = number / DEATH_EVERY % DEATHS.len();
        count[way].fetch_add(1, Ordering::Relaxed);
        DEATHS[way](request)
    });
    let died = |ways: &[AtomicUsize]| -> usize {
        ways.iter().map(|times| times.load(Ordering::Relaxed)).sum()
    };
    scene.load.until("deaths of every kind", || {
        deaths.iter().all(|times| times.load(Ordering::Relaxed) >= 20)
    });
    scene.c().reply_with(answer);
    let ended = scene.end();
    let report = &ended.report;
    let cut = report.failures.iter().filter(|failed| failed.failure == Failure::Cut).count();
    // A reset may overtake the header; then nothing has reached the client, and a GET goes
    // elsewhere.
    assert!((died(&deaths[..ORDERLY])..=died(&*deaths)).contains(&cut), "{deaths:?} {report}");
    let gets = report.failures_of(Kind::Get, 0);
    assert!(gets.iter().all(|failure| *failure == Failure::Cut), "{report}");
}
