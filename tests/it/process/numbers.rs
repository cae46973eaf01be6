//! After a known load with known failures, the access log, `/metrics`, the API and the clients have
//! the same counts.

use std::{collections::BTreeMap, net::SocketAddr};

use serde_json::Value;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::{ask, get, post},
    eventually::eventually,
    load::{Load, ORDER, ORDER_EVERY, good_answer},
    metrics::{ADMIN, Asked, Scrape},
    process::LbProcess,
    reply::{Reply, Step},
};

use super::access_lines;

/// Requests of the load.
const LOAD: usize = 2000;
/// Answers of 503 of the second backend.
const UNAVAILABLE: usize = 60;
/// Requests without a route.
const LOST: usize = 25;
/// Clients that leave before they have an answer.
const LEAVERS: usize = 12;
/// Clients that leave in the middle of an answer.
const CUTTERS: usize = 5;
/// Requests to a pool whose only backend answers with 500.
const BROKEN: usize = 17;
/// Requests to a pool whose only backend is gone: the first is refused there, the others find no
/// backend.
const STRANDED: usize = 6;
/// POSTs with this body.
const ORDERS: usize = 40;
const BODY: &[u8] = &[b'x'; 3000];

type Counts = BTreeMap<String, usize>;

/// The facts of a load that are known without the process.
struct Known {
    /// The clients' answers by status; 499 for clients that left.
    seen: Counts,
    /// Bytes of the clients' bodies.
    uploaded: usize,
    lines: Vec<Value>,
    scrape: Scrape,
    status: Value,
}

fn configuration(
    web: [&ScriptedBackend; 3],
    broken: &ScriptedBackend,
    gone: &ScriptedBackend,
) -> String {
    let [a, b, c] = web.map(ScriptedBackend::address);
    let (broken, gone) = (broken.address(), gone.address());
    // In the first pool a failing backend is not ejected, so that it fails as often as arranged.
    format!(
        "
listeners: [ {{ address: 127.0.0.1:0 }} ]
routes:
  - {{ path: /item, pool: web }}
  - {{ path: /order, pool: web }}
  - {{ path: /hang, pool: web }}
  - {{ path: /broken, pool: broken }}
  - {{ path: /gone, pool: gone }}
pools:
  web:
    backends: [ {{ address: {a} }}, {{ address: {b} }}, {{ address: {c} }} ]
    health_check: off
    ejection: off
  broken: {{ backends: [ {{ address: {broken} }} ], health_check: off }}
  gone: {{ backends: [ {{ address: {gone} }} ], health_check: off }}
access_log: {{ path: access.log }}
{ADMIN}
"
    )
}

/// Clients that leave while the backend thinks, and then while it answers, one after the other.
fn leave(lb: SocketAddr, backends: &[&ScriptedBackend]) {
    for backend in backends {
        backend.reply_to("/hang", Reply::hang());
        // Pingora keeps a beginning back where there is a Content-Length.
        let half =
            Step::Send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n".into());
        backend.reply_to("/hang/half", Reply::steps_of([half, Step::Hang]));
    }
    let asked = || backends.iter().map(|backend| backend.requests_to("/hang").len()).sum::<usize>();
    for number in 1..=LEAVERS {
        let client = ask(lb, "/hang");
        eventually(PATIENCE, "the request is with a backend", || asked() == number);
        drop(client);
    }
    for _ in 0..CUTTERS {
        let mut client = ask(lb, "/hang/half");
        client.read_head().unwrap();
    }
}

/// Sends the other requests one after the other, beside the load; returns the clients' counts.
fn others(lb: SocketAddr, patient: [&ScriptedBackend; 2]) -> Counts {
    let mut seen = Counts::new();
    let mut saw = |status: u16, times: usize| *seen.entry(status.to_string()).or_default() += times;
    for (path, times) in [("/nowhere", LOST), ("/broken", BROKEN), ("/gone", STRANDED)] {
        (0..times).for_each(|_| saw(get(lb, path).status, 1));
    }
    (0..ORDERS).for_each(|number| saw(post(lb, &format!("/order/big-{number}"), BODY).status, 1));
    leave(lb, &patient);
    saw(499, LEAVERS);
    saw(200, CUTTERS);
    assert_eq!((seen["404"], seen["500"], seen["502"] + seen["503"]), (LOST, BROKEN, STRANDED));
    seen
}

