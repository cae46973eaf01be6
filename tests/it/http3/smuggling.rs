//! Nothing goes on to a backend that is malformed in HTTP/3, or that HTTP/1 would read differently.

use crate::support::{
    backend::ScriptedBackend,
    http3_raw::{DATA, Outcome, RawClient, frame, get, headers, integer, list},
    lb::QuicLb,
};

const M: (&str, &str) = (":method", "POST");
const S: (&str, &str) = (":scheme", "https");
const A: (&str, &str) = (":authority", "a");
const P: (&str, &str) = (":path", "/");

const MESSAGE_ERROR: Outcome = Outcome::Reset(0x10e);
const REFUSED: Outcome = Outcome::Answered(400);

#[test]
fn malformed_requests_are_reset_and_doubtful_ones_refused() {
    let backend = ScriptedBackend::named("a");
    let lb = QuicLb::over(&[&backend], "");
    let client = RawClient::to(lb.address());
    for (fields, outcome) in [
        (&[M, S, A, P, ("x", "a\r\nb: c")][..], MESSAGE_ERROR),
        (&[M, S, A, P, ("x", "a\nb")], MESSAGE_ERROR),
        (&[M, S, A, P, ("x", "a\0b")], MESSAGE_ERROR),
        (&[M, S, A, P, ("x:", "a")], MESSAGE_ERROR),
        (&[M, S, A, P, ("x\r\ny", "a")], MESSAGE_ERROR),
        (&[M, S, A, P, ("X", "a")], MESSAGE_ERROR),
        (&[M, S, A, P, ("", "a")], MESSAGE_ERROR),
        (&[M, S, A, P, ("transfer-encoding", "chunked")], MESSAGE_ERROR),
        (&[M, S, A, P, ("connection", "x")], MESSAGE_ERROR),
        (&[M, S, A, P, ("te", "gzip")], MESSAGE_ERROR),
        (&[M, S, A, P, P], MESSAGE_ERROR),
        (&[M, M, S, A, P], MESSAGE_ERROR),
        (&[M, S, A, A, P], MESSAGE_ERROR),
        (&[M, S, A, P, ("x", "1"), P], MESSAGE_ERROR),
        (&[M, S, A, P, (":status", "200")], MESSAGE_ERROR),
        (&[M, S, A, P, (":protocol", "websocket")], MESSAGE_ERROR),
        (&[S, A, P], MESSAGE_ERROR),
        (&[M, A, P], MESSAGE_ERROR),
        (&[M, S, A], MESSAGE_ERROR),
        (&[M, S, A, (":path", "")], MESSAGE_ERROR),
        (&[M, S, A, (":path", "/a#b")], MESSAGE_ERROR),
        (&[M, S, A, (":path", "/ HTTP/1.1\r\nx: y")], MESSAGE_ERROR),
        (&[(":method", "GET / HTTP/1.1\r\n"), S, A, P], MESSAGE_ERROR),
        (&[M, S, (":authority", ""), P], MESSAGE_ERROR),
        (&[M, S, A, ("host", "b"), P], MESSAGE_ERROR),
        (&[M, S, A, P, ("host", "b")], REFUSED),
        (&[M, S, (":authority", "u@a"), P], REFUSED),
        (&[M, S, A, (":path", "*")], REFUSED),
        (&[M, S, P], REFUSED),
        (&[M, (":scheme", "ftp"), A, P], REFUSED),
        (&[M, S, A, P, ("x", " a")], REFUSED),
        (&[M, S, A, P, ("content-length", "+1")], REFUSED),
        (&[M, S, A, P, ("content-length", "1"), ("content-length", "1")], REFUSED),
        (&[(":method", "CONNECT"), (":authority", "a:1")], Outcome::Answered(405)),
    ] {
        assert_eq!(client.ask(&headers(fields)), outcome, "{fields:?}");
    }
    assert_eq!(backend.requests().len(), 0);
    let malformed = [M, S, A, (":path", "/logged"), ("connection", "x")];
    assert_eq!(client.ask(&headers(&malformed)), MESSAGE_ERROR);
    let line = lb.line_of("/logged");
    assert_eq!((&line["status"], &line["method"]), (&400.into(), &"POST".into()));
    assert!(line["error"].as_str().unwrap().contains("connections of HTTP/1"), "{line}");
    assert_eq!(client.ask(&get("/")), Outcome::Answered(200), "the connection goes on");
}

