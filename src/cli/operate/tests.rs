//! The output for given answers.

use anstream::adapter::strip_str;
use serde_json::{Value, json};

use super::{args::ExplainArguments, table, text};
use crate::admin::view::{Backend, Explanation, Status};
use crate::cli::{
    client::{Address, AdminClient, AdminTarget},
    samples::{all_sorts, backend, process, status},
};

#[test]
fn the_status_of_a_pool_is_a_table() {
    let text = strip_str(&table::status(&status(&all_sorts()))).to_string();
    let expected = "\
lb 0.1.0, process 4711, up 3h 12m, generation 2: ready, 4 in flight, 40 client connections

web  least_conn  120 req/s  0.1 err/s  p50 3.1ms  p99 41ms  active 4  queue 0/100
  BACKEND        STATE      FOR  WEIGHT  ACT  REQ/S  ERR/S  SHARE    P50   P99  CHECK          REASON
  10.0.0.1:9001  eligible   1d        1    3     60      0    50%  3.1ms  41ms  passed 3s ago
  10.0.0.2:9001  ejected    2m        1    0      0    0.2     0%  3.1ms  41ms  failed 1s ago  refused connections, until checks pass
  10.0.0.3:9001  eligible         1.2/3    1     60      0    50%  3.1ms  41ms  passed 3s ago  by an operator: weight 3
  10.0.0.4:9001  half-open  0s        1    0     60      0    50%      -     -  -              5 failures in a row, 28s left, backup
";
    assert_eq!(text, expected, "\n{text}\n{expected}");
}

#[test]
fn a_backend_without_remarks_fits_100_columns() {
    let longest = json!({
        "address": "192.168.100.100:65535", "error_rate": 12.5, "since_ms": 86_000_000,
    });
    let longest = backend(longest);
    let text = strip_str(&table::status(&status(&[longest]))).to_string();
    let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 100, "{widest}\n{text}");
}

#[test]
fn a_process_that_is_not_ready_and_a_pool_in_panic_say_so() {
    let mut value = process(&[]);
    value["ready"] = json!(false);
    value["unready"] = json!("no eligible backend in pool web");
    value["pools"][0]["panic"] = json!(true);
    let status: Status = serde_json::from_value(value).unwrap();
    let text = strip_str(&table::status(&status)).to_string();
    assert!(text.contains(": not ready: no eligible backend in pool web, 4 in flight"), "{text}");
    assert!(text.contains("queue 0/100  panic: too many backends are unhealthy"), "{text}");
}

#[test]
fn a_reload_that_has_failed_is_said_below_the_process() {
    let mut value = process(&[]);
    let failed = |failures: u64, problems: &[&str]| {
        json!({ "time": "2026-11-21T11:55:00Z", "ago_ms": 300_000, "failures": failures,
                "problems": problems })
    };
    for (failed, says) in [
        (failed(1, &["lb.yaml:3: wrong"]), "the last reload failed 5m 0s ago: lb.yaml:3: wrong"),
        (
            failed(3, &["lb.yaml:3: wrong", "lb.yaml:4: a"]),
            "the last reload failed 5m 0s ago (3 times): lb.yaml:3: wrong, and 1 more problem",
        ),
    ] {
        value["failed_reload"] = failed;
        let status: Status = serde_json::from_value(value.clone()).unwrap();
        let text = strip_str(&table::status(&status)).to_string();
        assert_eq!(text.lines().nth(1), Some(says), "{text}");
    }
}

/// Everything that is alarming is red.
#[test]
fn trouble_is_red() {
    let text = table::status(&status(&all_sorts()));
    let red = |word: &str| text.contains(&format!("\u{1b}[31m{word}\u{1b}[0m"));
    assert!(red("ejected") && red("failed 1s ago") && red("0.2") && red("0.1 err/s"), "{text:?}");
    assert!(!red("eligible") && !red("0") && !red("passed 3s ago"), "{text:?}");
}

fn asked() -> ExplainArguments {
    ExplainArguments {
        url: "http://example.com/v1/users?x".parse().unwrap(),
        method: http::Method::GET,
        client: None,
        print: super::args::OutputArguments { json: false },
        target: AdminTarget::default(),
    }
}

