//! Backends that are late: stopped processes, and answers that take three seconds.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use crate::support::load::good_answer;

use super::{Ended, Logged, SOME, Scene, answer, is_a_clients, log_lines};

const AUTO: &str = "    timeouts: { response: auto }\n";
/// Far above a learned limit, far below a fixed one.
const SLOW: Duration = Duration::from_secs(3);
/// The number of slow answers if no limit cuts them off: clients wait for them.
const SLOW_ANSWERS: usize = 24;

/// The requests that a limit has ended on the last backend; none of them an order.
#[track_caller]
fn late_gets(ended: &Ended) -> Vec<usize> {
    let log = ended.access_log();
    let late = log.iter().filter(|line| line.was_late_on(ended.address_of_c));
    late.map(|line| {
        assert_eq!(line.method, "GET", "cut off, and it may not be repeated");
        line.number
    })
    .collect()
}

#[test]
fn no_request_waits_for_a_stopped_backend_or_goes_there_once_it_is_ejected() {
    // No probe before the test is over.
    let long = "    ejection: { failures: 5, base: 10m, max: 10m }\n";
    let (scene, c) = Scene::with_process(&format!("{AUTO}{long}"));
    c.stop();
    scene.wait_for_log("backend ejected");
    let ejected = scene.load.begun();
    scene.load.more(SOME);
    // The backend is still stopped, so only a limit can have ended these requests, and the fixed
    // one is longer than a test waits.
    scene.load.until("an end of every stuck GET", || !scene.load.awaits_get_below(ejected));
    c.resume();
    scene.load.more(SOME);
    let ended = scene.end();
    ended.assert_no_get_failed(0);
    ended.assert_orders_failed_plainly();
    assert!(!late_gets(&ended).is_empty(), "no attempt was ended");
    let by_the_fixed_limit = |line: &&Logged| line.ended_as(ended.address_of_c, "timeout");
    assert_eq!(ended.access_log().iter().filter(by_the_fixed_limit).count(), 0);
    let is_after = |line: &&Logged| line.number >= ejected && line.was_on(ended.address_of_c);
    let after: Vec<_> =
        ended.access_log().iter().filter(is_after).map(|line| line.number).collect();
    assert!(after.is_empty(), "sent to an ejected backend, from {ejected} on: {after:?}");
}

#[test]
fn a_backend_that_is_stopped_and_continued() {
    let (scene, c) = Scene::with_process(AUTO);
    c.stop();
    scene.wait_for_log("backend ejected");
    let ejected = scene.load.begun();
    // A probe of a backend that is still stopped is late too, and ejects it once more.
    scene.wait_for_logs("backend ejected", 2);
    // Later requests may meet it in service again, and it may then be late like any other.
    let resumed = scene.load.begun();
    c.resume();
    scene.wait_for_log("backend readmitted");
    scene.wait_until_used(scene.c());
    let ended = scene.end();
    ended.assert_no_get_failed(0);
    ended.assert_orders_failed_plainly();
    let while_out = ejected..resumed;
    let probes = late_gets(&ended).iter().filter(|number| while_out.contains(number)).count();
    let ejections = log_lines(&ended.lb, "backend ejected", ended.address_of_c).len();
    assert!(probes < ejections, "{probes} late after the first of {ejections} ejections");
}

#[test]
fn a_backend_that_answers_in_three_seconds_where_the_limit_is_learned() {
    let scene = Scene::new(AUTO);
    scene.c().reply_with(|request| good_answer(request).delayed(SLOW));
    scene.wait_for_log("backend ejected");
    scene.load.more(SOME);
    scene.c().reply_with(answer);
    scene.wait_for_log("backend readmitted");
    scene.wait_until_used(scene.c());
    scene.end().assert_nothing_failed();
}

#[test]
fn a_backend_that_answers_in_three_seconds_where_the_limit_is_fixed() {
    let scene = Scene::new("");
    let slow = AtomicUsize::new(0);
    scene.c().reply_with(move |request| match slow.fetch_add(1, Ordering::Relaxed) {
        0..SLOW_ANSWERS => good_answer(request).delayed(SLOW),
        _ => answer(request),
    });
    let ended = scene.end();
    ended.assert_nothing_failed();
    let seen: usize = ended.backends.iter().map(|backend| backend.count(is_a_clients)).sum();
    assert_eq!(seen, ended.report.requests(), "nothing was cut off and sent again");
}
