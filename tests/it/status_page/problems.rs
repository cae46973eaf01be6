//! What the page says is wrong, and a process that does not answer as it should.

use serde_json::json;

use crate::support::reply::{Reply, Step};

use super::{backend, lines, look_at, pool, route, saying, shown, status};

#[test]
fn problems_have_their_order_their_tones_and_their_words() {
    let mut told = status(json!([pool("web", &[])]));
    told["failed_reload"] = json!({
        "time": "2026-01-01T01:00:00.000Z", "ago_ms": 60_000, "failures": 2,
        "problems": ["/etc/lb/lb.yaml:3: a", "/etc/lb/lb.yaml:4: b", "c", "d"],
    });
    let listener = |address: &str, days: i32| json!({ "address": address, "requests": 0, "connections": 0, "certificate_days_left": days });
    told["listeners"] =
        json!([listener("0.0.0.0:1", -1), listener("0.0.0.0:2", 12), listener("0.0.0.0:3", 20)]);
    let order = |host: &str, self_signed: bool, failures: u32, expired: bool| {
        json!({ "hosts": [host], "self_signed": self_signed, "failures": failures, "error": "no",
                "next": "2026-01-01T00:00:00Z", "expired": expired })
    };
    told["orders"] =
        json!([order("a.example", true, 0, false), order("b.example", true, 1, false)]);
    let process = saying(&told, &[]);
    let mut browser = look_at(&process);
    browser.set_time_zone("UTC");
    browser.wait_for_text("#wrong", "1 Jan 01:00:00 UTC)");
    let failed = "2 reloads failed, the last 1 min ago (1 Jan 01:00:00 UTC): lb.yaml:3: a; lb.yaml:4: b; \
                  c; 1 more. The configuration of 1 Jan 00:00:00 UTC stays in force.";
    let self_signed = "self-signed until the order is done";
    let again = format!("{self_signed}; no; next try at 1 Jan 00:00:00 UTC");
    let expected = json!([
        ["bad", "Configuration", failed],
        ["bad", "0.0.0.0:1", "a certificate has expired"],
        ["warn", "0.0.0.0:2", "a certificate ends in 12 days"],
        ["warn", "a.example", self_signed],
        ["bad", "b.example", again],
        ["bad", "web", "no eligible backend; it serves a.example"],
    ]);
    told["routes"] = json!([route("a.example", "web", 0.0)]);
    process.reply_to("/api/v1/pools", Reply::ok(told.to_string()));
    browser.wait_for_text("#wrong", "it serves a.example");
    assert_eq!(lines(&mut browser, "#wrong"), expected);
    let off = "[...document.querySelectorAll('#wrong button')].map((it) => it.disabled)";
    assert_eq!(shown(&mut browser, off), json!([true, true, true, true, true, false]));
    assert_eq!(shown(&mut browser, "document.querySelector('#wrong-more').hidden"), true);

    told["failed_reload"]["failures"] = json!(1);
    told["failed_reload"]["problems"] = json!(["a"]);
    process.reply_to("/api/v1/pools", Reply::ok(told.to_string()));
    browser.wait_for_text("#wrong", "The last reload failed 1\u{a0}min\u{a0}ago");
}

