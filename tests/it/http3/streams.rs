//! What a client may do with its streams and its connection.

use std::{net::UdpSocket, time::Duration};

use quinn::VarInt;
use tokio::time::timeout;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    eventually::eventually,
    http3_client::{self, Connection, RUNTIME},
    http3_raw::{DATA, Outcome, RawClient, frame, get, headers, post},
    lb::{QuicLb, outcomes},
    reply::{Gate, Reply},
    udp_relay::UdpRelay,
};

#[test]
fn requests_are_answered_and_logged_as_http3() {
    let backend = ScriptedBackend::named("a");
    let lb = QuicLb::over(&[&backend], "");
    let mut connection = Connection::open(lb.address()).unwrap();
    for _ in 0..3 {
        let response = connection.get("/a").unwrap();
        assert_eq!((response.status, response.is_complete), (200, true));
    }
    let line = lb.line_of("/a");
    assert_eq!(line["protocol"], "HTTP/3.0");
    let response = http3_client::post(lb.address(), "/b", &[b'x'; 300_000]);
    assert_eq!(response.status, 200);
    assert_eq!(backend.requests().last().unwrap().body.len(), 300_000);
}

#[test]
fn a_head_request_has_no_body_and_204_no_length() {
    let backend = ScriptedBackend::replying(Reply::ok("body"));
    let lb = QuicLb::over(&[&backend], "");
    let mut connection = Connection::open(lb.address()).unwrap();
    let head = connection.request("HEAD", "/", &[], b"").unwrap();
    assert_eq!((head.status, head.body.len(), head.is_complete), (200, 0, true));
    assert_eq!(head.header("content-length"), Some("4"));
}

#[test]
fn a_client_that_stops_to_read_ends_its_request() {
    let gate = Gate::closed();
    let backend = ScriptedBackend::replying(Reply::behind(&gate, "x"));
    let lb = QuicLb::over(&[&backend], "");
    let mut connection = http3_client::ask(lb.address(), "/stop");
    eventually(PATIENCE, "it is under way", || lb.active(&backend) == 1);
    connection.stop_reading();
    eventually(PATIENCE, "it has ended", || lb.active(&backend) == 0);
    assert_eq!(outcomes(&lb.line_of("/stop")), ["abandoned"]);
    gate.open();
    let mut other = Connection::open(lb.address()).unwrap();
    assert_eq!(other.get("/").unwrap().status, 200);
}

#[test]
fn a_client_that_stops_to_read_while_it_may_send_more_ends_its_request() {
    let backend = ScriptedBackend::replying(Reply::hang());
    let limits = "{ body: { idle: 60s, min_rate_after: 60s } }";
    let lb = QuicLb::with_client_limits(&backend, limits);
    let client = RawClient::to(lb.address());
    for (path, body) in [("/none", vec![]), ("/some", frame(DATA, b"some"))] {
        let (_send, mut recv) = client.begin(&[post(path), body].concat(), false);
        eventually(PATIENCE, "it is under way", || lb.active(&backend) == 1);
        recv.stop(VarInt::from_u32(0x10c)).unwrap();
        eventually(PATIENCE, "it has ended", || lb.active(&backend) == 0);
        assert_eq!(lb.line_of(path)["status"], 499);
    }
}

