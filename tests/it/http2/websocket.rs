//! WebSocket over HTTP/2 (RFC 8441): a stream that becomes a tunnel to a backend of HTTP/1.

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    eventually::eventually,
    frames::{
        DATA, END_HEADERS, END_STREAM, FrameClient, HEADERS, PING, RESET, fields, frame, get,
        reset, status, window,
    },
    lb::Lb,
    reply::{Gate, Reply, Step},
    websocket,
};

/// A request for a tunnel on this stream.
fn connect(stream: u32, protocol: &str) -> Vec<u8> {
    connect_with(stream, protocol, &[])
}

/// A request for a tunnel on this stream with these fields more.
fn connect_with(stream: u32, protocol: &str, more: &[(&[u8], &[u8])]) -> Vec<u8> {
    let ordinary: [(&[u8], &[u8]); 7] = [
        (b":method", b"CONNECT"),
        (b":protocol", protocol.as_bytes()),
        (b":scheme", b"http"),
        (b":path", b"/ws"),
        (b":authority", b"a"),
        (b"sec-websocket-version", b"13"),
        (b"origin", b"http://a"),
    ];
    frame(HEADERS, END_HEADERS, stream, &fields(&[&ordinary, more].concat()))
}

#[track_caller]
fn answered(client: &mut FrameClient, stream: u32) -> u16 {
    let is_header =
        |frame: &crate::support::frames::Frame| frame.kind == HEADERS && frame.stream == stream;
    status(&client.until(is_header).expect("an answer").payload)
}

#[track_caller]
fn read(client: &mut FrameClient, stream: u32, length: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < length {
        let is_data =
            |frame: &crate::support::frames::Frame| frame.kind == DATA && frame.stream == stream;
        all.extend(client.until(is_data).expect("data").payload);
    }
    all
}

#[test]
fn bytes_pass_both_ways_beside_other_requests_until_either_side_ends() {
    let a = ScriptedBackend::named("a");
    a.reply_to("/ws", Reply::upgrade());
    let lb = Lb::over(&[&a], "");
    let mut client = FrameClient::open(lb.address());
    client.send(&connect(1, "websocket")).unwrap();
    assert_eq!(answered(&mut client, 1), 200);
    for text in [&b"hello"[..], &[0, 255, 13, 10], &[7; 5000]] {
        client.send(&frame(DATA, 0, 1, text)).unwrap();
        assert_eq!(read(&mut client, 1, text.len()), text);
    }
    client.send(&get(3, "/")).unwrap();
    assert_eq!(answered(&mut client, 3), 200);
    eventually(PATIENCE, "the tunnel alone is in flight", || lb.active(&a) == 1);
    let request = a.requests().remove(0);
    assert_eq!((&*request.method, &*request.path), ("GET", "/ws"));
    assert_eq!(request.header_lines("upgrade"), ["websocket"]);
    assert_eq!(request.header_lines("connection"), ["Upgrade"]);
    assert_eq!(request.header_lines("sec-websocket-key")[0].len(), 24);
    assert_eq!(request.header_lines("content-length").len(), 0);
    client.send(&frame(DATA, END_STREAM, 1, b"")).unwrap();
    eventually(PATIENCE, "the backend is free again", || lb.active(&a) == 0);
    assert_eq!(lb.line_of("/ws")["status"], 101);
    // Another one, which the client cancels.
    client.send(&connect(5, "websocket")).unwrap();
    assert_eq!(answered(&mut client, 5), 200);
    client.send(&reset(5, 8)).unwrap();
    eventually(PATIENCE, "the backend is free again", || lb.active(&a) == 0);
}

#[test]
fn messages_of_any_kind_pass_unchanged() {
    let a = ScriptedBackend::replying(Reply::upgrade());
    let lb = Lb::over(&[&a], "");
    let mut client = FrameClient::with(lb.address(), &[(4, 1 << 24)]);
    client.send(&window(0, 1 << 24)).unwrap();
    client.send(&connect(1, "websocket")).unwrap();
    assert_eq!(answered(&mut client, 1), 200);
    for (what, bytes) in websocket::conversation() {
        for piece in bytes.chunks(16_384) {
            client.send(&frame(DATA, 0, 1, piece)).unwrap();
            assert_eq!(read(&mut client, 1, piece.len()), piece, "{what}");
        }
    }
}