#[test]
fn pools_in_trouble_come_before_backends_and_what_has_no_room_is_counted() {
    let out = |address: &str, state: &str, reason: &str, since: u64| {
        backend("b", address, state, &json!({ "reason": reason, "since_ms": since }))
    };
    let mut a = pool("a", &[backend("a", "127.0.0.1:1", "eligible", &json!({}))]);
    (a["error_rate"], a["queue"]["length"]) = (json!(0.2), json!(3));
    let mut b = pool(
        "b",
        &[
            out("127.0.0.1:2", "unhealthy", "refused", 60_000),
            out("127.0.0.1:3", "unhealthy", "refused", 180_000),
            out("127.0.0.1:4", "unhealthy", "refused", 120_000),
            out("127.0.0.1:5", "unhealthy", "status 500", 60_000),
            out("127.0.0.1:6", "unhealthy", "status 500", 60_000),
            out("127.0.0.1:7", "half_open", "on trial", 60_000),
            out("127.0.0.1:8", "draining", "", 60_000),
        ],
    );
    b["panic"] = json!(true);
    let mut told = status(json!([a, b]));
    told["routes"] = json!([route("fails.example", "b", 1.0), route("works.example", "b", 0.0)]);
    let process = saying(&told, &[]);
    let mut browser = look_at(&process);
    browser.wait_for_text("#wrong", "is draining");
    let expected = json!([
        [
            "bad",
            "b",
            "no eligible backend, waits for a probe; panic: too many backends are unhealthy, \
                      health checks are ignored; it serves fails.example"
        ],
        ["warn", "a", "2.0 % of requests fail; 3 requests wait"],
        ["bad", "b", "3 backends unhealthy, the first for 3 min: refused"],
        ["bad", "b 127.0.0.1:5", "unhealthy for 1 min: status 500"],
        ["bad", "b 127.0.0.1:6", "unhealthy for 1 min: status 500"],
        ["warn", "b 127.0.0.1:7", "half-open for 1 min: on trial"],
        ["info", "", "1 backend is draining"],
    ]);
    assert_eq!(lines(&mut browser, "#wrong"), expected);
    // A line leads to what it is about.
    browser.click("#wrong li:nth-child(4) button");
    let focused = "document.activeElement.closest('tr')?.dataset.backend === '127.0.0.1:5'";
    browser.wait_until("the backend is shown", focused);

    // One problem more than there is room for.
    told["failed_reload"] = json!({
        "time": "2026-01-01T01:00:00.000Z", "ago_ms": 1, "failures": 1, "problems": ["a"],
    });
    process.reply_to("/api/v1/pools", Reply::ok(told.to_string()));
    browser.wait_for_text("#wrong-more", "1 more: show all backends in trouble");
    let count = "document.querySelectorAll('#wrong li').length";
    assert_eq!(shown(&mut browser, count), 7, "six, and the backend that is draining");
    browser.click("#wrong-more");
    browser.wait_for_text("#shown", "6 of 8 backends");
    assert_eq!(shown(&mut browser, "document.querySelector('#state').value"), "trouble");
}

#[test]
fn a_process_that_answers_with_an_error_is_quoted_and_its_silence_is_counted() {
    let told = status(json!([pool("web", &[])]));
    let process = saying(&told, &[]);
    let mut browser = look_at(&process);
    browser.set_time_zone("UTC");
    browser.forgive("503");
    browser.wait_for_text("#live-text", "live, 1 Jan 00:00:00 UTC");
    let error = Reply::status(503).body(r#"{"error":"out of order"}"#);
    process.reply_to("/api/v1/pools", error);
    let said = "lb does not answer as it should (out of order) since";
    browser.wait_for_text("#banner-text", said);
    browser.wait_for_text("#banner-text", "Trying again. Below is what was known last.");
    browser.wait_for_text("#live-text", "not live");
    let age = "parseInt(document.querySelector('#banner-age').innerText.slice(1)) >= 3";
    browser.wait_until("its silence is counted from its beginning", age);
    process.reply_to("/api/v1/pools", Reply::ok(told.to_string()));
    browser.wait_for_text("#live-text", "live, 1 Jan");
    assert_eq!(browser.text("#banner-age"), "");
}

#[test]
fn an_answer_that_stops_in_its_middle_is_given_up() {
    let told = status(json!([pool("web", &[])]));
    let process = saying(&told, &[]);
    let mut browser = look_at(&process);
    browser.forgive("net::ERR_");
    browser.wait_for_text("#live-text", "live, ");
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec();
    process.reply_to("/api/v1/pools", Reply::steps_of([Step::Send(half), Step::Hang]));
    browser.wait_for_text("#banner-text", "lb cannot be reached since");
    process.reply_to("/api/v1/pools", Reply::ok(told.to_string()));
    browser.wait_for_text("#live-text", "live, ");
    browser.wait_until("it is back", "document.querySelector('#banner').hidden");
}