#[test]
fn a_request_ends_with_its_stream_and_not_with_its_trailers() {
    let backend = ScriptedBackend::named("a");
    let lb = QuicLb::over(&[&backend], "");
    let client = RawClient::to(lb.address());
    for (path, trailers_at_once) in [("/together", true), ("/apart", false)] {
        let (body, trailers) = (frame(DATA, b"body"), headers(&[("x", "y")]));
        let (mut send, mut recv) = client.begin(&[post(path), body].concat(), false);
        if !trailers_at_once {
            eventually(PATIENCE, "it is under way", || lb.active(&backend) == 1);
        }
        RUNTIME.block_on(async {
            send.write_all(&trailers).await.unwrap();
            // What must not be here ends the connection, and would be missed otherwise.
            let reads = timeout(Duration::from_millis(100), send.stopped()).await;
            assert!(reads.is_err(), "{reads:?}");
            send.finish().unwrap();
            assert_eq!(timeout(PATIENCE, send.stopped()).await.unwrap().unwrap(), None);
        });
        assert_eq!(client.outcome(&mut recv), Outcome::Answered(200));
        assert_eq!(backend.requests_to(path)[0].body, b"body");
    }
    let late = [post("/late"), headers(&[("x", "y")]), frame(DATA, b"late")].concat();
    let (_send, mut recv) = client.begin(&late, false);
    assert_eq!(client.outcome(&mut recv), Outcome::Closed(0x105));
}

#[test]
fn a_client_may_move_to_another_address() {
    let backend = ScriptedBackend::named("a");
    let lb = QuicLb::over(&[&backend], "");
    let mut connection = Connection::open(lb.address()).unwrap();
    assert_eq!(connection.get("/before").unwrap().status, 200);
    let before = connection.local_address().unwrap();
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    let _entered = RUNTIME.enter();
    connection.endpoint.rebind(other).unwrap();
    assert_ne!(connection.local_address().unwrap(), before);
    assert_eq!(connection.get("/after").unwrap().status, 200);
    assert_eq!(lb.listener().accepted.get(), 1, "it is the same connection");
}

#[test]
fn an_ending_process_answers_what_is_under_way_and_nothing_more() {
    let gate = Gate::closed();
    let backend = ScriptedBackend::replying(Reply::behind(&gate, "x"));
    let lb = QuicLb::over(&[&backend], "");
    let client = RawClient::to(lb.address());
    let (_send, mut recv) = client.begin(&get("/under-way"), true);
    eventually(PATIENCE, "it is under way", || lb.active(&backend) == 1);
    lb.drain();
    lb.end_idle();
    gate.open();
    assert_eq!(client.outcome(&mut recv), Outcome::Answered(200));
    assert_eq!(client.closed(), Outcome::Closed(0x100));
}

/// A line on which a large answer takes many round trips, because each window of congestion is twice the last one.
const LONG: Duration = Duration::from_millis(150);

#[test]
fn what_came_before_a_backend_broke_is_the_clients() {
    const CAME: usize = 200_000;
    let a = ScriptedBackend::named("a");
    let whole = Reply::ok("x".repeat(2 * CAME));
    a.reply_to("/length", whole.clone().closed_after(CAME));
    a.reply_to("/chunks", whole.chunked().closed_after(CAME));
    let lb = QuicLb::over(&[&a], "    ejection: off");
    let line = UdpRelay::to(lb.address(), LONG);
    for path in ["/length", "/chunks"] {
        // A connection begins with a narrow window of congestion.
        let client = RawClient::to(line.address);
        let (_send, mut recv) = client.begin(&get(path), true);
        let (answer, code) = client.read(&mut recv);
        let came = answer.iter().filter(|byte| **byte == b'x').count();
        assert!((CAME..CAME + 100).contains(&came), "{path}: {came}");
        assert_eq!(code, Some(0x102), "{path}");
        assert_eq!(lb.line_of(path)["bytes"], CAME, "{path}");
    }
}

#[test]
fn an_answer_on_a_slow_line_arrives_though_lb_drains() {
    let a = ScriptedBackend::replying(Reply::ok("x".repeat(250_000)));
    let lb = QuicLb::over(&[&a], "");
    let line = UdpRelay::to(lb.address(), 2 * LONG);
    let client = RawClient::to(line.address);
    let (_send, mut recv) = client.begin(&get("/"), true);
    // All of it is on its way.
    assert_eq!(lb.line_of("/")["bytes"], 250_000);
    lb.drain();
    lb.end_idle();
    assert_eq!(client.outcome(&mut recv), Outcome::Answered(200));
    assert_eq!(client.closed(), Outcome::Closed(0x100));
}
