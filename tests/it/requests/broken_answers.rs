//! Answers that break off: a client never sees a short one that looks whole.

use super::super::Lb;
use super::super::client::{Connection, get};
use crate::support::{backend::ScriptedBackend, reply::Reply};

#[track_caller]
fn is_seen_to_be_broken(reply: Reply) {
    let a = ScriptedBackend::replying(reply);
    let lb = Lb::over(&[&a], "");
    let response = get(lb.address(), "/");
    assert_eq!(response.status, 200);
    assert!(!response.is_complete, "looks whole: {:?}", response.text());
    assert_eq!(a.requests().len(), 1);
    let line = lb.log_lines(1).remove(0);
    assert_eq!(line["status"], 200, "as the client was told");
    assert_eq!(line["error"], "the connection to the backend broke");
}

#[test]
fn a_body_with_a_length_that_ends_early() {
    is_seen_to_be_broken(Reply::ok("0123456789").closed_after(5));
    is_seen_to_be_broken(Reply::ok("0123456789").reset_after(5));
    is_seen_to_be_broken(Reply::ok("0123456789").closed_after(0));
}

#[test]
fn a_chunked_body_without_its_end() {
    is_seen_to_be_broken(Reply::ok("0123456789").chunked().closed_after(5));
    is_seen_to_be_broken(Reply::ok("0123456789").chunked().reset_after(5));
}

#[test]
fn a_body_until_close_that_is_reset() {
    is_seen_to_be_broken(Reply::ok("0123456789").until_close().reset_after(5));
}

#[test]
fn a_body_until_close_is_whole_when_the_backend_closes() {
    let a = ScriptedBackend::replying(Reply::ok("0123456789").until_close());
    let lb = Lb::over(&[&a], "");
    let mut connection = Connection::open(lb.address()).unwrap();
    for _ in 0..2 {
        let response = connection.get("/").unwrap();
        assert!(response.is_complete);
        assert_eq!(response.text(), "0123456789");
    }
}
