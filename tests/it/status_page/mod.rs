//! The status page over a scripted process, which can send answers that a real one sends only
//! rarely.

mod dialogs;
mod events;
mod folding;
mod problems;
mod values;

use serde_json::{Value, json};

use crate::support::{
    backend::ScriptedBackend,
    browser::Browser,
    reply::{Reply, Step},
};

const FILES: [(&str, &str, &str); 8] = [
    ("/", "text/html", include_str!("../../../src/admin/page/index.html")),
    ("/status.css", "text/css", include_str!("../../../src/admin/page/status.css")),
    ("/status.js", "text/javascript", include_str!("../../../src/admin/page/status.js")),
    ("/pools.js", "text/javascript", include_str!("../../../src/admin/page/pools.js")),
    ("/problems.js", "text/javascript", include_str!("../../../src/admin/page/problems.js")),
    ("/traffic.js", "text/javascript", include_str!("../../../src/admin/page/traffic.js")),
    ("/change.js", "text/javascript", include_str!("../../../src/admin/page/change.js")),
    ("/words.js", "text/javascript", include_str!("../../../src/admin/page/words.js")),
];
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Text that would run as a script if it were not treated as text.
const HOSTILE: &str = "<img src=x onerror='window.ran = true'><script>window.ran = true</script>";

/// A process with this status and these events.
fn saying(status: &Value, events: &[Value]) -> ScriptedBackend {
    let process = ScriptedBackend::replying(Reply::status(404));
    for (path, kind, content) in FILES {
        let file = Reply::ok(content).header("Content-Type", kind);
        process.reply_to(path, file.header("Content-Security-Policy", POLICY));
    }
    process.reply_to("/api/v1/pools", Reply::ok(status.to_string()));
    let mut stream = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n".to_owned();
    for event in events {
        stream.push_str(&format!("id: {}\ndata: {event}\n\n", event["id"]));
    }
    process.reply_to("/api/v1/events", Reply::steps_of([Step::Send(stream.into()), Step::Hang]));
    process
}

/// The value of an expression, whose texts have ordinary spaces.
#[track_caller]
fn shown(browser: &mut Browser, expression: &str) -> Value {
    let text = browser.eval(&format!("JSON.stringify({expression})"));
    let text = text.as_str().unwrap_or("null").replace('\u{a0}', " ");
    serde_json::from_str(&text).expect("it comes from JSON")
}

/// The texts of the fields below the first such element, by their names.
#[track_caller]
fn fields(browser: &mut Browser, selector: &str) -> Value {
    let of = format!("document.querySelector({}).querySelectorAll('[data-f]')", json!(selector));
    let texts = format!("[...{of}].map((it) => [it.dataset.f, it.textContent])");
    shown(browser, &format!("Object.fromEntries({texts})"))
}

/// Each line of a list: its tone, its place, and its text.
#[track_caller]
fn lines(browser: &mut Browser, list: &str) -> Value {
    let line = "[it.className, it.children[1].innerText, it.children[2].innerText]";
    shown(browser, &format!("[...document.querySelectorAll('{list} li')].map((it) => {line})"))
}

fn look_at(process: &ScriptedBackend) -> Browser {
    let mut browser = Browser::start();
    browser.open(&format!("http://{}/", process.address()));
    browser
}

fn status(pools: Value) -> Value {
    json!({
        "version": "1", "pid": 1, "time": "2026-01-01T00:00:00.000Z", "uptime_ms": 90_061_000,
        "host": "edge-1", "file": "/etc/lb/lb.yaml", "loaded": "2026-01-01T00:00:00.000Z",
        "loaded_ago_ms": 3_600_000, "failed_reload": null, "routes": [],
        "generation": 1, "ready": true, "unready": null, "in_flight": 0, "connections": 0,
        "listeners": [], "pools": pools,
    })
}

fn pool(name: &str, backends: &[Value]) -> Value {
    let quantiles = json!({ "p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": 3.0 });
    json!({
        "name": name, "algorithm": "round_robin", "requests": 10, "errors": 0, "active": 0,
        "responses": { "1xx": 0, "2xx": 10, "3xx": 0, "4xx": 0, "5xx": 0, "none": 0 },
        "rate": 10.0, "error_rate": 0.0, "latency": quantiles,
        "queue": { "length": 0, "size": 0 }, "retries": 0, "budget_exhausted": 0, "panic": false,
        "history": { "requests": [9, 10], "errors": [0, 0], "p99_ms": [null, 3.0] },
        "backends": backends,
    })
}

