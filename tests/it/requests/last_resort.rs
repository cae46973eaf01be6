//! An ejection is a preference: before a request fails, it tries the ejected backends whose checks pass.

use super::super::Lb;
use super::super::client::{Connection, get};
use crate::support::{PATIENCE, backend::ScriptedBackend, eventually::eventually, reply::Reply};

const CHECKED: &str =
    "    health_check: { path: /health, interval: 100ms, timeout: 90ms, fall: 100 }";

fn backend(name: &str) -> ScriptedBackend {
    let backend = ScriptedBackend::named(name);
    backend.reply_to("/health", Reply::ok("well"));
    backend
}

/// A balancer over these backends, with checks and otherwise the default settings; the first of them was
/// ejected, and is well again.
#[track_caller]
fn with_ejected(backends: &[&ScriptedBackend]) -> Lb {
    let lb = Lb::over(backends, CHECKED);
    let a = backends[0];
    a.reply(Reply::status(503));
    eventually(PATIENCE, "a is ejected", || {
        assert_eq!(get(lb.address(), "/").status, 200);
        !lb.backend(a).is_eligible()
    });
    a.reply(Reply::ok("a"));
    lb
}

/// The rolling restart of two replicas, the second of which is restarted while the first is still out.
#[test]
fn a_rolling_restart_loses_no_request() {
    let (a, b) = (backend("a"), backend("b"));
    let lb = with_ejected(&[&a, &b]);
    b.reply(Reply::status(503));
    for _ in 0..60 {
        assert_eq!(get(lb.address(), "/").text(), "a");
    }
    b.reply(Reply::ok("b"));
    a.reply(Reply::status(503));
    for _ in 0..60 {
        assert_eq!(get(lb.address(), "/").text(), "b");
    }
}

#[test]
fn the_last_try_that_is_left_may_be_the_one() {
    let (a, b, c) = (backend("a"), backend("b"), backend("c"));
    let lb = with_ejected(&[&a, &b, &c]);
    for failed in [Reply::status(503), Reply::reset()] {
        b.reply_next(1, failed.clone());
        c.reply_next(1, failed);
        assert_eq!(get(lb.address(), "/").text(), "a");
        a.reply(Reply::status(503));
        eventually(PATIENCE, "a is ejected again", || {
            assert_eq!(get(lb.address(), "/").status, 200);
            !lb.backend(&a).is_eligible()
        });
        a.reply(Reply::ok("a"));
    }
}

/// A body that is sent like this while the first backend has the header is sent to the other one, too.
#[track_caller]
fn is_sent_again(send: impl FnOnce(&mut Connection)) {
    let (a, b) = (backend("a"), backend("b"));
    let lb = with_ejected(&[&a, &b]);
    b.reply(Reply::status(503));
    let mut client = Connection::open(lb.address()).unwrap();
    client.begin("PUT", "/put", &[("Content-Length", "4")]).unwrap();
    eventually(PATIENCE, "b has the header", || b.count(|it| it.path == "/put") == 1);
    send(&mut client);
    assert_eq!(client.read_response("PUT").unwrap().text(), "a");
    assert_eq!(a.requests_to("/put")[0].body, b"body");
}

#[test]
fn a_body_that_came_behind_its_header_does_not_stand_in_the_way() {
    is_sent_again(|client| client.send_body(b"body").unwrap());
}

/// The end of a stream may come long after the last byte.
#[test]
fn a_body_of_the_announced_length_can_be_sent_again_before_its_end_has_come() {
    is_sent_again(|client| client.send_open_body(b"body").unwrap());
}
