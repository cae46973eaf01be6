//! Headers that tell backends about the client, and headers of answers.

use crate::support::{
    backend::ScriptedBackend,
    client::{Connection, raw},
    lb::{Lb, addresses},
    reply::Reply,
    request::Request,
};

/// The request that the backend receives when a client sends these headers.
fn forwarded(trusted: &str, headers: &[(&str, &str)]) -> Request {
    let a = ScriptedBackend::named("a");
    let lb = Lb::start(&format!(
        "trusted_proxies: [{trusted}]\nroutes: [ {{ pool: web }} ]\n\
         pools: {{ web: {{ health_check: off, backends: [{}] }} }}",
        addresses(&[&a])
    ));
    let mut connection = Connection::open(lb.address()).unwrap();
    assert_eq!(connection.request("GET", "/", headers, b"").unwrap().status, 200);
    a.requests().remove(0)
}

#[test]
fn an_untrusted_clients_address_is_passed_on_and_its_claims_are_replaced() {
    let received = forwarded(
        "",
        &[
            ("Host", "shop.example:8080"),
            ("X-Forwarded-For", "1.2.3.4"),
            ("x-forwarded-for", "5.6.7.8"),
            ("X-Forwarded-Host", "evil"),
            ("X-Forwarded-Proto", "https"),
            ("X-Real-IP", "1.2.3.4"),
        ],
    );
    assert_eq!(received.header_lines("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(received.header_lines("x-forwarded-host"), ["shop.example:8080"]);
    assert_eq!(received.header_lines("x-forwarded-proto"), ["http"]);
    assert_eq!(received.header_lines("x-real-ip"), ["127.0.0.1"]);
    assert_eq!(received.header_lines("host"), ["shop.example:8080"], "Host is as received");
}

#[test]
fn a_trusted_proxy_is_believed_and_appended() {
    let received = forwarded(
        "127.0.0.0/8",
        &[
            ("Host", "shop.example"),
            ("X-Forwarded-For", "1.2.3.4, 127.0.0.9"),
            ("X-Forwarded-Proto", "https"),
        ],
    );
    assert_eq!(received.header_lines("x-forwarded-for"), ["1.2.3.4, 127.0.0.9, 127.0.0.1"]);
    assert_eq!(received.header_lines("x-forwarded-proto"), ["https"]);
    assert_eq!(received.header_lines("x-forwarded-host"), ["shop.example"]);
    assert_eq!(received.header_lines("x-real-ip"), ["1.2.3.4"]);
}

#[test]
fn the_cookie_of_the_admin_listener_is_kept_from_backends() {
    let sent = [("Cookie", "a=1; lb_admin=secret; b=2"), ("Cookie", "lb_admin=secret")];
    assert_eq!(forwarded("", &sent).header_lines("cookie"), ["a=1; b=2"]);
}

#[test]
fn a_request_id_is_passed_on_or_made() {
    let received = forwarded("", &[("X-Request-Id", "abc-123")]);
    assert_eq!(received.header_lines("x-request-id"), ["abc-123"]);
    let received = forwarded("", &[]);
    assert_eq!(received.header("x-request-id").map(str::len), Some(32));
}

#[test]
fn hop_by_hop_headers_are_not_forwarded() {
    let received = forwarded(
        "",
        &[
            ("Connection", "keep-alive, X-Secret-Hop, X-Real-IP"),
            ("X-Secret-Hop", "1"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Connection", "keep-alive"),
            ("TE", "gzip"),
            ("Upgrade", "h2c"),
            ("HTTP2-Settings", "AAMAAABkAAQAoAAAAAIAAAAA"),
            ("Proxy-Authorization", "Basic c2VjcmV0"),
            ("X-Kept", "1"),
        ],
    );
    let stripped = ["x-secret-hop", "keep-alive", "proxy-connection", "te", "upgrade"];
    for name in stripped.into_iter().chain(["http2-settings", "proxy-authorization"]) {
        assert_eq!(received.header(name), None, "{name}");
    }
    assert_eq!(received.header("x-kept"), Some("1"));
    assert_eq!(received.header("x-real-ip"), Some("127.0.0.1"), "ours cannot be stripped");
}

#[test]
fn headers_are_the_same_on_every_attempt() {
    let (a, b) = (ScriptedBackend::replying(Reply::close()), ScriptedBackend::named("b"));
    let lb = Lb::start(&format!(
        "trusted_proxies: [ 127.0.0.1 ]\nroutes: [ {{ pool: web }} ]\n\
         pools: {{ web: {{ health_check: off, backends: [{}] }} }}",
        addresses(&[&a, &b])
    ));
    let mut connection = Connection::open(lb.address()).unwrap();
    for _ in 0..2 {
        connection.request("GET", "/", &[("X-Forwarded-For", "1.2.3.4")], b"").unwrap();
    }
    let retried = b.requests();
    assert!(!a.requests().is_empty());
    for request in retried {
        assert_eq!(request.header_lines("x-forwarded-for"), ["1.2.3.4, 127.0.0.1"]);
    }
}

#[test]
fn expect_100_continue_works() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let mut connection = Connection::open(lb.address()).unwrap();
    connection
        .send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        .unwrap();
    let interim = connection.read_head().unwrap();
    assert!(interim.starts_with(b"HTTP/1.1 100"), "{:?}", String::from_utf8_lossy(&interim));
    connection.send(b"body").unwrap();
    assert_eq!(connection.read_response("POST").unwrap().status, 200);
    assert_eq!(a.requests()[0].body, b"body");
}

#[test]
fn an_answer_keeps_its_headers() {
    let reply =
        Reply::ok("x").header("X-One", "1").header("Set-Cookie", "a=1").header("Set-Cookie", "b=2");
    let a = ScriptedBackend::replying(reply);
    let lb = Lb::over(&[&a], "");
    let response = crate::support::client::get(lb.address(), "/");
    assert_eq!(response.header("x-one"), Some("1"));
    assert_eq!(response.header_lines("set-cookie"), ["a=1", "b=2"]);
}

#[test]
fn an_http_1_0_request_without_host_is_served() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let answer = raw(lb.address(), b"GET / HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with(b"HTTP/1.1 200 ") || answer.starts_with(b"HTTP/1.0 200 "));
    assert_eq!(a.requests()[0].header("x-forwarded-host"), None);
    let address = a.address().to_string();
    assert_eq!(a.requests()[0].header_lines("host"), [address], "HTTP/1.1 needs one");
}
