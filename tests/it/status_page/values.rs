//! Each value of an answer, in its place on the page.

use serde_json::{Value, json};

use crate::support::reply::Reply;

use super::{backend, fields, look_at, pool, route, saying, shown, status};

/// A pool in which every value is another one.
fn full_pool() -> Value {
    let beside = json!({
        "name": "app-1:80", "weight": 4, "weight_in_effect": 4.0, "active": 3, "max_connections": 50,
        "rate": 20.0, "error_rate": 5.0, "share": 0.25,
        "set_by_operator": ["weight"], "backup": true,
        "latency": { "p50_ms": 7.0, "p95_ms": 8.0, "p99_ms": 42.0 },
        "check": { "passed": true, "reason": null, "took_ms": 1.5, "ago_ms": 31_000 },
    });
    let drained = json!({ "set_by_operator": ["drained"], "since_ms": 60_000,
        "check": { "passed": false, "reason": "refused", "took_ms": 1.0, "ago_ms": 1000 } });
    let unhealthy = json!({ "reason": "refused", "until": "checks_pass",
        "check": { "passed": false, "reason": "refused", "took_ms": 1.0, "ago_ms": 2000 } });
    let well = json!({ "passed": true, "reason": null, "took_ms": 1.0, "ago_ms": 1000 });
    let mut web = pool(
        "web",
        &[
            backend("web", "127.0.0.1:1", "eligible", &beside),
            backend("web", "127.0.0.1:2", "draining", &drained),
            backend("web", "127.0.0.1:3", "unhealthy", &unhealthy),
            backend("web", "127.0.0.1:4", "resting", &json!({ "check": well })),
        ],
    );
    for (key, value) in [
        ("requests", json!(1234)),
        ("active", json!(6)),
        ("responses", json!({ "2xx": 1200, "3xx": 0, "5xx": 34 })),
        ("rate", json!(30.0)),
        ("error_rate", json!(1.2)),
        ("latency", json!({ "p50_ms": 5.0, "p95_ms": 6.0, "p99_ms": 40.0 })),
        ("queue", json!({ "length": 2, "size": 8 })),
        ("retries", json!(2)),
        ("budget_exhausted", json!(3)),
        ("request_bytes", json!(5000)),
        ("response_bytes", json!(2_000_000)),
        ("history", json!({ "requests": [8, 10], "errors": [0, 4], "p99_ms": [null, 40.0] })),
    ] {
        web[key] = value;
    }
    web
}

#[test]
fn every_value_of_a_pool_has_its_place() {
    let mut told = status(json!([full_pool()]));
    told["routes"] = json!([route("a.example", "web", 0.0)]);
    let process = saying(&told, &[]);
    let mut browser = look_at(&process);
    browser.wait_for_text("#totals", "1 of 4");
    let strip = json!({
        "fold": "web", "name": "web", "algorithm": "round_robin", "marks": "errors · queue",
        "sites": "for a.example", "eligible": "1 of 4", "rate": "30", "errors": "4.0 %",
        "p50": "5.0 ms", "p99": "40 ms", "active": "6", "chart": "", "bars": "", "bad": "", "line": "",
        "peak": "peak 10/s", "failed": "4 errors", "slow": "p99 up to 40 ms",
    });
    let mut found = fields(&mut browser, "#pools .strip");
    for path in ["bars", "bad", "line", "chart"] {
        assert_eq!(found[path].as_str().unwrap().trim(), "");
        found[path] = json!("");
    }
    assert_eq!(found, strip);
    let drawn = "['bars', 'bad', 'line'].map((it) => document.querySelector(`[data-f=${it}]`)\
                 .getAttribute('d'))";
    let bar = "M295.0 44v-44h4.0V44z";
    assert_eq!(
        shown(&mut browser, drawn),
        json!([format!("M290.0 44v-35.2h4.0V44z{bar}"), "M295.0 44v-17.6h4.0V44z", "M297.5 2.0"])
    );
    let label = "document.querySelector('[data-f=chart]').getAttribute('aria-label')";
    let minute = "The last minute: peak 10/s, 4 errors, p99 up to 40 ms";
    assert_eq!(shown(&mut browser, label), minute);
    let point = "(() => { const chart = document.querySelector('[data-f=chart]');
        const box = chart.getBoundingClientRect();
        const clientX = box.left + box.width * 58.5 / 60;
        chart.dispatchEvent(new PointerEvent('pointermove', { clientX })); })()";
    browser.eval(point);
    let second = "['peak', 'failed', 'slow'].map((it) => document.querySelector(`[data-f=${it}]`).innerText)";
    assert_eq!(shown(&mut browser, second), json!(["2 s ago: 8/s", "0 errors", "p99 –"]));
    let counts = shown(&mut browser, "document.querySelector('[data-f=counts]').textContent");
    assert_eq!(
        counts,
        "1,234 requests (2xx 1,200, 5xx 34) · 2 retries · 5.0 KB in, 2.0 MB out · 3 not paid for by the \
         budget · queue 2 of 8"
    );
}