/// A route with ten requests a second.
fn route(host: &str, pool: &str, error_rate: f64) -> Value {
    json!({
        "host": host, "path": "/", "index": 0, "pool": pool, "requests": 1, "errors": 0,
        "responses": {}, "rate": 10.0, "error_rate": error_rate,
    })
}

/// A backend with these additional values.
fn backend(pool: &str, address: &str, state: &str, beside: &Value) -> Value {
    let none = json!({ "p50_ms": null, "p95_ms": null, "p99_ms": null });
    let mut backend = json!({
        "pool": pool, "name": address, "address": address, "state": state, "reason": null,
        "since": null, "since_ms": null, "last_serving": null, "until": null,
        "for_ms": null, "set_by_operator": [], "backup": false, "weight": 1,
        "weight_in_effect": 1.0, "active": 0, "max_connections": null, "requests": 0, "errors": 0,
        "responses": {}, "rate": 0.0, "error_rate": 0.0, "share": 0.0, "latency": none,
        "first_byte": none, "check": null, "connections": { "opened": 0, "reused": 0 },
    });
    for (key, value) in beside.as_object().expect("an object") {
        backend[key] = value.clone();
    }
    backend
}

#[test]
fn text_from_the_process_never_becomes_markup() {
    let check = json!({ "passed": false, "reason": HOSTILE, "took_ms": 1.0, "ago_ms": 1 });
    let beside = json!({
        "reason": HOSTILE, "until": HOSTILE, "set_by_operator": [HOSTILE], "check": check,
    });
    let one = backend(HOSTILE, "127.0.0.1:1", HOSTILE, &beside);
    let event = json!({
        "id": 1, "time": "2026-01-01T00:00:00Z", "pool": HOSTILE, "backend": null,
        "event": HOSTILE, "text": HOSTILE, "reason": HOSTILE, "for_ms": null, "by": HOSTILE,
    });
    let mut told = status(json!([pool(HOSTILE, &[one])]));
    (told["version"], told["unready"]) = (json!(HOSTILE), json!(HOSTILE));
    (told["host"], told["file"]) = (json!(HOSTILE), json!(HOSTILE));
    told["routes"] = json!([route(HOSTILE, HOSTILE, 1.0)]);
    told["failed_reload"] = json!({
        "time": "2026-01-01T00:00:00.000Z", "ago_ms": 1, "failures": 1, "problems": [HOSTILE],
    });
    told["ready"] = json!(false);
    let process = saying(&told, &[event]);
    let mut browser = look_at(&process);
    for place in [
        "#host",
        "#file",
        "#process",
        "#banner",
        "#wrong",
        "#events",
        "#pools [data-f=name]",
        "#pools tbody",
        "#routes",
    ] {
        browser.wait_for_text(place, "<img src=x onerror=");
    }
    browser.click("#pools [data-f=drain]");
    browser.wait_for_text("#confirm", "<img src=x onerror=");
    let made =
        browser.eval("document.querySelectorAll('main img, main script, dialog img').length");
    assert_eq!(
        (made, browser.eval("window.ran ?? 'nothing ran'")),
        (json!(0), json!("nothing ran"))
    );
}

