//! The clients notice the faults that they look for: a load that accepts every answer proves
//! nothing.

use crate::support::{
    backend::ScriptedBackend,
    client::Connection,
    load::{Failure, Kind, Load, Report, good_answer},
    reply::Reply,
    request::Request,
};

use super::{assert_executed_once, executed};

const FEW: usize = 500;

/// A load without a balancer, directly on a backend that replies like this.
fn load_on(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> (ScriptedBackend, Report) {
    let backend = ScriptedBackend::named("a");
    backend.reply_with(reply);
    let load = Load::start(backend.address());
    load.reach(FEW);
    (backend, load.finish())
}

/// Every client fails in this way, and in no other.
#[track_caller]
fn all_fail(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static, how: Failure) {
    let (_backend, report) = load_on(reply);
    assert!(report.requests() >= FEW, "{report}");
    assert_eq!(report.failures.len(), report.requests(), "{report}");
    assert!(report.failures.iter().all(|failed| failed.failure == how), "{report}");
    assert!(report.orders.is_empty());
}

#[test]
fn nothing_fails_where_every_answer_is_good() {
    let framings: [fn(&Request) -> Reply; 3] = [
        good_answer,
        |request| good_answer(request).chunked(),
        |request| good_answer(request).until_close(),
    ];
    for framing in framings {
        let (backend, report) = load_on(framing);
        assert!(report.failures.is_empty(), "{report}");
        assert_eq!(report.statuses.get(&200), Some(&report.requests()));
        assert_eq!(report.requests(), backend.requests().len());
        assert_executed_once(&[backend], &report);
    }
}

#[test]
fn an_answer_that_is_cut_is_told_from_one_that_only_looks_whole() {
    all_fail(|request| good_answer(request).closed_after(5), Failure::Cut);
    all_fail(|request| good_answer(request).chunked().closed_after(5), Failure::Cut);
    all_fail(|_| Reply::ok("the an"), Failure::Wrong);
    all_fail(|_| Reply::ok("the an").chunked(), Failure::Wrong);
}

#[test]
fn an_answer_to_another_request_is_wrong() {
    all_fail(|_| Reply::ok("the answer to /item/0/"), Failure::Wrong);
}

#[test]
fn a_status_is_told_from_no_answer() {
    all_fail(|_| Reply::status(503), Failure::Status(503));
    all_fail(|_| Reply::close(), Failure::NoAnswer(std::io::ErrorKind::UnexpectedEof));
    all_fail(|_| Reply::reset(), Failure::NoAnswer(std::io::ErrorKind::ConnectionReset));
}

#[test]
fn gets_and_orders_are_told_apart() {
    let (_backend, report) = load_on(|request| match request.method.as_str() {
        "POST" => Reply::status(503),
        _ => good_answer(request),
    });
    assert!(report.failures_of(Kind::Get, 0).is_empty(), "{report}");
    let orders = report.failures_of(Kind::Order, 0).len();
    assert!((FEW / 10..=report.requests() / 2).contains(&orders), "{report}");
    assert_eq!(report.failures_of(Kind::Order, report.requests()), []);
}

#[test]
#[should_panic(expected = "executed more than once: [(4, 2)]")]
fn an_order_that_is_executed_twice_is_found() {
    let (backend, report) = load_on(good_answer);
    let mut connection = Connection::open(backend.address()).unwrap();
    connection.request("POST", "/order/4", &[], b"again").unwrap();
    assert_executed_once(&[backend], &report);
}

#[test]
#[should_panic(expected = "answered and never executed")]
fn an_order_that_was_not_executed_is_found() {
    let (_backend, report) = load_on(good_answer);
    assert_executed_once(&[ScriptedBackend::named("idle")], &report);
}

#[test]
fn an_order_that_came_half_is_not_executed() {
    let backend = ScriptedBackend::named("a");
    let mut connection = Connection::open(backend.address()).unwrap();
    connection.send(b"POST /order/1 HTTP/1.1\r\nContent-Length: 6\r\n\r\nord").unwrap();
    backend.wait_for_heads(1);
    drop(connection);
    assert!(executed(&[backend]).is_empty());
}
