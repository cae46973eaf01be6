//! Trailers go on where the other side can take them; else they are dropped with their announcement.

use std::time::Duration;

use bytes::Bytes;
use h2::client;
use http::{HeaderMap, HeaderValue, Request};
use tokio::{net::TcpStream, runtime::Builder, time::timeout};

use super::raw_backend::RawBackend;
use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::{Connection, raw},
    lb::Lb,
    reply::Reply,
};

const ANSWER: &str = "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n\
    2\r\nok\r\n0\r\nX-Sum: a b\r\nHost: evil\r\nSet-Cookie: c\r\nConnection: close\r\n\
    Content-Length: 9\r\nX-Forwarded-For: 1.2.3.4\r\nWWW-Authenticate: x\r\nGrpc-Status: 0\r\n\r\n";
const NO_BODY: &str = "\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const TRAILERS: &str = "0\r\nX-Sum: a b\r\nGrpc-Status: 0\r\n\r\n";

fn over(backend: &RawBackend) -> Lb {
    Lb::over_addresses(&[backend.address()], "")
}

#[track_caller]
fn answered(request: &str, answer: &str) -> String {
    let a = RawBackend::answering(NO_BODY, answer);
    let lb = over(&a);
    String::from_utf8(raw(lb.address(), request.as_bytes())).unwrap()
}

#[test]
fn trailers_of_an_answer_go_to_a_client_that_asks_for_them() {
    for te in ["TE: trailers", "te: gzip, Trailers", "TE: gzip\r\nTE: trailers"] {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{te}\r\nConnection: TE, close\r\n\r\n");
        let seen = answered(&request, ANSWER);
        assert!(seen.contains("\r\nTrailer: X-Sum\r\n"), "{te}: {seen}");
        let body = "\r\n\r\n2\r\nok\r\n0\r\nx-sum: a b\r\ngrpc-status: 0\r\n\r\n";
        assert!(seen.ends_with(body), "{te}: {seen}");
    }
}

#[test]
fn other_clients_get_neither_trailers_nor_their_announcement() {
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nTE: gzip\r\nConnection: TE, close\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE, close\r\n\r\n",
    ] {
        let seen = answered(request, ANSWER).to_lowercase();
        assert!(!seen.contains("trailer:") && !seen.contains("x-sum"), "{request}: {seen}");
    }
}

#[test]
fn an_announcement_without_chunks_is_dropped() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE, close\r\n\r\n";
    let seen = answered(request, "HTTP/1.1 200 OK\r\nTrailer: X\r\nContent-Length: 2\r\n\r\nok");
    assert!(seen.ends_with("\r\n\r\nok") && !seen.contains("Trailer"), "{seen}");
}

#[test]
fn a_malformed_trailer_of_an_answer_breaks_it_off() {
    for line in ["no colon", " X: y", "X : y", "X: \u{1}", ": y"] {
        let answer = ANSWER.replace("X-Sum: a b", line);
        let request = "GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n";
        let seen = answered(request, &answer);
        assert!(!seen.ends_with("\r\n\r\n") && !seen.contains("grpc"), "{line}: {seen}");
    }
}

#[test]
fn a_backend_hears_that_its_trailers_are_wanted() {
    let asked = |request: &str| {
        let a = RawBackend::answering(NO_BODY, OK);
        let lb = over(&a);
        raw(lb.address(), request.as_bytes());
        a.request()
    };
    let wanted =
        asked("GET / HTTP/1.1\r\nHost: a\r\nTE: trailers, gzip\r\nConnection: TE, close\r\n\r\n");
    assert!(wanted.contains("\r\nTE: trailers\r\n") && wanted.contains("\r\nConnection: TE\r\n"));
    assert!(!wanted.contains("gzip"), "{wanted}");
    let unwanted = asked("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(!unwanted.contains("TE:") && !unwanted.contains("Connection:"), "{unwanted}");
}

#[test]
fn trailers_of_a_request_go_to_the_backend() {
    let a = RawBackend::answering(TRAILERS, OK);
    let lb = over(&a);
    let mut connection = Connection::open(lb.address()).unwrap();
    let request = "POST / HTTP/1.1\r\nHost: a\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n\
        2;x=y\r\nok\r\n0\r\nX-Sum: a b\r\nHost: evil\r\nTransfer-Encoding: x\r\nAuthorization: b\r\n\
        If-Match: c\r\nX-Forwarded-For: 1.2.3.4\r\nGrpc-Status: 0\r\n\r\n";
    // Whatever the cuts between reads, and again on the same connections.
    for piece in [1, 7, request.len()] {
        for bytes in request.as_bytes().chunks(piece) {
            connection.send(bytes).unwrap();
        }
        assert_eq!(connection.read_response("POST").unwrap().text(), "ok");
        let seen = a.request();
        let (head, body) = seen.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("\r\nTrailer: X-Sum\r\n"), "{head}");
        assert!(head.ends_with("\r\nTransfer-Encoding: chunked"), "{head}");
        assert!(body.ends_with(&format!("\r\n{TRAILERS}")), "{body}");
    }
}

#[test]
fn a_request_that_is_sent_again_has_its_trailers_again() {
    let (a, b) = (ScriptedBackend::replying(Reply::reset()), RawBackend::answering(TRAILERS, OK));
    let lb = Lb::over_addresses(&[a.address(), b.address()], "");
    let request = format!(
        "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n{TRAILERS}"
    );
    for _ in 0..2 {
        let mut connection = Connection::open(lb.address()).unwrap();
        connection.send(request.as_bytes()).unwrap();
        assert_eq!(connection.read_response("PUT").unwrap().text(), "ok");
        assert!(b.request().ends_with(&format!("2\r\nok\r\n{TRAILERS}")));
    }
    assert!(!a.requests().is_empty(), "one of them was sent again");
}

#[test]
fn trailers_pass_between_http_2_and_a_backend() {
    let a = RawBackend::answering("0\r\nx-sum: a b\r\ngrpc-status: 0\r\n\r\n", ANSWER);
    let lb = over(&a);
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let exchange = async {
        let stream = TcpStream::connect(lb.address()).await.unwrap();
        let (mut requests, connection) = client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let request =
            Request::post("http://a/").header("te", "trailers").header("trailer", "x-sum");
        let (answer, mut body) = requests.send_request(request.body(()).unwrap(), false).unwrap();
        body.send_data(Bytes::from_static(b"ok"), false).unwrap();
        // Behind the data, in a read of its own.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let mut trailers = HeaderMap::new();
        for (name, value) in [("x-sum", "a b"), ("host", "evil"), ("grpc-status", "0")] {
            trailers.append(name, HeaderValue::from_static(value));
        }
        body.send_trailers(trailers).unwrap();
        let (head, mut body) = answer.await.unwrap().into_parts();
        assert_eq!(head.headers["trailer"], "X-Sum");
        let piece = body.data().await.unwrap().unwrap();
        assert_eq!(&*piece, b"ok");
        while body.data().await.is_some() {}
        body.trailers().await.unwrap().expect("trailers")
    };
    let trailers = runtime.block_on(async { timeout(PATIENCE, exchange).await.unwrap() });
    let names: Vec<_> = trailers.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["x-sum", "grpc-status"]);
    let seen = a.request().to_lowercase();
    assert!(
        seen.contains("\r\ntrailer: x-sum\r\n") && seen.contains("\r\nte: trailers\r\n"),
        "{seen}"
    );
    assert!(seen.ends_with("2\r\nok\r\n0\r\nx-sum: a b\r\ngrpc-status: 0\r\n\r\n"), "{seen}");
}
