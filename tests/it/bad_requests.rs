//! Requests that two parsers could read differently are refused, byte for byte as an attacker would
//! send them.

use crate::support::{
    backend::ScriptedBackend,
    client::{get, raw},
    lb::Lb,
};

/// Sends these bytes; they must be refused with one of these statuses, the connection closed, and
/// nothing forwarded.
#[track_caller]
fn refused(request: &[u8], statuses: &[u16]) {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let answer = raw(lb.address(), request);
    let text = String::from_utf8_lossy(&answer);
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    assert!(status.is_some_and(|status| statuses.contains(&status)), "{text}");
    let answers = text.lines().filter(|line| line.starts_with("HTTP/1.1 ")).count();
    assert_eq!(answers, 1, "one answer only: {text}");
    assert!(a.requests().is_empty(), "forwarded: {:?}", a.requests());
}

#[track_caller]
fn is_400(request: &str) {
    is_refused(request, 400);
}

#[track_caller]
fn is_refused(request: &str, status: u16) {
    // The smuggled request follows immediately.
    let smuggled = format!("{request}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    refused(smuggled.as_bytes(), &[status]);
}

#[test]
fn content_length_together_with_transfer_encoding() {
    is_400(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    );
    is_400(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\ncontent-LENGTH: 3\r\n\r\n0\r\n\r\n",
    );
}

#[test]
fn a_transfer_encoding_other_than_one_chunked() {
    for (encoding, status) in [
        ("gzip, chunked", 501),
        ("deflate, chunked", 501),
        ("chunked, chunked", 400),
        ("identity", 400),
        ("chunked, gzip", 400),
        ("xchunked", 400),
        ("\"chunked\"", 400),
    ] {
        let request =
            format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {encoding}\r\n\r\n0\r\n\r\n");
        is_refused(&request, status);
    }
    is_400(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\n\r\n",
    );
    is_400("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

#[test]
fn a_content_length_that_is_repeated_or_no_number() {
    for length in ["1, 1", "+1", "-1", "0x1", "1 1", "", "99999999999999999999999"] {
        is_400(&format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\nx"));
    }
    is_400("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx");
    is_400("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx");
}

#[test]
fn a_host_that_is_missing_repeated_or_malformed() {
    is_400("GET / HTTP/1.1\r\n\r\n");
    is_400("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n");
    is_400("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    for host in ["", "a b", "a/b", "u@a", "a:b", "[::1", "a?b", "a#b", "a\\b"] {
        is_400(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    }
}

#[test]
fn white_space_where_none_belongs() {
    is_400("GET / HTTP/1.1\r\nHost : a\r\n\r\n");
    is_400("GET  /a  HTTP/1.1\r\nHost: a\r\n\r\n");
    is_400("GET a HTTP/1.1\r\nHost: a\r\n\r\n");
    is_400("GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 1\r\n\r\nx");
    is_400("GET / HTTP/1.1\r\n Host: a\r\n\r\n");
    is_400("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n");
}

#[test]
fn a_bare_cr_or_nul() {
    is_400("GET / HTTP/1.1\r\nHost: a\r\nX: 1\rY: 2\r\n\r\n");
    is_400("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n");
    is_400("GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n");
    is_400("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n");
    is_400("GET /\rx HTTP/1.1\r\nHost: a\r\n\r\n");
}

#[test]
fn a_header_that_is_too_large() {
    let long = "x".repeat(70 * 1024);
    refused(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n").as_bytes(), &[431]);
    let fields = |count| (0..count).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
    refused(format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", fields(100)).as_bytes(), &[431]);
    refused(format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", fields(300)).as_bytes(), &[431]);
}

#[test]
fn connect_is_refused() {
    refused(b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", &[405]);
}

#[test]
fn unusual_but_clear_requests_are_served() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    for request in [
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nhOsT: a\r\nconnection: close\r\n\r\n",
        "POST / HTTP/1.1\r\nHOST: a\r\nConnection: close\r\ntransfer-encoding: Chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n",
    ] {
        let answer = String::from_utf8(raw(lb.address(), request.as_bytes())).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{request}{answer}");
    }
    let fields: String = (0..90).map(|n| format!("X-{n}: y\r\n")).collect();
    let answer = raw(
        lb.address(),
        format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n").as_bytes(),
    );
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
}

#[test]
fn a_refusal_is_logged_with_its_status() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    raw(lb.address(), b"GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    raw(
        lb.address(),
        b"POST /y HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    let line = lb.log_lines(1).pop().unwrap();
    assert_eq!(line["status"], 400);
    assert_eq!(get(lb.address(), "/").status, 200);
}