#[test]
fn the_client_hears_of_it_when_the_backend_closes() {
    let steps = [Step::Switch(b"bye".to_vec()), Step::Close];
    let a = ScriptedBackend::replying(Reply::steps_of(steps));
    let lb = Lb::over(&[&a], "");
    let mut client = FrameClient::open(lb.address());
    client.send(&connect(1, "websocket")).unwrap();
    assert_eq!(answered(&mut client, 1), 200);
    assert_eq!(read(&mut client, 1, 3), b"bye");
    assert!(client.until(|frame| frame.ends_answer() && frame.stream == 1).is_some());
    // It says that it has understood. A reset would mean that the connection broke.
    client.send(&frame(DATA, 0, 1, &[7; 3000])).unwrap();
    client.send(&frame(DATA, END_STREAM, 1, b"bye")).unwrap();
    client.send(&frame(PING, 0, 0, &[0; 8])).unwrap();
    let next = client.until(|frame| matches!(frame.kind, RESET | PING)).unwrap();
    assert_eq!(next.kind, PING);
    // One that says nothing has had the time for it.
    client.send(&connect(3, "websocket")).unwrap();
    assert_eq!(read(&mut client, 3, 3), b"bye");
    let end = client.until(|frame| frame.kind == RESET).unwrap();
    assert_eq!((end.stream, end.error()), (3, 0));
}

#[test]
fn a_backend_may_decline_and_other_tunnels_are_refused() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let mut client = FrameClient::open(lb.address());
    client.send(&connect(1, "websocket")).unwrap();
    assert_eq!(answered(&mut client, 1), 502, "a 200 would be the beginning of a tunnel");
    assert!(client.until(|frame| frame.ends_answer() && frame.stream == 1).is_some());
    client.send(&connect(3, "connect-udp")).unwrap();
    assert_eq!(answered(&mut client, 3), 501);
    let plain = fields(&[(b":method", b"CONNECT"), (b":authority", b"a:80")]);
    client.send(&frame(HEADERS, END_HEADERS, 5, &plain)).unwrap();
    assert_eq!(answered(&mut client, 5), 405);
    assert_eq!(a.requests().len(), 1);
}

#[test]
fn a_backend_that_does_not_agree_gets_no_tunnel() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    // The first one is right for another key.
    for (fields, status) in [
        ("Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", 502),
        ("Upgrade: other\r\n", 502),
        ("", 502),
        ("Upgrade: WebSocket\r\n", 200),
    ] {
        let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n";
        a.reply(Reply::raw(format!("{head}{fields}\r\n")));
        let mut client = FrameClient::open(lb.address());
        client.send(&connect(1, "websocket")).unwrap();
        assert_eq!(answered(&mut client, 1), status, "{fields}");
    }
    let line = lb.line_of("/ws");
    assert!(line["error"].as_str().unwrap().contains("Sec-WebSocket-Accept"), "{line}");
}

#[test]
fn a_tunnel_that_announces_the_length_of_a_content_goes_to_no_backend() {
    let a = ScriptedBackend::replying(Reply::upgrade());
    let lb = Lb::over(&[&a], "");
    let mut client = FrameClient::open(lb.address());
    for (stream, length) in [(1, b"5"), (3, b"0")] {
        client.send(&connect_with(stream, "websocket", &[(b"content-length", length)])).unwrap();
        assert_eq!(answered(&mut client, stream), 400);
    }
    assert_eq!(lb.line_of("/ws")["error"], "CONNECT must not have a Content-Length");
    assert_eq!(a.requests().len(), 0);
}

#[test]
fn the_backend_can_answer_what_came_with_the_end_of_the_clients_direction() {
    let lb = Lb::over_addresses(&[websocket::echo_server()], "");
    let mut client = FrameClient::open(lb.address());
    client.send(&connect(1, "websocket")).unwrap();
    assert_eq!(answered(&mut client, 1), 200);
    let (_, close) = websocket::conversation().pop().unwrap();
    client.send(&frame(DATA, END_STREAM, 1, &close)).unwrap();
    assert_eq!(read(&mut client, 1, 7), b"\x88\x05\x13\x87bye");
    assert!(client.until(|frame| frame.ends_answer() && frame.stream == 1).is_some());
    assert_eq!(lb.line_of("/ws")["error"], serde_json::Value::Null);
}

#[test]
fn a_tunnel_whose_client_has_ended_does_not_wait_for_its_backend_for_ever() {
    let gate = Gate::closed();
    let steps = [Step::Switch(vec![]), Step::Pass(gate.clone())];
    let a = ScriptedBackend::replying(Reply::steps_of(steps));
    let lb = Lb::over(&[&a], "");
    let mut client = FrameClient::open(lb.address());
    client.send(&connect(1, "websocket")).unwrap();
    assert_eq!(answered(&mut client, 1), 200);
    client.send(&frame(DATA, END_STREAM, 1, b"bye")).unwrap();
    assert!(client.until(|frame| frame.ends_answer() && frame.stream == 1).is_some());
    eventually(PATIENCE, "the backend is free again", || lb.active(&a) == 0);
}