#[test]
fn trouble_comes_first_with_its_reason_and_when_it_ends() {
    let fine = |pool: &str, address: &str| backend(pool, address, "eligible", &json!({}));
    let ejected = json!({
        "reason": "it answered 503", "until": "2026-01-01T00:01:00Z", "for_ms": 65_000,
    });
    let checked = json!({ "reason": "the check failed: status 500", "until": "checks_pass" });
    let slow = json!({ "weight": 10, "weight_in_effect": 2.5 });
    let told = status(json!([
        pool("fine", &[fine("fine", "127.0.0.1:1"), fine("fine", "127.0.0.1:2")]),
        pool(
            "some",
            &[
                fine("some", "127.0.0.1:3"),
                backend("some", "127.0.0.1:4", "eligible", &slow),
                backend("some", "127.0.0.1:5", "ejected", &ejected),
                backend("some", "127.0.0.1:6", "unhealthy", &checked),
            ]
        ),
        pool("all", &[backend("all", "127.0.0.1:7", "unhealthy", &checked)]),
    ]));
    let process = saying(&told, &[]);
    let mut browser = look_at(&process);
    browser.wait_for_text("#wrong", "no eligible backend");
    let rows =
        "[...document.querySelectorAll('#pools tbody tr')].map((it) => it.dataset.backend.at(-1))";
    assert_eq!(browser.eval(&format!("{rows}.join('')")), "7654312");
    browser.wait_for_text("#totals", "4 of 7");
    for (port, words) in [
        (7, "unhealthy the check failed: status 500 until checks pass"),
        (5, "ejected it answered 503 1\u{a0}min\u{a0}"),
        (4, "eligible slow start"),
    ] {
        let shown = browser.text(&format!("[data-backend='127.0.0.1:{port}'] .c-state"));
        let shown = shown.split_once(' ').map(|(_sign, words)| words).unwrap_or_default();
        assert!(shown.trim_start().starts_with(words), "{shown:?}");
    }
    let weight = browser.text("[data-backend='127.0.0.1:4'] [data-f=weight]");
    assert_eq!(weight, "2.5/10");
}

/// The process accepts and says nothing, like one that is stopped or stuck.
#[test]
fn a_process_that_no_longer_answers_is_given_up_and_time_goes_on() {
    let ejected = json!({ "until": "2026-01-01T00:00:00Z", "for_ms": 30_000 });
    let out = backend("web", "127.0.0.1:1", "ejected", &ejected);
    let told = status(json!([pool("web", &[out])]));
    let process = saying(&told, &[]);
    let mut browser = look_at(&process);
    browser.wait_for_text("[data-backend] [data-f=left]", "left");
    process.reply_to("/api/v1/pools", Reply::hang());
    browser.wait_for_text("#banner", "lb cannot be reached since");
    browser.wait_until("it is greyed out", "document.body.classList.contains('stale')");
    let seconds = "parseInt(document.querySelector('[data-backend] [data-f=left]').innerText)";
    browser.wait_until("time goes on", &format!("{seconds} < 28"));
    process.reply_to("/api/v1/pools", Reply::ok(told.to_string()));
    browser.wait_until("it is back", "document.querySelector('#banner').hidden");
    browser.wait_until("it is live", "!document.body.classList.contains('stale')");
    // This is the request that it gave up.
    browser.forgive("net::ERR_");
}

#[test]
fn numbers_are_short_and_have_their_units() {
    let process = saying(&status(json!([])), &[]);
    let mut browser = look_at(&process);
    browser.wait_for_text("#wrong", "No pool is configured.");
    browser.eval("import('/words.js').then((it) => { window.words = it; })");
    for (expression, words) in [
        ("duration(0)", "0 s"),
        ("duration(1499)", "1 s"),
        ("duration(61_000)", "1 min 1 s"),
        ("duration(3_600_000)", "1 h"),
        ("duration(90_061_000)", "1 d 1 h"),
        ("age(200)", "0 s ago"),
        ("age(153_000)", "2 min 33 s ago"),
        ("since({ state: 'ejected', since_ms: 153_000 })", "2 min 33 s ago"),
        ("since({ state: 'draining', since_ms: 153_000 })", "for 2 min 33 s"),
        ("since({ state: 'full', since_ms: null })", ""),
        ("check({ check: { passed: true, took_ms: 0.8 } })", "passed in 0.8 ms"),
        ("check({ check: null })", "none"),
        (
            "order('check', true)({ check: { passed: true, ago_ms: 9 } }, { check: { passed: false, ago_ms: 1 } }) > 0",
            "true",
        ),
        ("bytes(0)", "0 B"),
        ("bytes(999)", "999 B"),
        ("bytes(1234)", "1.2 KB"),
        ("bytes(56_789_000)", "57 MB"),
        ("plural(1, 'request')", "1 request"),
        ("plural(1000, 'retry', 'retries')", "1,000 retries"),
        ("site({ host: null, path: '/' })", "any host"),
        ("site({ host: 'a.example', path: '/x' })", "a.example/x"),
        ("some(['a', 'b', 'c', 'd', 'e'])", "a, b, c, 2 more"),
        ("left(200)", "1 s left"),
        ("left(-5)", "due now"),
        ("millis(null)", "–"),
        ("millis(0.04)", "0.0 ms"),
        ("millis(9.94)", "9.9 ms"),
        ("millis(640)", "640 ms"),
        ("millis(1234)", "1.23 s"),
        ("millis(61_000)", "61.0 s"),
        ("percent(0)", "0 %"),
        ("percent(0.0004)", "<0.1 %"),
        ("percent(0.012)", "1.2 %"),
        ("percent(1)", "100 %"),
        ("rate(0)", "0"),
        ("rate(0.04)", "<0.1"),
        ("rate(3.14)", "3.1"),
        ("rate(12_345)", "12,345"),
        ("rate(250_000)", "250K"),
        ("errorShare({ rate: 0, error_rate: 0 })", "0"),
        ("active({ active: 3, max_connections: 100_000 })", "3/100K"),
    ] {
        let said = browser.eval(&format!("String(words.{expression})"));
        let said = said.as_str().unwrap().replace('\u{a0}', " ");
        assert_eq!(said, words, "{expression}");
    }
}

