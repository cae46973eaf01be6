//! A backend that an operator has taken out.

use super::super::Lb;
use super::super::client::{get, post};
use crate::support::{backend::ScriptedBackend, lb::entry, reply::Reply};
use lb::backend::{DrainedBy, Eligibility};

fn draining(backend: &ScriptedBackend) -> String {
    entry(backend, "drain: true")
}

#[test]
fn it_gets_no_requests() {
    let [a, b, c] = ["a", "b", "c"].map(ScriptedBackend::named);
    b.reply_next(2, Reply::reset());
    let entries = [draining(&a), entry(&b, "weight: 1"), entry(&c, "weight: 1")].join(", ");
    let lb = Lb::over_entries(&entries, "");
    for _ in 0..12 {
        assert_eq!(get(lb.address(), "/").status, 200);
    }
    assert_eq!(lb.eligibility(&a), Eligibility::Draining(DrainedBy::Configuration));
    assert_eq!(a.connections(), 0, "not even for a retry");
    assert!(b.requests().len() > 2 && c.requests().len() > 2);
}

#[test]
fn it_gets_no_requests_even_if_no_other_is_left() {
    let [a, b] = ["a", "b"].map(ScriptedBackend::named);
    let lb = Lb::over_entries(&[draining(&a), entry(&b, "weight: 1")].join(", "), "");
    b.stop();
    assert_eq!(get(lb.address(), "/").status, 502);
    let response = get(lb.address(), "/");
    assert_eq!((response.status, response.header("retry-after")), (503, Some("1")));
    assert_eq!(a.connections(), 0);
}

#[test]
fn a_page_stands_in_for_the_line_that_says_so() {
    let a = ScriptedBackend::named("a");
    for (page, kind) in [("<h1>Noon</h1>", "text/html"), ("Back at noon", "text/plain")] {
        // Not indented, so it is a key of the whole file.
        let lb = Lb::over_entries(&draining(&a), &format!("unavailable_page: {page}"));
        let response = get(lb.address(), "/");
        assert_eq!((response.status, response.text().as_str()), (503, page));
        assert_eq!(response.header("content-type"), Some(&*format!("{kind}; charset=utf-8")));
        assert_eq!(response.header("retry-after"), Some("1"));
    }
}

#[test]
fn when_all_are_taken_out_the_answer_is_503() {
    let [a, b] = ["a", "b"].map(ScriptedBackend::named);
    let lb = Lb::over_entries(&[draining(&a), draining(&b)].join(", "), "");
    for response in [get(lb.address(), "/"), post(lb.address(), "/", b"x")] {
        assert_eq!(response.status, 503);
        assert!(response.text().contains("no backend"), "{}", response.text());
    }
    assert_eq!(a.connections() + b.connections(), 0);
}
