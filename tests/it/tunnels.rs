//! A connection that becomes a tunnel (WebSocket).

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use lb::clock;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::{Connection, Response, get},
    eventually::eventually,
    full_listener::full_listener,
    lb::{Lb, addresses},
    reply::{Reply, Step},
    websocket,
};

const UPGRADE: &[(&str, &str)] = &[
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", "13"),
];

fn upgrade(lb: &Lb) -> (Connection, Response) {
    let mut connection = Connection::open(lb.address()).unwrap();
    let response = connection.request("GET", "/ws", UPGRADE, b"").unwrap();
    (connection, response)
}

#[track_caller]
fn echoes(connection: &mut Connection, text: &[u8]) {
    connection.send(text).unwrap();
    assert_eq!(connection.read_exact(text.len()).unwrap(), text);
}

#[test]
fn bytes_pass_both_ways_until_either_side_closes() {
    let a = ScriptedBackend::replying(Reply::upgrade());
    let lb = Lb::over(&[&a], "");
    let (mut connection, response) = upgrade(&lb);
    assert_eq!(response.status, 101);
    assert_eq!(response.header("upgrade"), Some("websocket"));
    echoes(&mut connection, b"hello");
    echoes(&mut connection, &[0, 255, 13, 10, 13, 10]);
    assert_eq!(lb.active(&a), 1, "a tunnel is in flight");
    drop(connection);
    eventually(PATIENCE, "the backend is free again", || lb.active(&a) == 0);
    eventually(PATIENCE, "the connection to it is closed", || a.open_connections() == 0);
    assert_eq!(lb.log_lines(1)[0]["status"], 101);
}

#[test]
fn messages_of_any_kind_pass_unchanged() {
    let a = ScriptedBackend::replying(Reply::upgrade());
    let lb = Lb::over(&[&a], "");
    let (mut connection, response) = upgrade(&lb);
    assert_eq!(response.status, 101);
    for (what, bytes) in websocket::conversation() {
        for piece in bytes.chunks(16_384) {
            connection.send(piece).unwrap();
            assert_eq!(connection.read_exact(piece.len()).unwrap(), piece, "{what}");
        }
    }
}