#[test]
fn every_value_of_a_backend_has_its_place() {
    let mut told = status(json!([full_pool()]));
    told["routes"] = json!([route("a.example", "web", 0.0)]);
    let process = saying(&told, &[]);
    let mut browser = look_at(&process);
    browser.wait_for_text("#totals", "1 of 4");
    let row = json!({
        "name": "app-1:80", "address": "127.0.0.1:1", "tags": "backupweight by operator",
        "state": "● eligible", "since": "", "reason": "", "left": "", "weight": "4", "active": "3/50",
        "rate": "20", "bar": "", "share": "25 %", "errors": "25 %", "p50": "7.0 ms", "p99": "42 ms",
        "check": "passed in 1.5 ms", "age": "31 s ago", "drain": "Drain", "more": "⋯",
    });
    assert_eq!(fields(&mut browser, "[data-backend='127.0.0.1:1']"), row);
    let wide = "document.querySelector('[data-f=bar]').style.width";
    assert_eq!(shown(&mut browser, &wide.replace("[data", "[data-backend$=\":1\"] [data")), "25%");
    let named = "[...document.querySelectorAll('[data-backend$=\":1\"] button')]\
                 .map((it) => it.getAttribute('aria-label'))";
    let label = "app-1:80 (127.0.0.1:1)";
    assert_eq!(
        shown(&mut browser, named),
        json!([format!("Drain {label}"), format!("More for {label}")])
    );
    let row = fields(&mut browser, "[data-backend='127.0.0.1:2']");
    for (field, text) in [
        ("tags", ""),
        ("state", "▼ draining"),
        ("check", "failed: refused"),
        ("age", "1 s ago"),
        ("drain", "Undrain"),
    ] {
        assert_eq!(row[field], text, "{field}");
    }
    let row = fields(&mut browser, "[data-backend='127.0.0.1:3']");
    let said = ["reason", "left", "check", "age"].map(|it| row[it].as_str().unwrap());
    assert_eq!(said, ["refused", "until checks pass", "failed", "2 s ago"]);
    let row = fields(&mut browser, "[data-backend='127.0.0.1:4']");
    assert_eq!((&row["state"], &row["age"]), (&json!("? resting"), &json!("")));
}

