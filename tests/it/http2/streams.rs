//! Many requests on one connection, each of which may end by itself;
//! split cookies; a host that is not a field.

use std::{
    io::{Read, Write},
    time::Duration,
};

use bytes::Bytes;
use h2::{
    Reason,
    client::{self, SendRequest},
};
use http::{Request, StatusCode};
use tokio::{net::TcpStream, runtime::Runtime, task::JoinHandle, time::timeout};

use lb::count::Protocol;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::raw,
    eventually::eventually,
    frames::{self, FrameClient},
    lb::{Lb, addresses},
    reply::{Gate, Reply, Step},
};

/// A connection, and the task that notices its end.
struct Http2 {
    runtime: Runtime,
    requests: SendRequest<Bytes>,
    end: JoinHandle<Result<(), h2::Error>>,
}

impl Http2 {
    fn to(lb: &Lb) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.worker_threads(1).enable_all().build().unwrap();
        let (requests, end) = runtime.block_on(async {
            let stream = TcpStream::connect(lb.address()).await.unwrap();
            let (requests, connection) = client::handshake(stream).await.unwrap();
            (requests, tokio::spawn(connection))
        });
        Self { runtime, requests, end }
    }

    /// Begins a request without a body.
    fn ask(&mut self, request: http::request::Builder) -> client::ResponseFuture {
        self.requests.send_request(request.body(()).unwrap(), true).unwrap().0
    }

    fn answer(&self, response: client::ResponseFuture) -> Result<http::Response<()>, h2::Error> {
        let answer = self.runtime.block_on(async { timeout(PATIENCE, response).await });
        answer.expect("an answer").map(|answer| answer.map(|_| ()))
    }

    fn status(&mut self, request: http::request::Builder) -> StatusCode {
        let response = self.ask(request);
        self.answer(response).unwrap().status()
    }
}

fn get(path: &str) -> http::request::Builder {
    Request::get(format!("http://a{path}"))
}

#[test]
fn a_request_that_is_cancelled_ends_and_those_beside_it_go_on() {
    let (a, gate) = (ScriptedBackend::named("a"), Gate::closed());
    a.reply_to("/hang", Reply::hang());
    a.reply_to("/stays", Reply::behind(&gate, "stays"));
    let lb = Lb::over(&[&a], "");
    let mut client = Http2::to(&lb);
    let stays = client.ask(get("/stays"));
    let given_up = client.ask(get("/hang"));
    eventually(PATIENCE, "both are there", || lb.active(&a) == 2);
    drop(given_up);
    eventually(PATIENCE, "one is given back", || lb.active(&a) == 1);
    assert_eq!(lb.line_of("/hang")["status"], 499);
    assert_eq!(lb.line_of("/hang")["protocol"], "HTTP/2.0");
    gate.open();
    assert_eq!(client.answer(stays).unwrap().status(), 200);
    assert_eq!(lb.listener().connections(), 1);
}

#[test]
fn a_request_that_is_cancelled_in_the_queue_frees_its_place() {
    let (a, gate) = (ScriptedBackend::named("a"), Gate::closed());
    a.reply_to("/first", Reply::behind(&gate, "first"));
    let entry = crate::support::lb::entry(&a, "max_connections: 1");
    let lb = Lb::over_entries(&entry, "    queue: { timeout: 60s }");
    let mut client = Http2::to(&lb);
    let first = client.ask(get("/first"));
    a.wait_for_heads(1);
    let second = client.ask(get("/second"));
    eventually(PATIENCE, "it waits", || lb.queued() == 1);
    drop(second);
    eventually(PATIENCE, "it does not wait", || lb.queued() == 0);
    gate.open();
    assert_eq!(client.answer(first).unwrap().status(), 200);
    assert_eq!(a.requests().len(), 1);
}

#[test]
fn a_backend_sees_an_ordinary_request() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let mut client = Http2::to(&lb);
    let request = Request::get("http://shop.example/p?q")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("te", "trailers");
    assert_eq!(client.status(request), 200);
    let seen = a.requests().remove(0);
    assert_eq!(seen.path, "/p?q");
    assert_eq!(seen.header_lines("host"), ["shop.example"]);
    assert_eq!(seen.header_lines("cookie"), ["a=1; b=2"]);
    assert_eq!(seen.header_lines("content-length").len(), 0);
    assert_eq!(seen.header_lines("transfer-encoding").len(), 0);
}

