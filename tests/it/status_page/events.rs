//! Events on the page.

use serde_json::{Value, json};

use crate::support::reply::{Reply, Step};

use super::{lines, look_at, pool, saying, shown, status};

fn event(id: u32, kind: &str, beside: &Value) -> Value {
    let mut event = json!({
        "id": id, "time": format!("2026-01-01T00:{:02}:{:02}Z", id / 60, id % 60), "pool": "web",
        "backend": null, "address": null, "event": kind, "text": format!("event {id}"), "reason": null,
        "for_ms": null, "by": null,
    });
    for (key, value) in beside.as_object().expect("an object") {
        event[key] = value.clone();
    }
    event
}

#[test]
fn events_are_sorted_and_have_their_tones_places_and_times() {
    let named = json!({ "backend": "app:80", "address": "127.0.0.1:1" });
    let sent = [
        event(2, "healthy", &named),
        event(1, "ejected", &json!({ "for_ms": 90_000 })),
        event(3, "drained", &json!({ "by": "the command line" })),
        event(3, "drained", &json!({ "by": "the command line" })),
        // Of another process, which counts from 1 again.
        event(3, "reload_failed", &json!({ "pool": null, "time": "2026-01-01T01:00:00Z" })),
        event(4, "ejected", &json!({})),
    ];
    let process = saying(&status(json!([pool("web", &[])])), &sent);
    let mut browser = look_at(&process);
    browser.set_time_zone("UTC");
    browser.wait_until("all are there", "document.querySelectorAll('#events li').length === 5");
    let expected = json!([
        ["bad", "", "event 3"],
        ["bad", "web", "event 4"],
        ["info", "web", "event 3, by the command line"],
        ["good", "web app:80 (127.0.0.1:1)", "event 2"],
        ["bad", "web", "event 1, for 1 min 30 s"],
    ]);
    assert_eq!(lines(&mut browser, "#events"), expected);
    let first = "document.querySelector('#events .when').innerText";
    assert!(shown(&mut browser, first).as_str().unwrap().starts_with("1 Jan 01:00:00 UTC"));
    assert_eq!(shown(&mut browser, "document.querySelector('#events-more').hidden"), true);
}

#[test]
fn the_latest_events_are_kept_and_a_stream_that_ends_is_opened_again() {
    let sent: Vec<_> = (1..=210).map(|id| event(id, "ejected", &json!({}))).collect();
    let process = saying(&status(json!([pool("web", &[])])), &[]);
    process.reply_to("/api/v1/events", Reply::status(503));
    let mut browser = look_at(&process);
    browser.forgive("503");
    browser.wait_for_text("#events", "None yet.");
    browser.wait_for_text("#events-note", "No events come at the moment.");
    let mut stream = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n".to_owned();
    for event in sent {
        stream.push_str(&format!("id: {}\ndata: {event}\n\n", event["id"]));
    }
    process.reply_to("/api/v1/events", Reply::steps_of([Step::Send(stream.into()), Step::Hang]));
    browser.wait_for_text("#events", "event 210");
    assert_eq!(shown(&mut browser, "document.querySelector('#events-note').hidden"), true);
    let count = "document.querySelectorAll('#events li').length";
    browser.wait_until("a few are shown", &format!("{count} === 6"));
    browser.wait_for_text("#events-more", "Show all 200");
    browser.click("#events-more");
    browser.wait_until("all are shown", &format!("{count} === 200"));
    browser.wait_for_text("#events li:last-child", "event 11");
    browser.wait_for_text("#events-more", "Show fewer");
    browser.click("#events-more");
    browser.wait_until("a few are shown again", &format!("{count} === 6"));
}
