//! The retry budget of a pool.

use super::super::Lb;
use super::super::client::get;
use crate::support::{backend::ScriptedBackend, reply::Reply};

/// The number of tries that this number of requests make on two backends that are always
/// unavailable.
#[track_caller]
fn tries_of(requests: usize, budget: &str) -> usize {
    let reply = Reply::status(503).header("X-Why", "tired").body("not me");
    let (a, b) = (ScriptedBackend::replying(reply.clone()), ScriptedBackend::replying(reply));
    let retry = format!("    retry: {{ backoff: off, {budget} }}\n    ejection: off");
    let lb = Lb::over(&[&a, &b], &retry);
    for _ in 0..requests {
        let response = get(lb.address(), "/");
        assert_eq!((response.status, response.text().as_str()), (503, "not me"));
        assert_eq!(response.header("x-why"), Some("tired"));
        assert!(response.is_complete);
    }
    a.requests().len() + b.requests().len()
}

#[test]
fn without_a_share_retries_stop_at_the_floor() {
    // One a second is ten in the window of ten seconds.
    assert_eq!(tries_of(20, "budget: 0%, budget_min: 1"), 20 + 10);
    assert_eq!(tries_of(5, "budget: 0%, budget_min: 0"), 5);
}

#[test]
fn without_a_floor_retries_are_a_share_of_the_requests() {
    assert_eq!(tries_of(50, "budget: 20%, budget_min: 0"), 50 + 10);
    assert_eq!(tries_of(10, "budget: 100%, budget_min: 0"), 10 + 10);
}

#[test]
fn a_refused_connection_costs_nothing() {
    let backends: Vec<_> = ["a", "b", "c"].map(ScriptedBackend::named).into();
    let settings = "    retry: { budget: 0%, budget_min: 0 }";
    let lb = Lb::over(&backends.iter().collect::<Vec<_>>(), settings);
    backends[0].stop();
    backends[1].stop();
    for _ in 0..3 {
        assert_eq!(get(lb.address(), "/").text(), "c");
    }
    let tried: u64 = lb.log_lines(3).iter().filter_map(|line| line["attempts"].as_u64()).sum();
    assert_eq!(tried, 3 + 2, "each refused once");
}

#[test]
fn a_request_that_may_have_arrived_is_not_retried_on_an_empty_budget() {
    for (reply, status) in [(Reply::reset(), 502), (Reply::hang(), 504)] {
        let (a, b) = (ScriptedBackend::replying(reply), ScriptedBackend::named("b"));
        let settings = "    retry: { budget: 0%, budget_min: 0 }\n    \
                        timeouts: { response: 300ms }";
        let lb = Lb::over(&[&a, &b], settings);
        let mut statuses = [0; 4].map(|_| get(lb.address(), "/").status);
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 200, status, status], "the others keep their turns");
        assert_eq!((a.requests().len(), b.requests().len()), (2, 2));
    }
}
