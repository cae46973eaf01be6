//! What the access log says about each try of a request.

use serde_json::{Value, json};

use crate::support::{
    backend::ScriptedBackend,
    client::{ask, get},
    full_listener::full_listener,
    lb::{Lb, outcomes},
    reply::Reply,
};

/// Of two requests to two backends, the line of the one that began on the first.
#[track_caller]
fn line_begun_on(a: &ScriptedBackend, b: &ScriptedBackend) -> Value {
    let lb = Lb::over(&[a, b], "    retry: { backoff: off }\n    timeouts: { response: 300ms }");
    get(lb.address(), "/");
    get(lb.address(), "/");
    lb.line_begun_on(a, 2)
}

#[test]
fn each_try_has_its_backend_and_its_outcome() {
    for (reply, outcome) in [
        (Reply::reset(), "reset"),
        (Reply::close(), "reset"),
        (Reply::reset_in_header(), "reset"),
        (Reply::raw("nonsense\r\n\r\n"), "reset"),
        (Reply::hang(), "timeout"),
        (Reply::status(502), "502"),
        (Reply::status(503), "503"),
        (Reply::status(504), "504"),
    ] {
        let (a, b) = (ScriptedBackend::replying(reply), ScriptedBackend::named("b"));
        let line = line_begun_on(&a, &b);
        let tries = json!([
            { "backend": a.address().to_string(), "outcome": outcome },
            { "backend": b.address().to_string(), "outcome": "ok" },
        ]);
        assert_eq!(line["tries"], tries);
        assert_eq!((&line["attempts"], &line["status"]), (&json!(2), &json!(200)));
    }
}

#[test]
fn a_refused_connection_is_a_try() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    a.stop();
    let line = line_begun_on(&a, &b);
    assert_eq!(outcomes(&line), ["refused", "ok"]);
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
        let tries = json!([{ "backend": a.address().to_string(), "outcome": outcome }]);
        assert_eq!((&line["tries"], &line["attempts"]), (&tries, &json!(1)));
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
    get(lb.address(), "/");
    assert_eq!(get(lb.address(), "/").status, 503);
    assert_eq!(lb.log_lines(2)[1]["tries"], json!([]));
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