fn known() -> Known {
    let [a, b, c, gone] = ["a", "b", "c", "gone"].map(ScriptedBackend::named);
    let broken = ScriptedBackend::replying(Reply::status(500));
    gone.stop();
    let web = [&a, &b, &c];
    web.iter().for_each(|backend| backend.reply_with(good_answer));
    let mut lb = LbProcess::with_config(&configuration(web, &broken, &gone), &[]);
    let (address, admin) = (lb.address(), Asked::of(&mut lb));

    let load = Load::of_all_habits(address);
    load.reach(LOAD / 4);
    b.reply_next(UNAVAILABLE, Reply::status(503));
    load.reach(LOAD / 2);
    c.stop();
    load.reach(LOAD);
    let report = load.finish();
    let mut seen = others(address, [&a, &b]);
    for (status, count) in &report.statuses {
        *seen.entry(status.to_string()).or_default() += count;
    }

    let all = report.requests() + LOST + BROKEN + STRANDED + ORDERS + LEAVERS + CUTTERS;
    let lines = access_lines(&lb, all);
    assert_eq!(lines.len(), all, "a line for each request, and none else");
    eventually(PATIENCE, "no request is in flight", || {
        admin.scrape().sum("lb_requests_in_flight", &[]) == 0
    });
    let uploaded = report.requests() / ORDER_EVERY * ORDER.len() + ORDERS * BODY.len();
    let (scrape, status) = (admin.scrape(), admin.api("/api/v1/pools"));
    Known { seen, uploaded, lines, scrape, status }
}

fn count<T: ToString>(of: impl Iterator<Item = T>) -> Counts {
    let mut counts = Counts::new();
    of.for_each(|one| *counts.entry(one.to_string()).or_default() += 1);
    counts
}

fn class(status: &Value) -> String {
    format!("{}xx", status.as_u64().expect("a number") / 100)
}

fn tries(line: &Value) -> &[Value] {
    line["tries"].as_array().expect("a list")
}

/// The outcome as the metrics name it: any failed status is the same outcome.
fn outcome(one: &Value) -> String {
    let outcome = one["outcome"].as_str().expect("a word");
    let is_status = outcome.parse::<u16>().is_ok();
    if is_status { "status".to_owned() } else { outcome.to_owned() }
}

fn has_answer(one: &&Value) -> bool {
    !one["first_byte_ms"].is_null()
}

fn number(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap_or_else(|| panic!("{value} is no count"))).unwrap()
}

/// The counts of an object that are not 0.
fn counts(object: &Value) -> Counts {
    let object = object.as_object().expect("an object");
    let all = object.iter().map(|(name, value)| (name.clone(), number(value)));
    all.filter(|(_, count)| *count > 0).collect()
}

impl Known {
    fn by(&self, metric: &str, label: &str) -> Counts {
        self.scrape.by(metric, label).into_iter().collect()
    }

    fn pools(&self) -> &[Value] {
        self.status["pools"].as_array().expect("a list")
    }

    fn all_tries(&self) -> impl Iterator<Item = &Value> {
        self.lines.iter().flat_map(tries)
    }

    fn of_pool<'a>(&'a self, pool: &'a str) -> impl Iterator<Item = &'a Value> {
        self.lines.iter().filter(move |line| line["pool"] == pool)
    }

    /// Asserts that everything arranged has happened, and that the clients agree with the log.
    fn assert_arranged(&self) {
        assert_eq!(count(self.lines.iter().map(|line| &line["status"])), self.seen);
        let outcomes = count(self.all_tries().map(outcome));
        assert_eq!(outcomes.get("status"), Some(&UNAVAILABLE), "{outcomes:?}");
        assert_eq!(outcomes.get("abandoned"), Some(&LEAVERS), "{outcomes:?}");
        assert_eq!(outcomes.get("cut_off"), Some(&CUTTERS), "{outcomes:?}");
        assert!(outcomes.contains_key("refused"), "{outcomes:?}");
        let of_all = count(self.lines.iter().map(|line| &line["pool"]));
        assert_eq!(of_all.get("null"), Some(&LOST), "{of_all:?}");
    }

    fn assert_requests(&self) {
        let by_class = count(self.lines.iter().map(|line| class(&line["status"])));
        assert_eq!(self.by("lb_listener_requests_total", "code"), by_class);
        let routed = self.lines.iter().filter(|line| !line["pool"].is_null());
        let routed = count(routed.map(|line| class(&line["status"])));
        assert_eq!(self.by("lb_pool_requests_total", "code"), routed);
        assert_eq!(self.by("lb_route_requests_total", "code"), routed);
        assert_eq!(counts(&self.status["listeners"][0]["responses"]), by_class);
        let bytes: usize = self.lines.iter().map(|line| number(&line["bytes"])).sum();
        assert_eq!(self.scrape.sum("lb_listener_sent_bytes_total", &[]), bytes);

        self.assert_uploads();

        assert_eq!(self.pools().len(), 3);
        for pool in self.pools() {
            let name = pool["name"].as_str().unwrap();
            let of_it = count(self.of_pool(name).map(|line| class(&line["status"])));
            assert_eq!(counts(&pool["responses"]), of_it, "{name}");
            assert_eq!(number(&pool["requests"]), of_it.values().sum::<usize>(), "{name}");
            assert_eq!(number(&pool["errors"]), of_it.get("5xx").copied().unwrap_or(0), "{name}");
            let own = [("pool", name)];
            let observed = self.scrape.sum("lb_pool_request_duration_seconds_count", &own);
            assert_eq!(observed, number(&pool["requests"]), "{name}");
            let first_bytes = self.of_pool(name).flat_map(tries).filter(has_answer);
            let observed = self.scrape.sum("lb_pool_first_byte_duration_seconds_count", &own);
            assert_eq!(observed, first_bytes.count(), "{name}");
        }
    }

