//! The trace of a request that is not recorded, for its backend and in the access log.

use serde_json::{Value, json};

use crate::support::{
    backend::ScriptedBackend,
    client::{Connection, get},
    lb::{Lb, addresses},
    reply::Reply,
    request::Request,
};

const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The request that the backend receives, and the log line, when a client sends these headers.
fn forwarded(setting: &str, headers: &[(&str, &str)]) -> (Request, Value) {
    let a = ScriptedBackend::named("a");
    let lb = Lb::start(&format!(
        "{setting}\nroutes: [ {{ pool: web }} ]\n\
         pools: {{ web: {{ health_check: off, backends: [{}] }} }}",
        addresses(&[&a])
    ));
    let mut connection = Connection::open(lb.address()).unwrap();
    assert_eq!(connection.request("GET", "/", headers, b"").unwrap().status, 200);
    (a.requests().remove(0), lb.log_lines(1).remove(0))
}

#[test]
fn a_trace_is_passed_on_as_it_came() {
    let headers = [("traceparent", VALID), ("tracestate", "a=1"), ("tracestate", "b=2")];
    let (received, line) = forwarded("", &headers);
    assert_eq!(received.header_lines("traceparent"), [VALID]);
    assert_eq!(received.header_lines("tracestate"), ["a=1", "b=2"]);
    assert_eq!(line["trace_id"], ID);
}

/// The id in the one `traceparent` of a request, which is a new one.
#[track_caller]
fn started(received: &Request) -> &str {
    let lines = received.header_lines("traceparent");
    let [line] = lines[..] else { panic!("{lines:?}") };
    let parts: Vec<_> = line.split('-').collect();
    assert_eq!((parts[0], parts[1].len(), parts[2].len(), parts[3]), ("00", 32, 16, "00"));
    parts[1]
}

#[test]
fn a_request_without_a_trace_starts_one() {
    let (received, line) = forwarded("", &[("tracestate", "a=1")]);
    assert_eq!(line["trace_id"], started(&received));
    assert_eq!(received.header("tracestate"), None, "it belongs to no trace");
}

#[test]
fn an_invalid_trace_is_replaced() {
    let zeros = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
    let cases = [
        vec![("traceparent", "nonsense"), ("tracestate", "a=1")],
        vec![("traceparent", zeros)],
        vec![("traceparent", VALID), ("traceparent", VALID)],
    ];
    for headers in cases {
        let (received, line) = forwarded("", &headers);
        let id = started(&received);
        assert_eq!(line["trace_id"], id);
        assert_ne!(id, ID);
        assert_eq!(received.header("tracestate"), None);
    }
}

#[test]
fn pass_leaves_all_headers_alone() {
    let (received, line) = forwarded("traceparent: pass", &[]);
    assert_eq!((received.header("traceparent"), &line["trace_id"]), (None, &Value::Null));
    let headers = [("traceparent", "nonsense"), ("tracestate", "a=1")];
    let (received, line) = forwarded("traceparent: pass", &headers);
    assert_eq!(received.header("traceparent"), Some("nonsense"));
    assert_eq!(received.header("tracestate"), Some("a=1"));
    assert_eq!(line["trace_id"], Value::Null);
    let (received, line) = forwarded("traceparent: pass", &[("traceparent", VALID)]);
    assert_eq!((received.header("traceparent"), &line["trace_id"]), (Some(VALID), &json!(ID)));
}

#[test]
fn every_try_is_in_the_same_trace() {
    let (a, b) = (ScriptedBackend::replying(Reply::close()), ScriptedBackend::named("b"));
    let lb = Lb::over(&[&a, &b], "    retry: { backoff: off }");
    get(lb.address(), "/");
    get(lb.address(), "/");
    let line = lb.line_begun_on(&a, 2);
    let id = line["trace_id"].as_str().unwrap();
    let of = |backend: &ScriptedBackend| backend.count(|request| started(request) == id);
    assert_eq!((of(&a), of(&b)), (1, 1));
}