#[test]
fn an_end_without_data_does_not_spoil_the_connection_to_the_backend() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let mut client = Http2::to(&lb);
    for number in 0..20 {
        let request = Request::post(format!("http://a/{number}")).body(()).unwrap();
        let (response, mut body) = client.requests.send_request(request, false).unwrap();
        if number % 2 == 0 {
            body.send_data(Bytes::from_static(b"x"), false).unwrap();
        }
        body.send_data(Bytes::new(), true).unwrap();
        assert_eq!(client.answer(response).unwrap().status(), 200);
    }
    let bodies: Vec<_> = a.requests().into_iter().map(|request| request.body).collect();
    let expected = (0..20).map(|number| if number % 2 == 0 { b"x".to_vec() } else { vec![] });
    assert_eq!(bodies, expected.collect::<Vec<_>>());
}

/// The `h2` crate closes a connection for a hundred frames without data, and for some thousand small ones at once.
#[test]
fn a_body_may_come_in_many_small_frames() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let mut client = FrameClient::open(lb.address());
    let begins = |stream| {
        frames::frame(frames::HEADERS, frames::END_HEADERS, stream, &post(&format!("/{stream}")))
    };
    let is_answered = |client: &mut FrameClient, stream| {
        let answer = client.until(|frame| frame.ends_answer() && frame.stream == stream);
        assert!(answer.is_some(), "stream {stream}: {:?}", lb.listener().cuts());
    };
    for stream in (1..300).step_by(2) {
        let empty = frames::frame(frames::DATA, 0, stream, b"");
        let ping = frames::frame(frames::PING, 0, 0, &[0; 8]);
        client.send(&[begins(stream), empty, ping].concat()).unwrap();
        // It has been read, and is not joined with what follows.
        assert!(client.until(|frame| frame.kind == frames::PING).is_some());
        client.send(&frames::frame(frames::DATA, frames::END_STREAM, stream, b"x")).unwrap();
        is_answered(&mut client, stream);
    }
    let data = frames::frame(frames::DATA, 0, 301, b"x").repeat(20_000);
    let end = frames::frame(frames::DATA, frames::END_STREAM, 301, b"");
    client.send(&[begins(301), data, end].concat()).unwrap();
    is_answered(&mut client, 301);
    assert_eq!(a.requests_to("/1")[0].body, b"x");
    assert_eq!(a.requests_to("/301")[0].body, vec![b'x'; 20_000]);
}

fn post(path: &str) -> Vec<u8> {
    frames::request("POST", path, &[])
}

#[test]
fn doubtful_requests_are_refused_and_logged_and_the_connection_goes_on() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let mut client = Http2::to(&lb);
    assert_eq!(client.status(get("/differ").header("host", "b")), 400);
    assert_eq!(lb.line_of("/differ")["error"], "Host and :authority differ");
    let mut many = get("/many");
    for number in 0..101 {
        many = many.header(format!("x-{number}"), "y");
    }
    assert_eq!(client.status(many), 431);
    assert_eq!(client.status(Request::connect("a:80")), 405);
    assert_eq!(client.status(get("/")), 200);
    assert_eq!(a.requests().len(), 1);
}

#[test]
fn an_early_hint_reaches_the_client() {
    let hint = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\n\
                Content-Length: 0\r\n\r\n";
    let a = ScriptedBackend::replying(Reply::raw(hint));
    let lb = Lb::over(&[&a], "");
    let mut client = Http2::to(&lb);
    let mut response = client.ask(get("/"));
    let hint = client.runtime.block_on(async {
        let next = std::future::poll_fn(|cx| response.poll_informational(cx));
        timeout(PATIENCE, next).await
    });
    let hint = hint.unwrap().unwrap().unwrap();
    assert_eq!(
        (hint.status().as_u16(), &hint.headers()["link"]),
        (103, &"</a.css>".parse().unwrap())
    );
    assert_eq!(client.answer(response).unwrap().status(), 200);
}

#[test]
fn what_came_before_a_backend_broke_is_the_clients() {
    const CAME: usize = 30_000;
    let a = ScriptedBackend::named("a");
    let whole = Reply::ok("x".repeat(2 * CAME));
    a.reply_to("/length", whole.closed_after(CAME));
    // All of it comes at once.
    let chunk = format!("{CAME:x}\r\n{}\r\nno chunk\r\n", "x".repeat(CAME));
    let chunks = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}");
    a.reply_to("/chunks", Reply::raw(chunks));
    let last = Step::Send("x".repeat(CAME).into());
    a.reply_to("/tunnel", Reply::steps_of([Step::Switch(vec![]), last, Step::Reset]));
    let lb = Lb::over(&[&a], "    ejection: off");
    let upgrade = frames::fields(&[
        (b":method", b"CONNECT"),
        (b":protocol", b"websocket"),
        (b":scheme", b"http"),
        (b":path", b"/tunnel"),
        (b":authority", b"a"),
    ]);
    for (path, request) in [
        ("/length", frames::get(1, "/length")),
        ("/chunks", frames::get(1, "/chunks")),
        ("/tunnel", frames::frame(frames::HEADERS, frames::END_HEADERS, 1, &upgrade)),
    ] {
        let mut client = FrameClient::open(lb.address());
        client.send(&request).unwrap();
        let mut came = 0;
        let end = loop {
            let frame = client.next().expect("the connection goes on");
            match frame.kind {
                frames::DATA => came += frame.payload.len(),
                frames::RESET => break frame,
                _ => {}
            }
        };
        assert_eq!((came, end.stream, end.error()), (CAME, 1, 8), "{path}");
        assert_eq!(lb.line_of(path)["bytes"], CAME, "{path}");
    }
}

