//! What a client may cost: time, memory, work.

use std::{thread, time::Duration};

use lb::count::Cut;
use quinn::{RecvStream, SendStream, VarInt};

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    eventually::eventually,
    http3_client::{Connection, RUNTIME},
    http3_raw::{DATA, Outcome, RawClient, frame, get, headers, integer, post},
    lb::{QuicLb, addresses, entry},
    reply::{Gate, Reply},
};

#[test]
fn fields_that_are_too_large_are_answered_with_431() {
    let backend = ScriptedBackend::named("a");
    let lb = QuicLb::over(&[&backend], "");
    let client = RawClient::to(lb.address());
    let large = "x".repeat(70_000);
    let fields = [(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/")];
    let one = [&fields[..3], &[(":path", "/one"), ("x", &large)]].concat();
    assert_eq!(client.ask(&headers(&one)), Outcome::Answered(431));
    let line = lb.line_of("/one");
    assert_eq!(
        (&line["status"], &line["host"], &line["protocol"]),
        (&431.into(), &"a".into(), &"HTTP/3.0".into())
    );
    assert!(line["error"].as_str().unwrap().contains("64 KiB"), "{line}");
    // Each counts for 32 bytes more than are sent.
    let many = [&fields[..3], &[(":path", "/many")], &vec![("x", "12345"); 2000]].concat();
    assert_eq!(client.ask(&headers(&many)), Outcome::Answered(431));
    assert_eq!(lb.line_of("/many")["status"], 431);
    let fields = [&fields[..], &vec![("x", "1"); 101]].concat();
    assert_eq!(client.ask(&headers(&fields)), Outcome::Answered(431), "more than 100 fields");
    assert_eq!(client.ask(&get("/")), Outcome::Answered(200));
}

#[test]
fn a_head_that_does_not_come_is_refused() {
    let backend = ScriptedBackend::named("a");
    let lb = QuicLb::with_client_limits(&backend, "{ header: 200ms }");
    let client = RawClient::to(lb.address());
    let fields = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "a"),
        (":path", "/late"),
        ("x", "y"),
    ];
    let head = headers(&fields);
    let (_send, mut recv) = client.begin(&head[..head.len() - 1], false);
    assert_eq!(client.outcome(&mut recv), Outcome::Answered(408));
    assert_eq!(lb.line_of("/late")["status"], 408);
    // Nothing can be answered of which nothing has come.
    let (_send, mut recv) = client.begin(&frame(0x21, b""), false);
    assert_eq!(client.outcome(&mut recv), Outcome::Reset(0x10d));
    assert_eq!(client.ask(&get("/")), Outcome::Answered(200));
}

/// All but the last byte of a message with large fields, which take at least 20,000 bytes until it comes.
fn without_end(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut message = headers(&[fields, &[("x", &"y".repeat(20_000))]].concat());
    message.pop();
    message
}

/// The most such messages that fit.
const FIT: usize = 192 * 1024 / 20_000;

/// Begins this number of such requests. Returns those that are left once no more than fit are.
fn begun(client: &RawClient, count: usize, head: &[u8]) -> Vec<(SendStream, RecvStream)> {
    let mut kept: Vec<_> = (0..count).map(|_| client.begin(head, false)).collect();
    eventually(PATIENCE, "no more than fit are left", || {
        kept.retain_mut(|(_, recv)| client.reset_with(recv) != Some(0x10b));
        kept.len() <= FIT
    });
    kept
}

