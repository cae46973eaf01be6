//! Clients of gRPC over backends of HTTP/1: what is no answer of gRPC becomes one.

use crate::support::{
    backend::ScriptedBackend,
    http2_client::{Connection, Response},
    http3_client,
    lb::{Lb, QuicLb},
    reply::Reply,
};

/// The answer to a call, which has one message.
fn call(lb: &Lb, path: &str, content_type: &str) -> Response {
    let fields = [("content-type", content_type), ("te", "trailers")];
    let mut connection = Connection::open(lb.address()).unwrap();
    connection.request("POST", path, &fields, b"\0\0\0\0\0").unwrap()
}

/// Its status and its message, which come in the header alone.
#[track_caller]
fn told(answer: &Response) -> (&str, &str) {
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/grpc")));
    assert!(answer.is_complete && answer.body.is_empty(), "{answer:?}");
    (answer.header("grpc-status").unwrap(), answer.header("grpc-message").unwrap())
}

#[test]
fn an_answer_of_another_protocol_says_what_it_was() {
    let a = ScriptedBackend::named("a");
    a.reply_to("/html", Reply::ok("<html>".repeat(9000)).header("Content-Type", "text/html"));
    let missing =
        "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nno %s";
    a.reply_to("/missing", Reply::raw(missing));
    let lb = Lb::over(&[&a], "");
    let html = call(&lb, "/html", "application/grpc");
    let why = "the backend does not speak gRPC: it answered 200 with text/html";
    assert_eq!(told(&html), ("2", why));
    let missing = call(&lb, "/missing", "application/grpc+proto");
    let (code, why) = told(&missing);
    assert_eq!(code, "12");
    assert!(why == "no %25s" || why.ends_with("404 with text/plain"), "{why}");
    // The log has what the backend has answered.
    assert_eq!(lb.line_of("/missing")["status"], 404);
}

#[test]
fn an_error_of_the_balancer_is_told_in_its_words() {
    let lb = Lb::over_entries("{ address: 127.0.0.1:1 }", "");
    let answer = call(&lb, "/", "application/grpc");
    let (code, why) = told(&answer);
    assert_eq!(code, "14");
    assert!(why.starts_with("502 Bad Gateway: "), "{why}");
    assert!(why.contains(answer.header("x-request-id").unwrap()), "{why}");
    assert_eq!(lb.line_of("/")["status"], 502);
}

#[test]
fn clients_over_http3_are_told_the_same() {
    let a = ScriptedBackend::named("a");
    a.reply_to("/html", Reply::status(503).header("Content-Type", "text/html"));
    let lb = QuicLb::over(&[&a], "");
    let fields = [("content-type", "application/grpc"), ("te", "trailers")];
    let call = |path| {
        let mut connection = http3_client::Connection::open(lb.address()).unwrap();
        connection.request("POST", path, &fields, b"\0\0\0\0\0").unwrap()
    };
    let html = call("/html");
    let why = "the backend does not speak gRPC: it answered 503 with text/html";
    assert_eq!(told(&html), ("14", why));
    let plain = http3_client::get(lb.address(), "/html");
    assert_eq!((plain.status, plain.header("grpc-status")), (503, None));
}

#[test]
fn a_page_for_people_is_not_told_to_programs() {
    let page = "unavailable_page: <h1>Back at noon</h1>";
    let lb = Lb::over_entries("{ address: 127.0.0.1:1, drain: true }", page);
    let answer = call(&lb, "/", "application/grpc");
    let (code, why) = told(&answer);
    assert_eq!(code, "14");
    assert!(why.starts_with("503 Service Unavailable: no backend"), "{why}");
}

#[test]
fn answers_of_grpc_and_clients_of_other_protocols_are_left_alone() {
    let a = ScriptedBackend::named("a");
    let of_grpc = "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n\
                   5\r\n\0\0\0\0\0\r\n0\r\ngrpc-status: 0\r\n\r\n";
    a.reply_to("/grpc", Reply::raw(of_grpc));
    let lb = Lb::over(&[&a], "");
    let answer = call(&lb, "/grpc", "application/grpc");
    assert_eq!((answer.status, &answer.body[..]), (200, &[0; 5][..]));
    assert_eq!(answer.header("grpc-message"), None);
    for content_type in ["application/grpc-web", "application/json"] {
        let answer = call(&lb, "/", content_type);
        assert_eq!((answer.status, answer.header("grpc-status")), (200, None));
        assert!(!answer.body.is_empty());
    }
}