#[test]
fn the_head_of_the_page_sums_a_process_up() {
    let out = backend("a", "127.0.0.1:2", "full", &json!({}));
    let mut a = pool("a", &[backend("a", "127.0.0.1:1", "eligible", &json!({})), out]);
    let mut b = pool("b", &[backend("b", "127.0.0.1:3", "eligible", &json!({}))]);
    (a["request_byte_rate"], a["response_byte_rate"]) = (json!(1000.0), json!(50_000.0));
    (b["request_byte_rate"], b["response_byte_rate"]) = (json!(2000.0), json!(10_000.0));
    (b["error_rate"], b["latency"]["p99_ms"]) = (json!(0.05), json!(42.0));
    let mut told = status(json!([a, b]));
    (told["version"], told["pid"], told["generation"]) = (json!("1.2.3"), json!(4711), json!(7));
    (told["in_flight"], told["connections"]) = (json!(12), json!(34));
    let process = saying(&told, &[]);
    let mut browser = look_at(&process);
    browser.wait_for_text("#totals", "2 of 3");
    let process_line =
        "version 1.2.3 · process 4711 · up for 1 d 1 h · configuration 7, loaded 1 h ago";
    assert_eq!(shown(&mut browser, "document.querySelector('#process').innerText"), process_line);
    let totals = json!({
        "eligible": "2 of 3", "rate": "20", "errors": "0.3 %", "p99": "42 ms",
        "bytes": "3.0 KB/s · 60 KB/s", "in_flight": "12", "clients": "34", "expiry": "",
    });
    assert_eq!(fields(&mut browser, "#totals"), totals);
    assert_eq!(shown(&mut browser, "document.querySelector('#expiry').hidden"), true);
    let states = "[...document.querySelectorAll('#state option')].map((it) => it.innerText)";
    let expected = [
        "all (3)",
        "in trouble (1)",
        "unhealthy (0)",
        "ejected (0)",
        "half-open (0)",
        "full (1)",
        "draining (0)",
        "eligible (2)",
    ];
    assert_eq!(shown(&mut browser, states), json!(expected));
    let tab = "[document.title, document.querySelector('#icon').href.match(/%23(\\w+)/)[1]]";
    assert_eq!(shown(&mut browser, tab), json!(["1 problem – edge-1: lb.yaml – lb", "c77700"]));

    // The pool that fails is gone, and so is the file.
    told["pools"] = json!([told["pools"][1]]);
    (told["file"], told["ready"]) = (json!(null), json!(false));
    process.reply_to("/api/v1/pools", Reply::ok(told.to_string()));
    browser.wait_for_text("#file", "run from flags, without a file");
    browser.wait_for_text("#banner", "Not ready: no reason given");
    assert_eq!(shown(&mut browser, tab), json!(["edge-1 – lb", "c62828"]));
    let pools =
        "[...document.querySelectorAll('.pool [data-f=name]')].map((it) => it.innerText)[0]";
    assert_eq!(shown(&mut browser, pools), "b");
    assert_eq!(shown(&mut browser, "document.querySelectorAll('.pool').length"), 1);

    (told["ready"], told["version"]) = (json!(true), json!("1.2.4"));
    process.reply_to("/api/v1/pools", Reply::ok(told.to_string()));
    browser.wait_for_text("#banner", "lb is now 1.2.4. Reload this page");
    assert_eq!(shown(&mut browser, tab), json!(["edge-1 – lb", "2e7d32"]));
    browser.wait_for_text("[data-f=sites]", "no route leads here");

    // A pool whose requests fail is worse than one whose backend is out.
    told["pools"][0]["error_rate"] = json!(10.0);
    process.reply_to("/api/v1/pools", Reply::ok(told.to_string()));
    browser.wait_for_text("#wrong", "100\u{a0}% of requests fail");
    assert_eq!(shown(&mut browser, tab), json!(["1 problem – edge-1 – lb", "c62828"]));
}

