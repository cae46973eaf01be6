//! The tries of a request in the access log.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::Lb;
use super::super::client::{Connection, ask, get};
use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    eventually::wait_for,
    full_listener::full_listener,
    lb::{entry, outcomes},
    reply::{Gate, Reply},
};

/// Of two requests to two backends, the line of the one that began on the first.
#[track_caller]
fn line_begun_on(a: &ScriptedBackend, b: &ScriptedBackend) -> Value {
    let lb = Lb::over(&[a, b], "    retry: { backoff: off }\n    timeouts: { response: 300ms }");
    get(lb.address(), "/");
    get(lb.address(), "/");
    lb.line_begun_on(a, 2)
}

/// Where each try of a request was made, from its line in the access log.
fn backends(line: &Value) -> Vec<&str> {
    let tries = line["tries"].as_array().expect("a list");
    tries.iter().filter_map(|one| one["backend"].as_str()).collect()
}

#[test]
fn each_try_has_its_backend_and_its_outcome() {
    for (reply, outcome) in [
        (Reply::reset(), "reset"),
        (Reply::close(), "reset"),
        (Reply::reset_in_header(), "reset"),
        (Reply::raw("nonsense\r\n\r\n"), "invalid_answer"),
        (Reply::hang(), "timeout"),
        (Reply::status(502), "502"),
        (Reply::status(503), "503"),
        (Reply::status(504), "504"),
    ] {
        let (a, b) = (ScriptedBackend::replying(reply), ScriptedBackend::named("b"));
        let line = line_begun_on(&a, &b);
        assert_eq!(backends(&line), [a.address().to_string(), b.address().to_string()]);
        assert_eq!(outcomes(&line), [outcome, "ok"]);
        let [first, second] = [&line["tries"][0], &line["tries"][1]];
        let listed_as = if outcome == "invalid_answer" { "reset" } else { outcome };
        assert_eq!((&first["retried"], &second["retried"]), (&json!(listed_as), &Value::Null));
        assert!(first["connect_ms"].is_f64() && second["connect_ms"].is_f64(), "{line}");
        let has_answer = outcome.starts_with('5');
        assert_eq!(first["first_byte_ms"].is_f64(), has_answer, "{line}");
        assert!(second["first_byte_ms"].is_f64(), "{line}");
        assert_eq!((&line["attempts"], &line["status"]), (&json!(2), &json!(200)));
    }
}

#[test]
fn a_refused_connection_is_a_try() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    a.stop();
    let line = line_begun_on(&a, &b);
    assert_eq!(outcomes(&line), ["refused", "ok"]);
    let expected = json!({
        "backend": a.address().to_string(),
        "address": a.address().to_string(),
        "connect_ms": null,
        "first_byte_ms": null,
        "reused": false,
        "outcome": "refused",
        "retried": "connect_failure",
    });
    assert_eq!(line["tries"][0], expected);
}

#[test]
fn a_connection_that_served_before_is_reused() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    get(lb.address(), "/0");
    assert_eq!(lb.line_of("/0")["tries"][0]["reused"], false);
    // The connection is given back a moment after the answer.
    let mut number = 0;
    let reused = wait_for(PATIENCE, || {
        number += 1;
        let path = format!("/{number}");
        get(lb.address(), &path);
        let line = lb.line_of(&path);
        (line["tries"][0]["reused"] == true).then_some(line)
    });
    let line = reused.expect("it is used again");
    assert!(line["tries"][0]["connect_ms"].is_f64(), "{line}");
    assert_eq!(a.connections(), number, "one of the requests needed none of its own");
}

#[test]
fn the_first_byte_time_is_the_backends() {
    let a = ScriptedBackend::replying(Reply::ok("x").delayed(Duration::from_millis(100)));
    let lb = Lb::over(&[&a], "");
    get(lb.address(), "/");
    let line = lb.log_lines(1).remove(0);
    let (took, whole) = (line["tries"][0]["first_byte_ms"].as_f64(), line["latency_ms"].as_f64());
    assert!(took >= Some(100.0) && took <= whole, "{line}");
}