#[test]
fn the_certificate_that_ends_first_is_shown_and_one_that_ends_soon_is_a_problem() {
    let listener = |address: &str, days: Value| {
        json!({ "address": address, "requests": 0, "connections": 0, "responses": {},
                "certificate_days_left": days })
    };
    let mut status = status(json!([pool("web", &[])]));
    status["listeners"] = json!([
        listener("0.0.0.0:443", json!(12)),
        listener("0.0.0.0:8443", json!(80)),
        listener("0.0.0.0:80", Value::Null),
    ]);
    let process = saying(&status, &[]);
    let mut browser = look_at(&process);
    browser.wait_for_text("#expiry", "12 days");
    browser.wait_for_text("#wrong", "a certificate ends in 12 days");
    browser.wait_for_text("#wrong", "0.0.0.0:443");
}

#[test]
fn a_certificate_that_does_not_come_is_a_problem_with_the_authoritys_words() {
    let mut status = status(json!([pool("web", &[])]));
    let order = |host: &str, self_signed: bool, failures: u32, error: Option<&str>| {
        json!({ "hosts": [host], "self_signed": self_signed, "failures": failures, "error": error,
                "next": "2026-01-01T00:00:00Z" })
    };
    status["orders"] = json!([
        order("a.example", true, 0, None),
        order("b.example", false, 2, Some("the authority says: no")),
        order("c.example", false, 0, None),
        order("d.example", false, 3, Some("the authority says: never")),
    ]);
    status["orders"][3]["expired"] = json!(true);
    let process = saying(&status, &[]);
    let mut browser = look_at(&process);
    browser.wait_for_text("#wrong", "self-signed until the order is done");
    browser
        .wait_for_text("#wrong", "not renewed, the old certificate stays; the authority says: no;");
    browser.wait_for_text("#wrong", "the authority says: no; next try at 1 Jan 00:00:00 UTC");
    browser.wait_for_text("#wrong", "expired, and kept until there is a better one; the authority");
    let shown = browser.eval("document.querySelector('#wrong').textContent");
    assert!(!shown.as_str().unwrap().contains("c.example"), "{shown}");
}

/// The events come from the process with their words.
#[test]
fn an_event_is_shown_as_a_person_would_say_it() {
    let event = json!({
        "id": 1, "time": "2026-01-01T00:00:00Z", "pool": "web", "backend": "127.0.0.1:1",
        "address": "127.0.0.1:1", "event": "ejected", "text": "ejected: it answered 503",
        "reason": "503", "for_ms": 90_000, "by": null,
    });
    let process = saying(&status(json!([pool("web", &[])])), &[event]);
    let mut browser = look_at(&process);
    browser.wait_for_text("#events", "ejected: it answered 503, for 1\u{a0}min\u{a0}30\u{a0}s");
}