#[test]
fn routes_and_listeners_are_rows_and_those_that_fail_come_first() {
    let mut told = status(json!([pool("web", &[])]));
    let mut routes: Vec<_> =
        (0..10).map(|at| route(&format!("{at}.example"), "web", 0.0)).collect();
    routes[9]["error_rate"] = json!(2.5);
    (routes[9]["requests"], routes[9]["path"]) = (json!(4321), json!("/shop"));
    told["routes"] = json!(routes);
    told["listeners"] = json!([{
        "address": "0.0.0.0:80", "requests": 9, "rate": 20.0, "error_rate": 1.0, "connections": 17,
        "request_byte_rate": 1500.0, "response_byte_rate": 2_500_000.0, "certificate_days_left": null,
    }]);
    let process = saying(&told, &[]);
    let mut browser = look_at(&process);
    let rows = |name: &str| {
        let cells = "[...row.cells].map((it) => it.innerText)";
        format!("[...document.querySelectorAll('#{name} tr')].map((row) => {cells})")
    };
    browser.wait_for_text("#traffic-summary", "10 routes, 1 listener, 1 route fails requests");
    let found = shown(&mut browser, &rows("routes"));
    assert_eq!(found[0], json!(["9.example/shop", "web", "10", "25 %", "4,321"]));
    assert_eq!(found[1], json!(["0.example", "web", "10", "0 %", "1"]));
    assert_eq!(found.as_array().unwrap().len(), 8);
    let row = json!([["0.0.0.0:80", "20", "5.0 %", "1.5 KB/s", "2.5 MB/s", "17"]]);
    assert_eq!(shown(&mut browser, &rows("listeners")), row);
    assert_eq!(shown(&mut browser, "document.querySelector('#listeners-more').hidden"), true);
    browser.wait_for_text("#routes-more", "Show all 10");
    let count = "document.querySelectorAll('#routes tr').length";
    browser.click("#routes-more");
    browser.wait_until("all are there", &format!("{count} === 10"));
    browser.click("#routes-more");
    browser.wait_until("they are folded again", &format!("{count} === 8"));
    told["routes"] = json!(routes[..2]);
    process.reply_to("/api/v1/pools", Reply::ok(told.to_string()));
    browser.wait_until("the others are gone", &format!("{count} === 2"));
    assert_eq!(shown(&mut browser, "document.querySelector('#routes-more').hidden"), true);
    // On a phone the tables wait for a touch.
    browser.resize(390, 844);
    browser.reload();
    browser.wait_for_text("#traffic-summary", "2 routes, 1 listener");
    assert_eq!(shown(&mut browser, "document.querySelector('#traffic').open"), false);
}

/// Large figures, at widths where the layout changes and between them.
#[test]
fn nothing_is_cut_off_at_any_width() {
    let backends: Vec<Value> = (1..=12)
        .map(|index| backend("web", &format!("10.0.0.1{index}:19001"), "eligible", &json!({})))
        .collect();
    let mut web = pool("web", &backends);
    (web["request_byte_rate"], web["response_byte_rate"]) =
        (json!(123_456.0), json!(123_456_789.0));
    (web["rate"], web["latency"]["p99_ms"]) = (json!(12_345.0), json!(12_345.0));
    let mut told = status(json!([web]));
    (told["in_flight"], told["connections"]) = (json!(12_345), json!(123_456));
    told["listeners"] = json!([{
        "address": "0.0.0.0:443", "requests": 0, "connections": 0, "responses": {},
        "certificate_days_left": 80,
    }]);
    let process = saying(&told, &[]);
    let mut browser = look_at(&process);
    browser.wait_for_text("#expiry", "80 days");
    let cut = "[...document.querySelectorAll('#totals > div, #totals dd')]\
               .filter((it) => it.scrollWidth > it.clientWidth).map((it) => it.innerText)";
    let wide = "document.documentElement.scrollWidth > innerWidth";
    let broken = "[...document.querySelectorAll('#pools [data-f=name]')]\
                  .filter((it) => it.getClientRects().length > 1).map((it) => it.innerText)";
    for width in [1500, 1280, 1241, 1239, 1160, 1100, 1081, 1079, 1000, 901, 899, 701, 390] {
        browser.resize(width, 900);
        browser.wait_until("it has this width", &format!("innerWidth === {width}"));
        assert_eq!(shown(&mut browser, cut), json!([]), "{width}");
        assert_eq!(shown(&mut browser, wide), false, "{width}");
        assert_eq!(shown(&mut browser, broken), json!([]), "{width}");
    }
}