#[test]
fn fields_of_the_connection_to_the_backend_go_no_further() {
    let reply = Reply::ok("x").header("Connection", "keep-alive").header("Keep-Alive", "5");
    let a = ScriptedBackend::replying(reply);
    let lb = Lb::over(&[&a], "");
    let mut client = Http2::to(&lb);
    let response = client.ask(get("/"));
    let answer = client.answer(response).unwrap();
    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key("connection"), "{answer:?}");
    assert!(answer.headers().contains_key("date"), "{answer:?}");
}

#[test]
fn a_connection_without_requests_is_closed_after_the_keepalive_time() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::start(&format!(
        "listeners: [ {{ address: 127.0.0.1:0, client: {{ keepalive: 300ms }} }} ]\n\
         routes: [ {{ pool: web }} ]\n\
         pools: {{ web: {{ health_check: off, backends: [{}] }} }}",
        addresses(&[&a])
    ));
    a.reply(Reply::ok("late").delayed(Duration::from_millis(600)));
    let mut client = Http2::to(&lb);
    assert_eq!(client.status(get("/")), 200, "a request may take longer");
    let end = client.runtime.block_on(async { timeout(PATIENCE, client.end).await });
    assert!(end.unwrap().unwrap().is_ok(), "in order");
}

#[test]
fn in_a_drain_requests_end_well_and_their_connection_after_them() {
    let (a, gate) = (ScriptedBackend::named("a"), Gate::closed());
    a.reply_to("/held", Reply::behind(&gate, "held"));
    let lb = Lb::over(&[&a], "");
    let mut client = Http2::to(&lb);
    let held = client.ask(get("/held"));
    a.wait_for_heads(1);
    lb.drain();
    assert_eq!(client.status(get("/")), 200);
    gate.open();
    assert_eq!(client.answer(held).unwrap().status(), 200);
    let end = client.runtime.block_on(async { timeout(PATIENCE, client.end).await });
    assert!(end.unwrap().unwrap().is_ok(), "in order");
}

#[test]
fn an_idle_connection_ends_in_a_drain() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let mut client = Http2::to(&lb);
    assert_eq!(client.status(get("/")), 200);
    lb.end_idle();
    let end = client.runtime.block_on(async { timeout(PATIENCE, client.end).await });
    assert!(end.unwrap().unwrap().is_ok(), "in order");
}

#[test]
fn a_request_shorter_than_the_preface_does_not_wait() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let answer = raw(lb.address(), b"P / HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{:?}", String::from_utf8_lossy(&answer));
}

#[test]
fn a_preface_may_come_in_any_pieces() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    // With an empty SETTINGS frame.
    let first = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for cut in 1..first.len() {
        let mut stream = std::net::TcpStream::connect(lb.address()).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&first[..cut]).unwrap();
        std::thread::yield_now();
        stream.write_all(&first[cut..]).unwrap();
        let mut head = [0; 9];
        stream.read_exact(&mut head).unwrap();
        assert_eq!((head[3], &head[5..]), (4, &[0; 4][..]), "SETTINGS, cut at {cut}");
    }
}

#[test]
fn a_listener_speaks_only_its_protocols() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::in_http1_over(&a);
    let answer = raw(lb.address(), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert!(answer.starts_with(b"HTTP/1.1 "), "{:?}", String::from_utf8_lossy(&answer));
    assert_eq!(a.requests().len(), 0);
}

#[test]
fn a_body_of_another_length_than_announced_is_not_forwarded_as_whole() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let mut client = Http2::to(&lb);
    let request = Request::post("http://a/").header("content-length", "10").body(()).unwrap();
    let (response, mut body) = client.requests.send_request(request, false).unwrap();
    body.send_data(Bytes::from_static(b"short"), true).unwrap();
    assert_eq!(client.answer(response).unwrap_err().reason(), Some(Reason::PROTOCOL_ERROR));
    assert!(a.requests().iter().all(|request| !request.is_complete));
}