#[test]
fn heads_that_do_not_end_take_little_in_all_requests_of_a_connection_together() {
    let a = ScriptedBackend::named("a");
    let lb = QuicLb::over(&[&a], "");
    let client = RawClient::to(lb.address());
    let pseudo = [(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/")];
    let head = without_end(&pseudo);
    let mut kept = begun(&client, 30, &head);
    assert!(kept.len() > FIT / 2, "{}", kept.len());
    assert_eq!(client.ask(&get("/")), Outcome::Answered(200));
    for (send, recv) in &mut kept {
        RUNTIME.block_on(send.write_all(b"y")).unwrap();
        send.finish().unwrap();
        assert_eq!(client.outcome(recv), Outcome::Answered(200));
    }
    assert_eq!(lb.listener().refused_streams.get(), 30 - kept.len() as u64);
    // There is room again, and many refusals end the connection.
    let _kept = begun(&client, 20, &head);
    let more = async {
        let mut held = Vec::new();
        while let Ok((mut send, recv)) = client.quic.open_bi().await {
            let _ = send.write_all(&head).await;
            held.push((send, recv));
        }
    };
    RUNTIME.block_on(more);
    assert_eq!(client.closed(), Outcome::Closed(0x107));
    eventually(PATIENCE, "it is counted", || lb.listener().cuts()[Cut::FieldList as usize] == 1);
}

#[test]
fn trailers_that_do_not_end_take_little_in_all_requests_of_a_connection_together() {
    let a = ScriptedBackend::named("a");
    let lb = QuicLb::over(&[&a], "");
    let client = RawClient::to(lb.address());
    let begins = [post("/"), frame(0, b"body")].concat();
    let mut streams: Vec<_> = (0..30).map(|_| client.begin(&begins, false)).collect();
    eventually(PATIENCE, "all have begun", || lb.active(&a) == 30);
    for (send, _) in &mut streams {
        // One that is refused while it writes is stopped.
        let _ = RUNTIME.block_on(send.write_all(&without_end(&[])));
    }
    for line in lb.log_lines(30 - FIT) {
        assert_eq!(line["status"], 400);
        let error = line["error"].as_str().unwrap();
        assert!(error.contains("beside the fields of too many requests"), "{error}");
    }
    let are_few = || (FIT / 2..=FIT).contains(&lb.active(&a));
    eventually(PATIENCE, "no more than fit are left", are_few);
    assert_eq!(client.ask(&get("/")), Outcome::Answered(200));
}

#[test]
fn a_connection_without_requests_is_closed() {
    let backend = ScriptedBackend::named("a");
    let lb = QuicLb::with_client_limits(&backend, "{ keepalive: 200ms }");
    let client = RawClient::to(lb.address());
    assert_eq!(client.ask(&get("/")), Outcome::Answered(200));
    assert_eq!(client.closed(), Outcome::Closed(0x100));
}

/// How many requests whose bodies have not begun a connection may have under way.
const PLACES: usize = 8;

#[test]
fn requests_whose_bodies_have_not_begun_hold_few_backends_until_they_do() {
    let a = ScriptedBackend::named("a");
    let lb = QuicLb::over(&[&a], "");
    let client = RawClient::to(lb.address());
    let begin = |number| client.begin(&post(&format!("/{number}")), false);
    let mut streams: Vec<_> = (0..PLACES).map(begin).collect();
    eventually(PATIENCE, "the first ones begin", || lb.active(&a) == PLACES);
    streams.extend((PLACES..50).map(begin));
    assert_eq!(client.ask(&get("/get")), Outcome::Answered(200));
    assert_eq!(client.ask(&[post("/whole"), frame(0, b"x")].concat()), Outcome::Answered(200));
    eventually(PATIENCE, "these have ended", || lb.active(&a) == PLACES);
    let send = |(send, _): &mut (SendStream, _), bytes: &[u8], ends: bool| {
        RUNTIME.block_on(send.write_all(bytes)).unwrap();
        if ends {
            send.finish().unwrap();
        }
    };
    // One that waits begins with its body, others with its end, trailers, or what is not allowed there.
    let mut last = streams.pop().unwrap();
    send(&mut last, &frame(0, b"all"), false);
    eventually(PATIENCE, "it has begun", || lb.active(&a) == PLACES + 1);
    send(&mut last, &frame(0, b" of it"), true);
    assert_eq!(client.outcome(&mut last.1), Outcome::Answered(200));
    assert_eq!(a.requests_to("/49")[0].body, b"all of it");
    let mut last = streams.pop().unwrap();
    send(&mut last, b"", true);
    assert_eq!(client.outcome(&mut last.1), Outcome::Answered(200));
    let mut last = streams.pop().unwrap();
    send(&mut last, &headers(&[("x-sum", "1")]), true);
    assert_eq!(client.outcome(&mut last.1), Outcome::Answered(200));
    let mut last = streams.pop().unwrap();
    send(&mut last, &headers(&[(":path", "/")]), true);
    assert_eq!(client.outcome(&mut last.1), Outcome::Answered(400));
    // A client cancels two that wait, in either direction, and one that has begun, in whose place another one
    // begins.
    let (mut reset, _recv) = streams.pop().unwrap();
    reset.reset(VarInt::from_u32(0x10c)).unwrap();
    let (_send, mut stopped) = streams.pop().unwrap();
    stopped.stop(VarInt::from_u32(0x10c)).unwrap();
    let (mut send_first, mut recv_first) = streams.remove(0);
    send_first.reset(VarInt::from_u32(0x10c)).unwrap();
    let _ = recv_first.stop(VarInt::from_u32(0x10c));
    for stream in &mut streams {
        send(stream, &frame(0, b"x"), true);
        assert_eq!(client.outcome(&mut stream.1), Outcome::Answered(200));
    }
    eventually(PATIENCE, "all have ended", || lb.active(&a) == 0);
    eventually(PATIENCE, "all are logged", || lb.in_flight() == 0);
    let log = lb.log_text();
    assert!(!log.contains("/45") && !log.contains("/44"), "{log}");
}

#[test]
fn a_body_that_has_begun_gives_its_place_to_one_that_waits() {
    let a = ScriptedBackend::named("a");
    let lb = QuicLb::over(&[&a], "");
    let client = RawClient::to(lb.address());
    let begin = |number| client.begin(&post(&format!("/{number}")), false);
    let mut streams: Vec<_> = (0..3 * PLACES).map(begin).collect();
    for turn in 1..=2 {
        eventually(PATIENCE, "the next ones begin", || lb.active(&a) == turn * PLACES);
        // Which ones have begun depends on the order in which they came.
        for (send, _) in &mut streams[(turn - 1) * PLACES..turn * PLACES] {
            RUNTIME.block_on(send.write_all(&frame(0, b"x"))).unwrap();
        }
    }
    eventually(PATIENCE, "all have begun", || lb.active(&a) == 3 * PLACES);
}

#[test]
fn a_body_that_does_not_begin_in_time_is_answered_though_its_request_never_began() {
    let a = ScriptedBackend::named("a");
    a.reply_to("/hang", Reply::hang());
    let lb = QuicLb::with_line(&a, "{ body: { idle: 500ms } }");
    let first = RawClient::to(lb.address());
    let _held = first.begin(&get("/hang"), true);
    a.wait_for_requests(1);
    let client = RawClient::to(lb.address());
    let begin = |number| client.begin(&post(&format!("/{number}")), false);
    let _in_line: Vec<_> = (0..PLACES).map(begin).collect();
    eventually(PATIENCE, "the first ones stand in line", || lb.queued() == PLACES);
    let (_send, mut recv) = client.begin(&post("/late"), false);
    let line = lb.line_of("/late");
    assert_eq!((&line["status"], &line["attempts"]), (&408.into(), &0.into()));
    assert_eq!(line["error"], "the request body did not come in time");
    assert_eq!(client.outcome(&mut recv), Outcome::Answered(408));
    // Many of them end the connection, even if another one moves.
    let (mut moving, _recv) = client.begin(&[post("/moves"), frame(0, b"x")].concat(), false);
    let _late: Vec<_> = (PLACES..50).map(begin).collect();
    eventually(PATIENCE, "it is cut", || {
        let _ = RUNTIME.block_on(moving.write_all(&frame(0, b"x")));
        lb.listener().cuts()[Cut::Stalled as usize] == 1
    });
}

#[test]
fn answers_that_tiny_windows_hold_up_are_few() {
    let a = ScriptedBackend::named("a");
    a.reply_to("/large", Reply::ok("x".repeat(6000)));
    let lb = QuicLb::over(&[&a], "");
    for (turn, (window, at_once)) in
        [(100, PLACES), (4095, PLACES), (4096, 30)].into_iter().enumerate()
    {
        let mut client = RawClient::with_window(lb.address(), window);
        client.say(&[integer(0), frame(4, b"")].concat());
        let mut streams: Vec<_> = (0..30).map(|_| client.begin(&get("/large"), true)).collect();
        a.wait_for_requests(30 * turn + at_once);
        assert_eq!(lb.active(&a), at_once, "{window}");
        // It reads all of them at a time.
        thread::scope(|scope| {
            for (_, recv) in &mut streams {
                scope
                    .spawn(|| assert_eq!(client.outcome(recv), Outcome::Answered(200), "{window}"));
            }
        });
        eventually(PATIENCE, "all have ended", || lb.active(&a) == 0);
    }
}

#[test]
fn a_client_that_holds_many_answers_without_progress_is_cut() {
    // The header of an answer does not fit into the first of these windows.
    for window in [30, 100] {
        let a = ScriptedBackend::named("a");
        a.reply_to("/large", Reply::ok("x".repeat(1 << 20)));
        let lb = QuicLb::with_client_limits(&a, "{ write: 300ms }");
        let mut client = RawClient::with_window(lb.address(), window);
        client.say(&[integer(0), frame(4, b"")].concat());
        let _streams: Vec<_> = (0..128).map(|_| client.begin(&get("/large"), true)).collect();
        assert_eq!(client.closed(), Outcome::Closed(0x107), "{window}");
        let count = || lb.listener().cuts()[Cut::Stalled as usize];
        eventually(PATIENCE, "it is counted", || count() == 1);
        eventually(PATIENCE, "the backend is free", || lb.active(&a) == 0);
        // With each of the first ones fifteen are held up that wait for its place.
        assert!(a.count(|_| true) <= 2 * PLACES, "{}", a.count(|_| true));
    }
}

/// The few that stall would not be reason enough, and the others would be answered.
#[test]
fn answers_that_stall_stand_for_the_requests_that_wait_for_their_places() {
    let a = ScriptedBackend::named("a");
    a.reply_to("/large", Reply::ok("x".repeat(1 << 20)));
    let lb = QuicLb::with_client_limits(&a, "{ write: 2s }");
    let mut client = RawClient::with_window(lb.address(), 100);
    client.say(&[integer(0), frame(4, b"")].concat());
    let _held: Vec<_> = (0..PLACES).map(|_| client.begin(&get("/large"), true)).collect();
    a.wait_for_requests(PLACES);
    let _waiting: Vec<_> = (0..100).map(|_| client.begin(&get("/"), true)).collect();
    assert_eq!(client.closed(), Outcome::Closed(0x107));
    eventually(PATIENCE, "it is counted", || lb.listener().cuts()[Cut::Stalled as usize] == 1);
}

/// How much a client can send of a body of which only the beginning is read: until this is enough, or for a
/// while nothing more is taken.
fn sent_ahead(client: &RawClient, enough: usize) -> usize {
    let begins = [post("/waits"), integer(0), integer(8 << 20)].concat();
    let (mut send, _recv) = client.begin(&begins, false);
    let (piece, mut sent) = (vec![b'x'; 16 << 10], 0);
    while sent < enough {
        let pause = if enough == usize::MAX { Duration::from_millis(500) } else { PATIENCE };
        let written =
            RUNTIME.block_on(async { tokio::time::timeout(pause, send.write(&piece)).await });
        match written {
            Ok(written) => sent += written.unwrap(),
            Err(_) => break,
        }
    }
    send.reset(VarInt::from_u32(0x10c)).unwrap();
    sent
}

#[test]
fn more_of_a_body_may_be_ahead_once_bytes_have_moved() {
    const NARROW: usize = 256 << 10;
    /// What is read of a body while its request waits for a backend, and what may be on its way.
    const READ: usize = 192 << 10;
    let (a, gate) = (ScriptedBackend::named("a"), Gate::closed());
    a.reply_to("/held", Reply::behind(&gate, "held"));
    a.reply_to("/hang", Reply::hang());
    let lb = QuicLb::over_entries(&entry(&a, "max_connections: 1"), "    queue: { timeout: 60s }");
    let holder = RawClient::to(lb.address());
    let (_send, mut held) = holder.begin(&get("/held"), true);
    a.wait_for_requests(1);
    let sent = sent_ahead(&RawClient::to(lb.address()), usize::MAX);
    assert!(sent <= NARROW + READ, "{sent}");
    gate.open();
    assert_eq!(holder.outcome(&mut held), Outcome::Answered(200));
    let client = RawClient::to(lb.address());
    let large = [post("/moves"), frame(0, &vec![b'x'; 1 << 20])].concat();
    assert_eq!(client.ask(&large), Outcome::Answered(200));
    let (_send, _held) = holder.begin(&get("/hang"), true);
    a.wait_for_requests(3);
    let enough = NARROW + READ + (128 << 10);
    assert!(sent_ahead(&client, enough) >= enough);
}

/// A client that begins requests with these bytes alone is cut for the reason, and others are served.
#[track_caller]
fn is_cut(why: Cut, begins: Vec<u8>, cancels: bool) {
    let backend = ScriptedBackend::named("a");
    let lb = QuicLb::over(&[&backend], "");
    let client = RawClient::to(lb.address());
    let flood = RUNTIME.spawn({
        let quic = client.quic.clone();
        async move {
            while let Ok((mut send, mut recv)) = quic.open_bi().await {
                let _ = send.write_all(&begins).await;
                if cancels {
                    let _ = send.reset(VarInt::from_u32(0x10c));
                } else {
                    let _ = send.finish();
                }
                let _ = recv.stop(VarInt::from_u32(0x10c));
            }
        }
    });
    assert_eq!(client.closed(), Outcome::Closed(0x107));
    RUNTIME.block_on(flood).unwrap();
    eventually(PATIENCE, "it is counted", || lb.listener().cuts().iter().sum::<u64>() == 1);
    let counts = lb.listener().cuts();
    assert_eq!(counts[why as usize], 1, "{counts:?}");
    assert_eq!(Connection::open(lb.address()).unwrap().get("/").unwrap().status, 200);
}

#[test]
fn a_client_that_only_cancels_is_cut() {
    is_cut(Cut::Resets, get("/"), true);
}

#[test]
fn a_client_that_only_cancels_what_it_has_not_asked_yet_is_cut() {
    let mut half = get("/");
    half.pop();
    is_cut(Cut::Resets, half, true);
}

#[test]
fn a_client_that_only_sends_malformed_requests_is_cut() {
    let connection =
        [(":method", "GET"), (":scheme", "https"), (":path", "/"), ("connection", "close")];
    is_cut(Cut::Malformed, headers(&connection), false);
}

#[test]
fn frames_that_belong_to_no_request_cost_something() {
    let backend = ScriptedBackend::named("a");
    let lb = QuicLb::over(&[&backend], "");
    let mut client = RawClient::to(lb.address());
    let flood: Vec<u8> = (0..2000).flat_map(|_| frame(0x21, b"")).collect();
    client.say(&flood);
    assert_eq!(client.closed(), Outcome::Closed(0x107));
    eventually(PATIENCE, "it is counted", || lb.listener().cuts()[Cut::OtherFrames as usize] == 1);
}

#[test]
fn frames_that_bring_nothing_to_a_request_cost_something() {
    let backend = ScriptedBackend::named("a");
    backend.reply_to("/hang", Reply::hang());
    let lb = QuicLb::over(&[&backend], "");
    for (cut, kind) in [(1, DATA), (2, 0x21)] {
        let client = RawClient::to(lb.address());
        let (mut send, _recv) = client.begin(&post("/hang"), false);
        // An error means that the connection has been cut.
        let _ = RUNTIME.block_on(send.write_all(&frame(kind, b"").repeat(100_000)));
        assert_eq!(client.closed(), Outcome::Closed(0x107));
        let count = || lb.listener().cuts()[Cut::EmptyFrames as usize];
        eventually(PATIENCE, "it is counted", || count() == cut);
    }
    // Those of a client that sends one behind each flush cost nothing.
    let client = RawClient::to(lb.address());
    let flush = [frame(DATA, &[b'x'; 1024]), frame(DATA, b"")].concat();
    let body = [post("/flushed"), flush.repeat(2000), frame(DATA, b"y").repeat(20_000)].concat();
    let (mut send, mut recv) = client.begin(b"", false);
    RUNTIME.block_on(async {
        send.write_all(&body).await.unwrap();
        send.finish().unwrap();
    });
    assert_eq!(client.outcome(&mut recv), Outcome::Answered(200));
    let came = &backend.requests_to("/flushed")[0].body;
    assert_eq!((came.len(), came.ends_with(&[b'y'; 20_000])), (2000 * 1024 + 20_000, true));
}

#[test]
fn instructions_for_a_table_that_there_is_not_cost_something() {
    let backend = ScriptedBackend::named("a");
    let lb = QuicLb::over(&[&backend], "");
    let client = RawClient::to(lb.address());
    RUNTIME.block_on(async {
        let mut encoder = client.quic.open_uni().await.unwrap();
        // The table's capacity is nothing. An error means that the connection has been cut.
        let _ = encoder.write_all(&[&[2][..], &vec![0x20; 4 << 20]].concat()).await;
    });
    assert_eq!(client.closed(), Outcome::Closed(0x107));
    eventually(PATIENCE, "it is counted", || lb.listener().cuts()[Cut::OtherFrames as usize] == 1);
}

#[test]
fn a_client_that_does_not_take_the_settings_is_cut() {
    let backend = ScriptedBackend::named("a");
    let lb = QuicLb::with_client_limits(&backend, "{ header: 200ms }");
    let client = RawClient::with_window(lb.address(), 1);
    assert_eq!(client.closed(), Outcome::Closed(0x107));
    eventually(PATIENCE, "it is counted", || lb.listener().cuts()[Cut::Stalled as usize] == 1);
}

#[test]
fn a_frame_without_a_meaning_is_skipped_however_long_it_is() {
    let backend = ScriptedBackend::named("a");
    let lb = QuicLb::over(&[&backend], "");
    let client = RawClient::to(lb.address());
    let long = [integer(0x21), integer(8 << 20), vec![0; 8 << 20], get("/")].concat();
    let (mut send, mut recv) = client.begin(b"", false);
    RUNTIME.block_on(async {
        tokio::time::timeout(PATIENCE, send.write_all(&long)).await.unwrap().unwrap();
        send.finish().unwrap();
    });
    assert_eq!(client.outcome(&mut recv), Outcome::Answered(200));
}

#[test]
fn a_client_that_is_there_may_wait_for_a_long_time() {
    let backend = ScriptedBackend::named("a");
    let lb = QuicLb::with_client_limits(&backend, "{ keepalive: 100ms, write: 100ms }");
    backend.reply(crate::support::reply::Reply::ok("late").delayed(Duration::from_millis(600)));
    let mut connection = Connection::open(lb.address()).unwrap();
    assert_eq!(connection.get("/").unwrap().text(), "late");
}

#[test]
fn bodies_that_no_backend_takes_hold_up_nothing_else() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    a.reply_to("/hang", Reply::hang());
    let lb = QuicLb::start(&format!(
        "listeners: [ {{ address: 127.0.0.1:0, client: {{ body: {{ idle: 1s }} }} }} ]\n\
         routes: [ {{ path: /other, pool: other }}, {{ pool: web }} ]\npools:\n  other:\n    \
         health_check: off\n    backends: [{}]\n  web:\n    health_check: off\n    \
         queue: {{ timeout: 60s }}\n    backends: [{}]\n",
        addresses(&[&b]),
        entry(&a, "max_connections: 1"),
    ));
    let holder = RawClient::to(lb.address());
    let _held = holder.begin(&get("/hang"), true);
    a.wait_for_requests(1);
    let client = RawClient::to(lb.address());
    let begins = [post("/other/post"), frame(0, b"begins, ")].concat();
    let (mut send, mut recv) = client.begin(&begins, false);
    for _ in 0..2 {
        let (mut send, recv) = client.begin(&post("/waits"), false);
        RUNTIME.spawn(async move {
            let _ = send.write_all(&frame(0, &[b'x'; 4 << 20])).await;
            drop(recv);
        });
    }
    eventually(PATIENCE, "they stand in line", || lb.queued() == 2);
    assert_eq!(client.ask(&get("/other/get")), Outcome::Answered(200));
    RUNTIME.block_on(send.write_all(&frame(0, b"ends"))).unwrap();
    send.finish().unwrap();
    assert_eq!(client.outcome(&mut recv), Outcome::Answered(200));
    assert_eq!(b.requests_to("/other/post")[0].body, b"begins, ends");
    assert_eq!(lb.queued(), 2, "they are still there");
}
