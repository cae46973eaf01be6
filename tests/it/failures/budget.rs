//! Retries do not multiply an outage.

use crate::support::reply::Reply;

use super::{Scene, is_a_clients};

/// `budget_min` times the seconds that a budget is counted over.
const FLOOR: usize = 10 * 10;

#[test]
fn when_every_backend_answers_503_a_fifth_is_retried_at_most() {
    let scene = Scene::replying("", |_| Reply::status(503).body("not now"));
    let ended = scene.end();
    let report = &ended.report;
    assert_eq!(report.failures.len(), report.requests(), "{report}");
    let asked = report.requests();
    let seen: usize = ended.backends.iter().map(|backend| backend.count(is_a_clients)).sum();
    assert!(seen <= asked * 6 / 5 + FLOOR, "{seen} attempts for {asked} requests");
    assert!(seen > asked, "nothing was retried: {seen} attempts for {asked} requests");
}
