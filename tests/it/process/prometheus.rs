//! A real Prometheus scrapes a running process, and its counts match the traffic.

use std::collections::BTreeMap;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::get,
    eventually::eventually,
    lb::outcomes,
    metrics::{ADMIN, Asked, TOKEN},
    process::LbProcess,
    prometheus::{Prometheus, promtool},
    reply::Reply,
};

use super::{access_lines, yaml};

const LOG: &str = "access_log: { path: access.log }";

fn start(backends: &[&ScriptedBackend], settings: &str) -> (LbProcess, Asked) {
    let addresses: Vec<_> = backends.iter().map(|backend| backend.address()).collect();
    let text = yaml(&addresses, &format!("{settings}\n{LOG}\n{ADMIN}"));
    let mut lb = LbProcess::with_config(&text, &[]);
    let admin = Asked::of(&mut lb);
    (lb, admin)
}

#[test]
fn promtool_accepts_a_scrape() {
    let a = ScriptedBackend::named("a");
    let (mut lb, admin) =
        start(&[&a], "    health_check: { path: /, interval: 100ms, timeout: 90ms }");
    get(lb.address(), "/");
    eventually(PATIENCE, "a check has ended", || {
        admin.scrape().text.contains("\nlb_backend_check_duration_seconds{")
    });
    promtool(&["check", "metrics"], &admin.scrape().text);
}

#[test]
fn prometheus_counts_what_was_sent() {
    let [a, b] = ["a", "b"].map(ScriptedBackend::named);
    let (mut lb, admin) = start(&[&a, &b], "    retry: { attempts: 2 }");
    let prometheus = Prometheus::scraping(admin.0, TOKEN);
    prometheus.wait_for_value("up{job=\"lb\"}", 1.0);

    b.reply_next(3, Reply::status(404));
    for _ in 0..20 {
        get(lb.address(), "/");
    }
    prometheus.wait_for_value("sum(lb_listener_requests_total{code=\"2xx\"})", 17.0);
    prometheus.wait_for_value("sum(lb_pool_requests_total{pool=\"web\", code=\"4xx\"})", 3.0);

    a.stop();
    for _ in 0..30 {
        assert_eq!(get(lb.address(), "/").status, 200, "the other one answers");
    }
    prometheus.wait_for_value("sum(lb_listener_requests_total)", 50.0);
    prometheus.wait_for_value("lb_pool_request_duration_seconds_count{pool=\"web\"}", 50.0);
    // A probe may have been refused again meanwhile.
    let mut tries = BTreeMap::<_, f64>::new();
    for line in access_lines(&lb, 50) {
        for outcome in outcomes(&line) {
            *tries.entry(outcome.to_owned()).or_default() += 1.0;
        }
    }
    assert_eq!(tries.keys().collect::<Vec<_>>(), ["ok", "refused"]);
    for (outcome, count) in tries {
        let query = format!("sum(lb_backend_attempts_total{{outcome=\"{outcome}\"}})");
        prometheus.wait_for_value(&query, count);
    }
    let address = a.address();
    let query =
        format!("sum(lb_backend_state{{backend=\"{address}\", state=~\"ejected|half_open\"}})");
    prometheus.wait_for_value(&query, 1.0);
    prometheus.assert_rules_work();
}
