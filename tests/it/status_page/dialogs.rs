//! The dialogs of a backend.

use serde_json::{Value, json};

use crate::support::{
    PATIENCE, backend::ScriptedBackend, browser::Browser, eventually::eventually, reply::Reply,
};

use super::{backend, look_at, pool, saying, shown, status};

const ADDRESS: &str = "127.0.0.1:1";

fn with(beside: &Value, state: &str) -> Value {
    status(json!([pool("web", &[backend("web", ADDRESS, state, beside)])]))
}

/// A page over a process with such a backend.
fn page(beside: &Value, state: &str) -> (ScriptedBackend, Browser) {
    let process = saying(&with(beside, state), &[]);
    let mut browser = look_at(&process);
    browser.wait_for_text("#pools", ADDRESS);
    (process, browser)
}

fn text(browser: &mut Browser, selector: &str) -> Value {
    shown(browser, &format!("document.querySelector('{selector}').innerText"))
}

#[test]
fn a_question_says_what_a_drain_costs_and_keeps_up_with_the_backend() {
    let (process, mut browser) = page(&json!({ "last_serving": "primary" }), "eligible");
    let says = |beside: &Value, state: &str| {
        process.reply_to("/api/v1/pools", Reply::ok(with(beside, state).to_string()));
    };
    browser.click("#pools [data-f=drain]");
    browser.wait_for_text("#confirm-text", "nothing is in flight on it.");
    assert_eq!(text(&mut browser, "#confirm-yes"), "Drain");
    let primary = "It is the last eligible primary of web: backups take over.";
    assert_eq!(text(&mut browser, "#confirm-warning"), primary);
    says(&json!({ "active": 1, "last_serving": "backend" }), "eligible");
    browser.wait_for_text("#confirm-text", "; 1 in flight finishes. It stays so");
    let last = "It is the last eligible backend of web: without it, requests to this pool fail.";
    assert_eq!(text(&mut browser, "#confirm-warning"), last);
    says(&json!({ "active": 3 }), "eligible");
    browser.wait_for_text("#confirm-text", "; 3 in flight finish.");
    assert_eq!(shown(&mut browser, "document.querySelector('#confirm-warning').hidden"), true);
    // A refusal stays in the dialog.
    browser.forgive("409");
    let refusal = Reply::status(409).body(r#"{"error":"not at the moment"}"#);
    process.reply_to("/api/v1/pools/web/backends/127.0.0.1%3A1/drain", refusal);
    browser.click("#confirm-yes");
    browser.wait_for_text("#confirm-error", "not at the moment");
    // A backend that is gone is no longer asked about.
    let none = status(json!([pool("web", &[])]));
    process.reply_to("/api/v1/pools", Reply::ok(none.to_string()));
    browser.wait_until("it is closed", "!document.querySelector('#confirm').open");
    browser.wait_until("its row is gone", "!document.querySelector('[data-backend]')");

    says(&json!({ "last_serving": "backend" }), "draining");
    browser.click("#pools [data-f=drain]");
    browser.wait_for_text("#confirm-title", "Undrain 127.0.0.1:1 of pool web?");
    browser.wait_for_text("#confirm-text", "It gets requests again");
    assert_eq!(text(&mut browser, "#confirm-yes"), "Undrain");
    assert_eq!(text(&mut browser, "#confirm-warning"), "");
}

#[test]
fn a_backend_is_ejected_for_a_time_and_readmitted() {
    let serving = json!({ "weight": 7, "weight_in_effect": 7.0, "last_serving": "primary" });
    let (process, mut browser) = page(&serving, "eligible");
    let path = |verb: &str| format!("/api/v1/pools/web/backends/127.0.0.1%3A1/{verb}");
    let ejected = json!({
        "weight": 7, "reason": "it answered 503", "since_ms": 60_000, "for_ms": 5000,
        "set_by_operator": ["ejected"],
    });
    let ejected_row = backend("web", ADDRESS, "ejected", &ejected);
    process.reply_to(&path("eject"), Reply::ok(ejected_row.to_string()));
    process.reply_to(&path("readmit"), Reply::ok("{}"));

    browser.click("#pools [data-f=more]");
    assert_eq!(text(&mut browser, "#more-title"), "127.0.0.1:1 of pool web");
    assert_eq!(text(&mut browser, "#more-state"), "● eligible");
    let primary = "It is the last eligible primary of web: backups take over.";
    assert_eq!(text(&mut browser, "#more-warning"), primary);
    let inputs = "['weight', 'eject-for'].map((id) => document.getElementById(id).value)";
    assert_eq!(shown(&mut browser, inputs), json!(["7", "30s"]));
    assert_eq!(shown(&mut browser, "document.querySelector('#readmit').disabled"), true);
    browser.eval("document.querySelector('#eject-for').select()");
    browser.type_text("45s");
    browser.click("#more-eject [type=submit]");
    browser.wait_for_text("#said", "127.0.0.1:1: ejected for 45s");
    eventually(PATIENCE, "it is ejected", || process.requests_to(&path("eject")).len() == 1);
    assert_eq!(process.requests_to(&path("eject"))[0].body, br#"{"for":"45s"}"#);

    process.reply_to("/api/v1/pools", Reply::ok(with(&ejected, "ejected").to_string()));
    browser.wait_for_text("#pools [data-f=state]", "ejected");
    browser.click("#pools [data-f=more]");
    browser.wait_for_text("#more-state", "▲ ejected 1\u{a0}min\u{a0}ago: it answered 503");
    assert_eq!(text(&mut browser, "#more-warning"), "");
    // A dialog keeps up with its backend.
    let later = json!({ "reason": "it answered 504", "since_ms": 1000, "for_ms": 3_600_000 });
    process.reply_to("/api/v1/pools", Reply::ok(with(&later, "ejected").to_string()));
    browser.wait_for_text("#more-state", "it answered 504");
    browser.wait_for_text("#pools [data-f=left]", "min");
    browser.click("#readmit");
    browser.wait_for_text("#said", "127.0.0.1:1: readmitted");
    assert_eq!(process.requests_to(&path("readmit")).len(), 1);
}