#[test]
fn in_a_drain_the_last_request_is_named_after_a_round_trip() {
    let (a, gate) = (ScriptedBackend::named("a"), Gate::closed());
    a.reply_to("/held", Reply::behind(&gate, "held"));
    let lb = Lb::over(&[&a], "");
    let mut client = FrameClient::open(lb.address());
    client.send(&frames::get(1, "/held")).unwrap();
    a.wait_for_heads(1);
    lb.end_idle();
    let first = client.until(|frame| frame.kind == frames::GO_AWAY).unwrap();
    assert_eq!((&first.payload[..4], first.error()), (&[0x7f, 255, 255, 255][..], 0));
    let ping = client.until(|frame| frame.kind == frames::PING && frame.flags == 0).unwrap();
    // Sent before it had read that.
    client.send(&frames::get(3, "/")).unwrap();
    assert!(client.until(|frame| frame.ends_answer() && frame.stream == 3).is_some());
    client.send(&frames::frame(frames::PING, frames::ACK, 0, &ping.payload)).unwrap();
    let second = client.until(|frame| frame.kind == frames::GO_AWAY).unwrap();
    assert_eq!((&second.payload[..4], second.error()), (&[0, 0, 0, 3][..], 0));
    // Sent in spite of it: it is not executed, and the client can send it elsewhere.
    client.send(&frames::get(5, "/too-late")).unwrap();
    let refused = client.until(|frame| frame.kind == frames::RESET).unwrap();
    assert_eq!((refused.stream, refused.error()), (5, 7));
    gate.open();
    assert!(client.until(|frame| frame.ends_answer() && frame.stream == 1).is_some());
    assert_eq!(client.end(), None, "nothing more is said");
    assert!(a.requests().iter().all(|request| request.path != "/too-late"));
}

/// With the acknowledgement, before it has read the second GOAWAY, a client sends requests of which some
/// go on at once: fields, data, windows. They neither harm the connection nor the requests before them.
#[test]
fn in_a_drain_requests_that_come_too_late_are_refused_and_those_before_them_go_on() {
    for size in [1, 7, 1 << 20] {
        let a = ScriptedBackend::named("a");
        let lb = Lb::over(&[&a], "");
        let mut client = FrameClient::open(lb.address());
        let fields = frames::request("POST", "/first", &[]);
        client.send(&frames::frame(frames::HEADERS, frames::END_HEADERS, 1, &fields)).unwrap();
        a.wait_for_heads(1);
        lb.end_idle();
        let ping = client.until(|frame| frame.kind == frames::PING && frame.flags == 0).unwrap();
        // Its first field goes into the table of the compression, and is named by its number later.
        let stored = b"\x40\x07x-check\x03yes";
        let late = [&frames::request("POST", "/late", &[])[..], stored].concat();
        let all = [
            frames::frame(frames::PING, frames::ACK, 0, &ping.payload),
            frames::frame(frames::HEADERS, 0, 3, &late[..9]),
            frames::frame(frames::CONTINUATION, frames::END_HEADERS, 3, &late[9..]),
            frames::window(3, 1000),
            frames::frame(frames::DATA, 0, 3, &[7; 3000]),
            frames::frame(frames::HEADERS, frames::WHOLE, 3, &[0xbe]),
            frames::get(5, "/late"),
            frames::reset(5, 8),
            // Malformed, and too large.
            frames::frame(frames::HEADERS, frames::WHOLE, 7, &[0x82, 0x82]),
            frames::frame(frames::DATA, 0, 1, b"body"),
            frames::frame(frames::HEADERS, frames::WHOLE, 1, &[0xbe]),
        ];
        for piece in all.concat().chunks(size) {
            client.send(piece).unwrap();
        }
        let mut refused = Vec::new();
        while let Some(frame) = client.next() {
            match frame.kind {
                frames::RESET => refused.push((frame.stream, frame.error())),
                frames::GO_AWAY => assert_eq!((frame.payload[3], frame.error()), (1, 0)),
                _ => assert!(frame.stream < 3, "{frame:?}"),
            }
            if frame.kind == frames::HEADERS {
                assert_eq!(frames::status(&frame.payload), 200, "in pieces of {size}");
            }
        }
        assert_eq!(refused, [(3, 7), (5, 7), (7, 7)], "in pieces of {size}");
        assert_eq!(lb.listener().refused_streams.get(), 3);
        let seen = a.requests();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].body, b"body");
    }
}

#[test]
fn requests_are_counted_by_their_protocol() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let mut client = Http2::to(&lb);
    assert_eq!(client.status(get("/")), 200);
    raw(lb.address(), b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    raw(lb.address(), b"GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    let counts = lb.listener();
    for protocol in Protocol::ALL.into_iter().filter(|it| *it != Protocol::Http3) {
        eventually(PATIENCE, protocol.word(), || {
            counts.responses_in(protocol) == [0, 0, 1, 0, 0, 0]
        });
    }
}
