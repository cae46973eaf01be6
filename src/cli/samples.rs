//! Answers of the admin listener, for tests of the output.

use serde_json::{Value, json};

use crate::admin::view::Status;

/// A backend in an answer: default values, with these changes.
pub(super) fn backend(changes: Value) -> Value {
    let mut backend = json!({
        "pool": "web", "address": "10.0.0.1:9001", "state": "eligible", "since": null,
        "since_ms": null, "reason": null,
        "until": null, "for_ms": null, "set_by_operator": [], "backup": false, "weight": 1,
        "weight_in_effect": 1.0, "active": 0, "max_connections": null, "requests": 1000,
        "errors": 0,
        "responses": { "1xx": 0, "2xx": 1000, "3xx": 0, "4xx": 0, "5xx": 0, "none": 0 },
        "rate": 60.2, "error_rate": 0.0, "share": 0.5,
        "latency": { "p50_ms": 3.12, "p95_ms": 10.0, "p99_ms": 41.0 },
        "first_byte": { "p50_ms": 3.0, "p95_ms": 9.0, "p99_ms": 40.0 },
        "check": { "passed": true, "reason": null, "took_ms": 0.8, "ago_ms": 2_400 },
        "connections": { "opened": 10, "reused": 990 },
    });
    for (name, value) in changes.as_object().unwrap() {
        backend[name] = value.clone();
    }
    if backend["name"].is_null() {
        backend["name"] = backend["address"].clone();
    }
    backend
}

/// A process with one pool of these backends.
pub(super) fn process(backends: &[Value]) -> Value {
    let classes = json!({ "1xx": 0, "2xx": 0, "3xx": 0, "4xx": 0, "5xx": 0, "none": 0 });
    json!({
        "version": "0.1.0", "pid": 4711, "time": "2026-11-21T12:00:00Z", "uptime_ms": 11_520_000,
        "generation": 2, "ready": true, "unready": null, "in_flight": 4, "connections": 40,
        "listeners": [ { "address": "0.0.0.0:8080", "requests": 0, "responses": classes,
                         "connections": 40 } ],
        "pools": [ {
            "name": "web", "algorithm": "least_conn", "requests": 0, "responses": classes,
            "errors": 0, "active": 4, "rate": 120.4, "error_rate": 0.1,
            "latency": { "p50_ms": 3.1, "p95_ms": 10.0, "p99_ms": 41.0 },
            "queue": { "length": 0, "size": 100 }, "retries": 0, "budget_exhausted": 0,
            "panic": false, "history": { "requests": [], "errors": [], "p99_ms": [] },
            "backends": backends,
        } ],
    })
}

/// The result of [`process`], parsed.
pub(super) fn status(backends: &[Value]) -> Status {
    serde_json::from_value(process(backends)).unwrap()
}

/// One backend in each state.
pub(super) fn all_sorts() -> Vec<Value> {
    vec![
        backend(json!({ "active": 3, "max_connections": 10, "since_ms": 86_400_000 })),
        backend(json!({
            "address": "10.0.0.2:9001", "state": "ejected", "since_ms": 153_400, "reason": "refused connections",
            "until": "checks_pass", "rate": 0.0, "share": 0.0, "error_rate": 0.2,
            "check": { "passed": false, "reason": "refused", "took_ms": 0.1, "ago_ms": 900 },
        })),
        backend(json!({
            "address": "10.0.0.3:9001", "weight": 3, "weight_in_effect": 1.2, "active": 1,
            "set_by_operator": ["weight 3"],
        })),
        backend(json!({
            "address": "10.0.0.4:9001", "state": "half_open", "since_ms": 900, "reason": "5 failures in a row",
            "until": "2026-11-21T12:00:28Z", "for_ms": 28_000, "backup": true, "check": null,
            "latency": { "p50_ms": null, "p95_ms": null, "p99_ms": null },
        })),
    ]
}