/// A person compares with the logs, which are in UTC, and with the clock on the wall.
#[test]
fn a_time_has_its_zone_and_that_of_the_browser_if_it_is_another() {
    let process = saying(&status(json!([pool("web", &[])])), &[]);
    let mut browser = look_at(&process);
    browser.wait_for_text("#live", "UTC");
    browser.eval("import('/words.js').then((it) => { window.words = it; })");
    let shown = |browser: &mut Browser| {
        let when = browser.eval("words.when('2026-01-01T12:00:00Z')");
        when.as_str().unwrap().replace("1 Jan ", "")
    };
    browser.set_time_zone("UTC");
    assert_eq!(shown(&mut browser), "12:00:00 UTC");
    let today = "/^\\d\\d:\\d\\d:\\d\\d UTC$/.test(words.when(new Date()))";
    assert_eq!(browser.eval(today), true, "a time of this day has no date");
    browser.set_time_zone("Asia/Kolkata");
    assert_eq!(shown(&mut browser), "12:00:00 UTC · 17:30:00 GMT+5:30");
}

#[test]
fn backends_with_the_same_problem_are_one_line_and_their_sites_are_named() {
    let checked = json!({
        "reason": "the check failed: refused", "until": "checks_pass", "since_ms": 120_000,
    });
    let out: Vec<_> = (1..=20)
        .map(|port| backend("web", &format!("127.0.0.1:{port}"), "unhealthy", &checked))
        .collect();
    let ejected = json!({ "reason": "it answered 503", "since_ms": 153_000, "for_ms": 27_000 });
    let other = backend("api", "127.0.0.1:30", "ejected", &ejected);
    let fine = backend("api", "127.0.0.1:31", "eligible", &json!({}));
    let mut told = status(json!([pool("web", &out), pool("api", &[other, fine])]));
    told["routes"] = json!([route("shop.example", "web", 10.0), route("api.example", "api", 0.0)]);
    let process = saying(&told, &[]);
    let mut browser = look_at(&process);
    browser.wait_for_text("#wrong", "it serves shop.example");
    let shown = browser.text("#wrong").replace('\u{a0}', " ");
    let line = "20 backends unhealthy, the first for 2 min: the check failed: refused";
    assert!(shown.contains(line), "{shown}");
    assert!(shown.contains("ejected 2 min 33 s ago: it answered 503, 27 s left"), "{shown}");
    assert_eq!(browser.eval("document.querySelectorAll('#wrong li').length"), 3);
    browser.wait_for_text("#routes tr.failing", "shop.example");
    let row = "[data-backend='127.0.0.1:30'] [data-f=since]";
    let since = browser.text(row).replace('\u{a0}', " ");
    assert!(since.starts_with("2 min 3") && since.ends_with("s ago"), "{since}");
}

/// Sixty backends that work are no reason to scroll.
#[test]
fn healthy_pools_are_folded_where_there_are_many_backends() {
    let many = |name: &str| {
        let all: Vec<_> = (1..=30)
            .map(|port| backend(name, &format!("127.0.0.1:{port}"), "eligible", &json!({})))
            .collect();
        pool(name, &all)
    };
    let out = json!({ "reason": "the check failed: refused", "until": "checks_pass" });
    let mut troubled = many("c");
    troubled["backends"][7] = backend("c", "127.0.0.1:8", "unhealthy", &out);
    let process = saying(&status(json!([many("a"), many("b"), troubled])), &[]);
    let mut browser = look_at(&process);
    browser.wait_for_text("#wrong", "unhealthy");
    let visible = "[...document.querySelectorAll('#pools tbody tr')]\
                   .filter((it) => it.offsetParent).length";
    assert_eq!(browser.eval(visible), 12, "the first rows of the pool in trouble");
    browser.resize(390, 844);
    browser.wait_until("fewer fit a phone", &format!("{visible} === 5"));
    let height = browser.eval("document.documentElement.scrollHeight");
    assert!(height.as_u64().unwrap() < 5000, "{height}");
    browser.wait_for_text("[data-f=rest]", "Show all 30 backends (25 more)");
    browser.click("[data-level=warn] [data-f=rest]");
    browser.wait_until("all are there", &format!("{visible} === 30"));
    browser.click("[data-level=warn] [data-f=rest]");
    browser.wait_until("they are folded again", &format!("{visible} === 5"));
}