#[test]
fn the_backend_can_answer_what_came_with_the_end_of_the_clients_direction() {
    let lb = Lb::over_addresses(&[websocket::echo_server()], "");
    let mut stream = TcpStream::connect(lb.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let fields: String =
        UPGRADE.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let (_, close) = websocket::conversation().pop().unwrap();
    stream.write_all(format!("GET /ws HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{head:?}");
    stream.write_all(&close).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"\x88\x05\x13\x87bye");
}

#[test]
fn the_client_hears_of_it_when_the_backend_closes() {
    let head =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let steps = [Step::Send(format!("{head}bye").into_bytes()), Step::Close];
    let a = ScriptedBackend::replying(Reply::steps_of(steps));
    let lb = Lb::over(&[&a], "");
    let (mut connection, response) = upgrade(&lb);
    assert_eq!(response.status, 101);
    assert_eq!(connection.read_to_close(), b"bye");
}

/// Without the work-around each of these fails in half of all runs: the 101 comes before Pingora
/// has told the backend's side that the request has no body.
#[test]
fn a_101_that_comes_early_does_not_tear_the_tunnel_down() {
    let a = ScriptedBackend::named("a");
    a.on_accept(Reply::upgrade());
    let lb = Lb::over(&[&a], "");
    for _ in 0..20 {
        let (mut connection, response) = upgrade(&lb);
        assert_eq!(response.status, 101);
        // The backend first echoes the request itself.
        let mut echoed = Vec::new();
        while !echoed.ends_with(b"\r\n\r\n") {
            echoed.extend(connection.read_exact(1).expect("the tunnel is open"));
        }
        echoes(&mut connection, b"still here");
    }
}

#[test]
fn a_tunnel_outlives_the_limits_meant_for_answers() {
    let a = ScriptedBackend::replying(Reply::upgrade());
    let lb = Lb::start(&format!(
        "listeners: [ {{ address: 127.0.0.1:0, client: {{ header: 100ms, keepalive: 100ms }} }} ]\n\
         routes: [ {{ pool: web }} ]\n\
         pools:\n  web:\n    health_check: off\n    backends: [{}]\n    \
         timeouts: {{ response: 100ms, idle: 100ms, keepalive: 100ms }}",
        addresses(&[&a])
    ));
    let asked = clock::now();
    let (mut connection, response) = upgrade(&lb);
    let answered = clock::now();
    assert_eq!(response.status, 101);
    std::thread::sleep(Duration::from_millis(600));
    echoes(&mut connection, b"still here");
    drop(connection);
    let latency = || lb.backend(&a).counts().latency.get();
    eventually(PATIENCE, "the attempt has ended", || latency().count() == 1);
    assert!(latency().sum() <= answered - asked, "a tunnel is answered when it begins");
}

#[test]
fn a_backend_that_does_not_answer_an_upgrade_in_time_is_left_for_another() {
    let (a, b) =
        (ScriptedBackend::replying(Reply::hang()), ScriptedBackend::replying(Reply::upgrade()));
    let lb = Lb::over(&[&a, &b], "    timeouts: { response: 200ms }");
    for _ in 0..2 {
        let (mut connection, response) = upgrade(&lb);
        assert_eq!(response.status, 101);
        echoes(&mut connection, b"hello");
    }
    assert!(!a.requests().is_empty(), "the first backend was never tried");
}

#[test]
fn a_tunnel_that_breaks_is_not_retried() {
    let head =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let broken = Reply::steps_of([Step::Send(head.into()), Step::Reset]);
    let (a, b) = (ScriptedBackend::replying(broken.clone()), ScriptedBackend::replying(broken));
    let lb = Lb::over(&[&a, &b], "");
    let (mut connection, response) = upgrade(&lb);
    assert_eq!(response.status, 101);
    assert_eq!(connection.read_to_close(), b"");
    assert_eq!(a.requests().len() + b.requests().len(), 1);
    let line = &lb.log_lines(1)[0];
    assert_eq!((&line["tries"][0]["outcome"], &line["attempts"]), (&"reset".into(), &1.into()));
    let attempts = |backend| lb.backend(backend).counts().attempts();
    eventually(PATIENCE, "the attempt is counted", || {
        let (one, other) = (attempts(&a), attempts(&b));
        (one.0 + other.0, one.1 + other.1) == (1, 1)
    });
}

#[test]
fn a_backend_that_refuses_the_upgrade_is_passed_through() {
    let a = ScriptedBackend::replying(Reply::status(403).body("no"));
    let lb = Lb::over(&[&a], "");
    let (mut connection, response) = upgrade(&lb);
    assert_eq!((response.status, response.text().as_str()), (403, "no"));
    assert_eq!(connection.get("/").unwrap().status, 403, "the connection goes on as before");
}

#[test]
fn a_tunnel_does_not_take_a_pooled_connection() {
    let a = ScriptedBackend::named("a");
    a.reply_to("/ws", Reply::upgrade());
    let lb = Lb::over(&[&a], "");
    get(lb.address(), "/");
    get(lb.address(), "/");
    assert_eq!(a.connections(), 1, "what is pooled is used");
    let (mut connection, response) = upgrade(&lb);
    assert_eq!(response.status, 101);
    echoes(&mut connection, b"hello");
    assert_eq!(a.connections(), 2);
}

#[test]
fn a_connection_that_did_not_become_a_tunnel_is_not_kept() {
    let a = ScriptedBackend::replying(Reply::status(403));
    let lb = Lb::over(&[&a], "");
    let (_connection, response) = upgrade(&lb);
    assert_eq!(response.status, 403);
    eventually(PATIENCE, "it is closed", || a.open_connections() == 0);
}

#[test]
fn an_unrequested_101_is_not_an_answer() {
    let a = ScriptedBackend::replying(Reply::upgrade());
    let lb = Lb::over(&[&a], "");
    assert_eq!(get(lb.address(), "/").status, 502);
}

#[test]
fn only_a_get_without_a_body_offers_an_upgrade() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    for (method, body) in [("POST", &b""[..]), ("POST", b"body"), ("GET", b"body")] {
        let mut connection = Connection::open(lb.address()).unwrap();
        let offer = [("Connection", "Upgrade"), ("Upgrade", "websocket")];
        let response = connection.request(method, "/ws", &offer, body).unwrap();
        assert_eq!((response.status, response.text().as_str()), (200, "a"), "{method}");
        assert_eq!(a.requests().pop().unwrap().header("upgrade"), None, "{method}");
    }
}

#[test]
fn a_backend_that_does_not_accept_an_upgrade_in_time_is_left_for_another() {
    let (listener, _waiting) = full_listener();
    let b = ScriptedBackend::replying(Reply::upgrade());
    let addresses = [listener.local_addr().unwrap(), b.address()];
    let lb = Lb::over_addresses(&addresses, "    timeouts: { connect: 100ms }");
    for _ in 0..2 {
        assert_eq!(upgrade(&lb).1.status, 101);
    }
}

#[test]
fn a_tunnel_is_not_limited_by_the_time_for_a_request() {
    let slow = Reply::upgrade().delayed(Duration::from_millis(400));
    let a = ScriptedBackend::replying(slow);
    let lb = Lb::over(&[&a], "    timeouts: { connect: 300ms, request: 300ms }");
    let mut connection = Connection::open(lb.address()).unwrap();
    let headers = [("Connection", "Upgrade"), ("Upgrade", "websocket")];
    assert_eq!(connection.request("GET", "/", &headers, b"").unwrap().status, 101);
    connection.send(b"hello").unwrap();
    assert_eq!(connection.read_exact(5).unwrap(), b"hello");
}