#[test]
fn an_answer_before_the_end_of_the_request_was_not_waited_for() {
    let a = ScriptedBackend::replying(Reply::status(413).early());
    let lb = Lb::over(&[&a], "");
    let mut connection = Connection::open(lb.address()).unwrap();
    connection.begin("POST", "/", &[("Content-Length", "9")]).unwrap();
    connection.send_body(b"1234").unwrap();
    assert_eq!(connection.read_response("POST").unwrap().status, 413);
    drop(connection);
    assert_eq!(lb.log_lines(1)[0]["tries"][0]["first_byte_ms"], 0.0);
}

#[test]
fn a_request_without_a_backend_has_the_reasons() {
    let (a, b, c) =
        (ScriptedBackend::named("a"), ScriptedBackend::named("b"), ScriptedBackend::named("c"));
    let [a_entry, b_entry] = [&a, &b].map(|backend| entry(backend, "weight: 1"));
    let entries = format!("{a_entry}, {b_entry}, {}", entry(&c, "drain: true"));
    let lb = Lb::over_entries(&entries, "    retry: { backoff: off }");
    a.stop();
    b.stop();
    assert_eq!(get(lb.address(), "/tries").status, 502);
    assert_eq!(get(lb.address(), "/no-backend").status, 503);
    let reasons = json!({ "draining": 1, "ejected": 2 });
    assert_eq!(lb.line_of("/no-backend")["no_backend"], reasons);
    assert_eq!(lb.line_of("/no-backend")["attempts"], 0);
}

#[test]
fn a_retry_without_a_backend_has_the_reasons() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    a.reply(Reply::status(503));
    b.reply(Reply::status(503));
    let lb = Lb::over(&[&a, &b], "    retry: { backoff: off }");
    assert_eq!(get(lb.address(), "/").status, 503);
    let line = lb.log_lines(1).remove(0);
    assert_eq!(
        (outcomes(&line), &line["no_backend"]),
        (vec!["503", "503"], &json!({ "tried": 2 }))
    );
    let retried: Vec<_> = [0, 1].map(|index| line["tries"][index]["retried"].clone()).into();
    assert_eq!(retried, [json!("503"), Value::Null]);
}

#[test]
fn a_retry_without_a_place_in_the_queue_has_the_reasons() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    let gate = Gate::closed();
    b.reply(Reply::behind(&gate, "b"));
    let entries = format!("{}, {}", entry(&a, "backup: true"), entry(&b, "max_connections: 1"));
    let lb = Lb::over_entries(&entries, "    queue: off\n    retry: { backoff: off }");
    let mut first = ask(lb.address(), "/first");
    b.wait_for_heads(1);
    a.stop();
    assert_eq!(get(lb.address(), "/second").status, 502);
    let line = lb.line_of("/second");
    assert_eq!(outcomes(&line), ["refused"]);
    assert_eq!(line["tries"][0]["retried"], Value::Null, "no other try was made");
    assert_eq!(line["no_backend"], json!({ "ejected": 1, "full": 1 }));
    gate.open();
    first.read_response("GET").unwrap();
}

#[test]
fn a_request_that_is_served_has_no_reasons() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    get(lb.address(), "/");
    let line = lb.log_lines(1).remove(0);
    assert_eq!(line.get("no_backend"), Some(&Value::Null));
}

#[test]
fn a_full_queue_is_shown_by_full_backends() {
    let (a, gate) = (ScriptedBackend::named("a"), Gate::closed());
    a.reply_to("/first", Reply::behind(&gate, "first"));
    let lb = Lb::over_entries(&entry(&a, "max_connections: 1"), "    queue: off");
    let mut first = ask(lb.address(), "/first");
    a.wait_for_heads(1);
    assert_eq!(get(lb.address(), "/second").status, 503);
    assert_eq!(lb.line_of("/second")["no_backend"], json!({ "full": 1 }));
    gate.open();
    first.read_response("GET").unwrap();
}