    /// A body that a backend has answered was read. A backend that goes may end a request before its body
    /// is read, which is the only way in which fewer bytes are counted than were sent.
    fn assert_uploads(&self) {
        let uploaded = self.scrape.sum("lb_listener_received_bytes_total", &[]);
        let is_unread = |line: &&Value| {
            line["method"] == "POST" && !tries(line).last().is_some_and(|last| has_answer(&last))
        };
        let unread = self.lines.iter().filter(is_unread).count();
        assert!(unread < 10, "{unread} orders without an answer");
        let read = self.uploaded - unread * ORDER.len();
        assert!((read..=self.uploaded).contains(&uploaded), "{uploaded} of {}", self.uploaded);
        assert_eq!((self.uploaded - uploaded) % ORDER.len(), 0, "{uploaded} of {}", self.uploaded);
    }

    fn assert_attempts(&self) {
        for line in &self.lines {
            assert_eq!(number(&line["attempts"]), tries(line).len(), "{line}");
        }
        let outcomes = count(self.all_tries().map(outcome));
        assert_eq!(self.by("lb_backend_attempts_total", "outcome"), outcomes);
        let retries = self.lines.iter().map(|line| tries(line).len().saturating_sub(1));
        let retries = retries.sum::<usize>();
        assert!(retries > 10, "{retries} retries");
        assert_eq!(self.scrape.sum("lb_pool_retries_total", &[]), retries);
        assert_eq!(
            self.pools().iter().map(|pool| number(&pool["retries"])).sum::<usize>(),
            retries
        );

        let failed = |line: &&Value| tries(line).len() > 1;
        let before_retries = self.lines.iter().filter(failed).flat_map(|line| {
            let tries = tries(line);
            &tries[..tries.len() - 1]
        });
        assert_eq!(self.by("lb_pool_retries_total", "reason"), count(before_retries.map(outcome)));
    }

    fn assert_backends(&self) {
        for pool in self.pools() {
            for backend in pool["backends"].as_array().expect("a list") {
                let (name, address) =
                    (pool["name"].as_str().unwrap(), backend["address"].as_str().unwrap());
                let all_tries = || self.of_pool(name).flat_map(tries);
                let own_tries = || all_tries().filter(|one| one["backend"] == address);
                let outcomes = count(own_tries().map(outcome));
                let all: usize = outcomes.values().sum();
                let is_failure = |outcome: &str| !["ok", "abandoned", "cut_off"].contains(&outcome);
                let failed = outcomes.iter().filter(|(outcome, _)| is_failure(outcome));
                let failed: usize = failed.map(|(_, count)| count).sum();
                let told = (number(&backend["requests"]), number(&backend["errors"]));
                assert_eq!(told, (all, failed), "{name} {address}");
                assert_eq!(counts(&backend["responses"]).values().sum::<usize>(), all, "{address}");

                let own = [("pool", name), ("backend", address)];
                let sum = |metric: &str| self.scrape.sum(metric, &own);
                assert_eq!(sum("lb_backend_attempts_total"), all, "{address}");
                assert_eq!(sum("lb_backend_responses_total"), all, "{address}");
                assert_eq!(sum("lb_backend_request_duration_seconds_count"), all, "{address}");
                let refused = outcomes.get("refused").copied().unwrap_or(0);
                let received = self.of_pool(name).filter(|line| {
                    tries(line)
                        .last()
                        .is_some_and(|last| last["backend"] == address && has_answer(&last))
                });
                let received: usize = received.map(|line| number(&line["bytes"])).sum();
                assert_eq!(sum("lb_backend_received_bytes_total"), received, "{address}");
                let first_bytes = sum("lb_backend_first_byte_duration_seconds_count");
                assert_eq!(first_bytes, own_tries().filter(has_answer).count(), "{address}");
                let connected = sum("lb_backend_connections_opened_total")
                    + sum("lb_backend_connections_reused_total");
                assert_eq!(connected, all - refused, "{address}");
            }
        }
    }
}

#[test]
fn the_log_the_metrics_and_the_api_have_the_same_counts() {
    let known = known();
    known.assert_arranged();
    known.assert_requests();
    known.assert_attempts();
    known.assert_backends();
}
