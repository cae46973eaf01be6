//! Which pools and rows are unfolded, filtered and found.

use serde_json::{Value, json};

use crate::support::reply::Reply;

use super::{backend, look_at, pool, saying, shown, status};

const OPEN: &str = "[...document.querySelectorAll('.pool')].filter((it) => it.offsetParent \
                    && !it.querySelector('[data-f=body]').hidden)\
                    .map((it) => it.querySelector('[data-f=name]').innerText).join(' ')";

fn fine(pool: &str, port: usize) -> Value {
    backend(pool, &format!("127.0.0.1:{port}"), "eligible", &json!({}))
}

#[test]
fn a_pool_is_unfolded_by_trouble_a_click_or_the_filter() {
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    let pools: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(at, name)| {
            // One in trouble, and one that is only drained.
            let state = ["full", "draining"].get(at).copied().unwrap_or("eligible");
            let one = backend(name, &format!("127.0.0.1:{}", at + 1), state, &json!({}));
            pool(name, &[one, fine(name, at + 101)])
        })
        .collect();
    let mut told = status(json!(pools));
    let process = saying(&told, &[]);
    let mut browser = look_at(&process);
    browser.wait_for_text("#shown", "14 backends");
    assert_eq!(shown(&mut browser, OPEN), "a");
    let fold = ".pool[aria-labelledby=pool-3] [data-f=fold]";
    let is_open = format!("document.querySelector(\"{fold}\").ariaExpanded");
    assert_eq!(shown(&mut browser, &is_open), "false");
    browser.click(fold);
    browser.wait_until("it is unfolded", &format!("{OPEN} === 'a d'"));
    assert_eq!(shown(&mut browser, &is_open), "true");

    // Neither a recovery nor a further answer folds what a user looks at.
    told["pools"][0] = pool("a", &[fine("a", 1), fine("a", 101)]);
    told["generation"] = json!(2);
    process.reply_to("/api/v1/pools", Reply::ok(told.to_string()));
    browser.wait_for_text("#process", "configuration 2");
    assert_eq!(shown(&mut browser, OPEN), "a d");

    browser.click("#filter");
    browser.type_text("127.0.0.1:10 e");
    browser.wait_for_text("#shown", "7 of 14 backends");
    assert_eq!(shown(&mut browser, OPEN), "a b c d e f g");
    browser.type_text("x");
    browser.wait_for_text("#nothing", "No backend passes the filter.");
    assert_eq!(shown(&mut browser, "document.querySelector('#nothing').hidden"), false);
    assert_eq!(shown(&mut browser, OPEN), "");
    let choose = |state: &str| {
        format!(
            "for (const [id, value] of [['filter', ''], ['state', '{state}']]) {{
               const node = document.getElementById(id); node.value = value;
               node.dispatchEvent(new Event('input')); }}"
        )
    };
    browser.eval(&choose("draining"));
    browser.wait_for_text("#shown", "1 of 14 backends");
    assert_eq!(shown(&mut browser, OPEN), "b");
    browser.eval(&choose("all"));
    browser.wait_for_text("#shown", "14 backends");
    assert_eq!(shown(&mut browser, "document.querySelector('#nothing').hidden"), true);
    browser.click(fold);
    browser.wait_until("it is folded", &format!("{OPEN} === 'a'"));
}

#[test]
fn a_row_that_is_folded_away_is_counted_and_found_by_its_problem() {
    let rows: Vec<_> = (1..=30)
        .map(|port| {
            let state = if port <= 15 { "unhealthy" } else { "eligible" };
            let reason = format!("reason {port}");
            backend("web", &format!("127.0.0.1:{port}"), state, &json!({ "reason": reason }))
        })
        .collect();
    let told = status(json!([pool("web", &rows), pool("empty", &[])]));
    let process = saying(&told, &[]);
    let mut browser = look_at(&process);
    let rest = ".pool[aria-labelledby=pool-0] [data-f=rest]";
    browser.wait_for_text(rest, "Show all 30 backends (18 more, 3 of them in trouble)");
    let visible =
        "[...document.querySelectorAll('#pools tbody tr')].filter((it) => it.offsetParent).length";
    assert_eq!(shown(&mut browser, visible), 12);

    // By a click on its problem, once that is among the first.
    let mut few = told.clone();
    for row in few["pools"][0]["backends"].as_array_mut().unwrap() {
        row["state"] = json!(if row["address"] == "127.0.0.1:30" { "full" } else { "eligible" });
    }
    process.reply_to("/api/v1/pools", Reply::ok(few.to_string()));
    browser.wait_for_text("#wrong", "127.0.0.1:30");
    browser.click("[data-sort=address]");
    let is_hidden = "document.querySelector('[data-backend=\"127.0.0.1:30\"]').hidden";
    browser.wait_until("it is below the fold", is_hidden);
    let aria = "document.querySelector('[aria-sort]').innerText";
    assert_eq!(shown(&mut browser, aria), "Backend");
    browser.click(".pool[aria-labelledby=pool-0] [data-f=fold]");
    browser.wait_until("the pool is folded", &format!("{visible} === 0"));
    browser.click("#wrong li:nth-child(2) button");
    let focused = "document.activeElement.closest('tr')?.dataset.backend === '127.0.0.1:30'";
    browser.wait_until("it is shown", focused);

    // Not a button for one row more.
    let rows: Vec<_> = (1..=13).map(|port| fine("web", port)).collect();
    let told = status(json!([pool("web", &rows)]));
    process.reply_to("/api/v1/pools", Reply::ok(told.to_string()));
    browser.wait_for_text("#shown", "13 backends");
    browser.wait_until("all are shown", &format!("{visible} === 13"));
    browser.reload();
    browser.wait_for_text("#shown", "13 backends");
    assert_eq!(shown(&mut browser, visible), 13);
}