#[test]
fn an_explanation_begins_with_the_answer() {
    let candidate = |address: &str, changes: Value| {
        let mut candidate = json!({
            "name": address, "address": address, "state": "eligible", "since_ms": 11_520_000,
            "reason": null,
            "until": null, "for_ms": null, "backup": false, "weight_in_effect": 1.0, "active": 2, "score": 2.0,
            "score_is": "active / weight",
        });
        for (name, value) in changes.as_object().unwrap() {
            candidate[name] = value.clone();
        }
        candidate
    };
    let value = json!({
        "listeners": ["0.0.0.0:8080"],
        "route": { "host": "example.com", "path": "/v1", "index": 1 },
        "pool": "web", "repeatable": true, "client": "10.1.2.3",
        "candidates": [
            candidate("10.0.0.1:9001", json!({})),
            candidate("10.0.0.10:9001", json!({
                "state": "ejected", "since_ms": 153_400, "reason": "5 failures in a row", "for_ms": 27_000,
                "until": "2026-11-21T12:00:00Z", "score": null,
            })),
        ],
        "chosen": "10.0.0.1:9001", "by_chance": true,
        "summary": "it would go to 10.0.0.1:9001, by ewma; 1 of 2 backends of pool web are out",
    });
    let explanation: Explanation = serde_json::from_value(value).unwrap();
    let text = strip_str(&text::explanation(&asked(), &explanation)).to_string();
    let expected = "\
It would go to 10.0.0.1:9001, by ewma; 1 of 2 backends of pool web are out.

  request   GET http://example.com/v1/users?x
  listeners 0.0.0.0:8080
  route     routes[1]: host example.com, path /v1
  pool      web
  retries   on another backend, after any failure before the response begins
  client    10.1.2.3

→ 10.0.0.1:9001   eligible for 3h 12m; score 2 (active / weight); 2 active; weight 1
  10.0.0.10:9001  ejected 2m 33s ago: 5 failures in a row, 27s left; 2 active; weight 1

The algorithm draws at random: the next request may go to another backend.
";
    assert_eq!(text, expected, "\n{text}\n{expected}");
}

#[test]
fn a_request_without_a_route_has_no_candidates() {
    let value = json!({
        "listeners": ["0.0.0.0:8080"], "route": null, "pool": null, "repeatable": true,
        "client": null, "candidates": [], "chosen": null, "by_chance": false,
        "summary": "No route matches: it would be answered with 404.",
    });
    let explanation: Explanation = serde_json::from_value(value).unwrap();
    let expected = "\
No route matches: it would be answered with 404.

  request   GET http://example.com/v1/users?x
  listeners 0.0.0.0:8080
  route     none matches
";
    assert_eq!(text::explanation(&asked(), &explanation), expected);
}

#[test]
fn a_change_is_answered_in_a_line() {
    let changed = backend(json!({
        "state": "draining", "active": 3, "until": "undrain", "set_by_operator": ["drained", "weight 3"],
        "reason": "an operator drains it",
    }));
    let changed: Backend = serde_json::from_value(changed).unwrap();
    let text = strip_str(&text::changed(&changed)).to_string();
    let expected = "10.0.0.1:9001 of pool web is draining (an operator drains it, until undrain, \
                    by an operator: weight 3), 3 active, weight 1";
    assert_eq!(text, expected);
}

/// A new field of a later version does not prevent the output.
#[test]
fn an_answer_with_more_fields_is_read() {
    let client = AdminClient {
        address: Address::Tcp("127.0.0.1:1".to_owned()),
        token: None,
        trust: None,
        file: None,
    };
    let mut value = process(&all_sorts());
    value["new"] = json!({ "one": 1 });
    let status: Status = client.read(value.clone()).unwrap();
    assert_eq!(status.pools[0].backends.len(), 4);
    value["pools"] = json!("none");
    let error = client.read::<Status>(value).unwrap_err().to_string();
    assert!(error.starts_with("what answers at http://127.0.0.1:1 is not the admin"), "{error}");
}