#[test]
fn odd_targets_go_on_as_those_of_http1_do() {
    let backend = ScriptedBackend::named("a");
    let lb = QuicLb::over(&[&backend], "");
    let client = RawClient::to(lb.address());
    for (sent, went_on) in [("/<>?`", "/%3C%3E?%60"), ("/\u{fc}", "/\u{fc}"), ("/%3c", "/%3c")] {
        assert_eq!(client.ask(&get(sent)), Outcome::Answered(200), "{sent}");
        assert_eq!(backend.requests().pop().unwrap().path, went_on);
    }
    let length = headers(&[M, S, A, P, ("content-length", "003")]);
    assert_eq!(client.ask(&[length, frame(DATA, b"abc")].concat()), Outcome::Answered(200));
    assert_eq!(backend.requests().pop().unwrap().header_lines("content-length"), ["3"]);
}

#[test]
fn a_body_of_another_length_than_announced_is_refused() {
    let backend = ScriptedBackend::named("a");
    let lb = QuicLb::over(&[&backend], "");
    let client = RawClient::to(lb.address());
    for (length, pieces) in
        [("5", &["abc"][..]), ("5", &[]), ("2", &["abc"]), ("2", &["ab", "c"]), ("0", &["a"])]
    {
        let mut bytes = headers(&[M, S, A, P, ("content-length", length)]);
        pieces.iter().for_each(|piece| bytes.extend(frame(DATA, piece.as_bytes())));
        // An end that does not come in one packet with the rest is noticed later.
        let outcome = client.ask(&bytes);
        assert!(matches!(outcome, MESSAGE_ERROR | REFUSED), "{length}: {pieces:?}: {outcome:?}");
    }
    assert_eq!(backend.requests().len(), 0);
    for line in lb.log_lines(5) {
        assert_eq!(line["status"], 400, "{line}");
        assert!(line["error"].as_str().unwrap().contains("not as long"), "{line}");
    }
    let body = [headers(&[M, S, A, P, ("content-length", "3")]), frame(DATA, b"abc")].concat();
    assert_eq!(client.ask(&body), Outcome::Answered(200));
}

#[test]
fn a_client_that_breaks_the_rules_loses_its_connection() {
    let backend = ScriptedBackend::named("a");
    let lb = QuicLb::over(&[&backend], "");
    let dynamic = frame(1, &[0, 0, 0x80]);
    for (bytes, code) in [
        (frame(DATA, b"early"), 0x105),
        (frame(4, b""), 0x105),
        (frame(0x02, b""), 0x105),
        ([get("/"), frame(5, b"")].concat(), 0x105),
        ([get("/"), list(&[]), vec![]].concat()[..3].to_vec(), 0x106),
        (dynamic, 0x200),
    ] {
        let client = RawClient::to(lb.address());
        assert_eq!(client.ask(&bytes), Outcome::Closed(code), "{bytes:?}");
    }
    let mut client = RawClient::without_settings(lb.address());
    client.say(&[integer(0), frame(7, &[0])].concat());
    assert_eq!(client.closed(), Outcome::Closed(0x10a), "no settings");
    let mut client = RawClient::to(lb.address());
    client.say(&frame(4, b""));
    assert_eq!(client.closed(), Outcome::Closed(0x105), "settings twice");
    for (stream, code) in [(0, 0x103), (1, 0x103)] {
        let client = RawClient::to(lb.address());
        let _stream = client.uni(&integer(stream));
        assert_eq!(client.closed(), Outcome::Closed(code), "a stream of kind {stream}");
    }
    for (stream, code) in [(&[2, 0xc0][..], 0x201), (&[3, 0x80], 0x202)] {
        let client = RawClient::to(lb.address());
        let _stream = client.uni(stream);
        assert_eq!(client.closed(), Outcome::Closed(code), "{stream:?}");
    }
    let mut client = RawClient::to(lb.address());
    let _ = client.control.finish();
    assert_eq!(client.closed(), Outcome::Closed(0x104), "the control stream ended");
}