#[test]
fn a_failure_that_is_passed_on_and_breaks_off_is_one_try() {
    let a = ScriptedBackend::replying(Reply::status(500).body("0123456789").closed_after(5));
    let lb = Lb::over(&[&a], "    retry: { on: [500] }");
    assert!(!get(lb.address(), "/").is_complete);
    let line = lb.log_lines(1).remove(0);
    assert_eq!((outcomes(&line), &line["attempts"]), (vec!["500"], &json!(1)));
}

#[test]
fn a_connection_that_is_not_accepted_is_a_try() {
    let (listener, _waiting) = full_listener();
    let b = ScriptedBackend::named("b");
    let addresses = [listener.local_addr().unwrap(), b.address()];
    let lb = Lb::over_addresses(&addresses, "    timeouts: { connect: 200ms }");
    let (first, second) = (get(lb.address(), "/"), get(lb.address(), "/"));
    assert_eq!((first.text(), second.text()), ("b".to_owned(), "b".to_owned()));
    let lines = lb.log_lines(2);
    let tried_twice = lines.iter().find(|line| line["attempts"] == 2).unwrap();
    assert_eq!(outcomes(tried_twice), ["connect_timeout", "ok"]);
}

#[test]
fn a_request_that_needs_one_try_has_one() {
    for (reply, outcome) in [
        (Reply::ok("fine"), "ok"),
        (Reply::status(500), "ok"),
        (Reply::status(429), "ok"),
        (Reply::status(503), "503"),
        (Reply::ok("0123456789").closed_after(5), "reset"),
    ] {
        let a = ScriptedBackend::replying(reply);
        let lb = Lb::over(&[&a], "");
        get(lb.address(), "/");
        let line = lb.log_lines(1).remove(0);
        assert_eq!((outcomes(&line), &line["attempts"]), (vec![outcome], &json!(1)));
        assert_eq!(backends(&line), [a.address().to_string()]);
        assert_eq!(line["tries"][0]["retried"], Value::Null);
    }
}

#[test]
fn an_answer_that_is_a_failure_and_breaks_off_is_one_try() {
    let a = ScriptedBackend::replying(Reply::status(503).body("0123456789").closed_after(5));
    let lb = Lb::over(&[&a], "");
    assert!(!get(lb.address(), "/").is_complete);
    let line = lb.log_lines(1).remove(0);
    assert_eq!((outcomes(&line), &line["attempts"]), (vec!["503"], &json!(1)));
    assert_eq!(line["error"], "the connection to the backend broke");
}

#[test]
fn a_request_without_a_backend_has_no_try() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    a.stop();
    get(lb.address(), "/first");
    assert_eq!(get(lb.address(), "/second").status, 503);
    assert_eq!(lb.line_of("/second")["tries"], json!([]));
}

#[test]
fn a_client_that_leaves_abandons_its_try() {
    let a = ScriptedBackend::replying(Reply::hang());
    let lb = Lb::over(&[&a], "");
    let client = ask(lb.address(), "/");
    a.wait_for_requests(1);
    drop(client);
    assert_eq!(outcomes(&lb.log_lines(1)[0]), ["abandoned"]);
    assert!(!lb.backend(&a).is_suspect(), "that is not the backend's doing");
}

#[test]
fn the_status_that_was_given_up_is_named_when_the_next_try_gets_no_answer() {
    for (reply, outcome, status) in
        [(Reply::reset(), "reset", 502), (Reply::hang(), "timeout", 504)]
    {
        let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
        ScriptedBackend::reply_in_order(&[&a, &b], [Reply::status(503).body("not me"), reply]);
        let settings = "    retry: { attempts: 2 }\n    timeouts: { response: 300ms }";
        let lb = Lb::over(&[&a, &b], settings);
        assert_eq!(get(lb.address(), "/").status, status);
        let line = lb.log_lines(1).remove(0);
        assert_eq!(outcomes(&line), ["503", outcome]);
        assert_eq!(line["status"], status);
    }
}
