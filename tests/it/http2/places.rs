//! Requests that wait for their client alone hold few backends, and go on when the client does.

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    eventually::eventually,
    frames::{
        DATA, END_HEADERS, END_STREAM, Frame, FrameClient, HEADERS, PING, fields, frame, get,
        request, reset, settings, status, window,
    },
    lb::Lb,
    reply::Reply,
};
use lb::count::Cut;

/// How many of them a connection may have under way.
const PLACES: usize = 8;

fn post(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &request("POST", path, &[]))
}

fn posts(numbers: std::ops::Range<u32>) -> Vec<u8> {
    numbers.flat_map(|number| post(2 * number + 1, &format!("/{number}"))).collect()
}

/// The header of the answer on this stream.
#[track_caller]
fn answer(client: &mut FrameClient, stream: u32) -> u16 {
    let is_header = |frame: &Frame| frame.kind == HEADERS && frame.stream == stream;
    status(&client.until(is_header).expect("an answer").payload)
}

#[test]
fn requests_whose_bodies_have_not_begun_hold_few_backends_until_they_do() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let mut client = FrameClient::open(lb.address());
    client.send(&posts(0..100)).unwrap();
    eventually(PATIENCE, "the first ones begin", || lb.active(&a) == PLACES);
    // Requests without a body, and those whose body begins with their header, need no place.
    client.send(&get(201, "/get")).unwrap();
    assert_eq!(answer(&mut client, 201), 200);
    client.send(&[post(203, "/whole"), frame(DATA, END_STREAM, 203, b"x")].concat()).unwrap();
    assert_eq!(answer(&mut client, 203), 200);
    eventually(PATIENCE, "these have ended", || lb.active(&a) == PLACES);
    // One of those that wait begins with its body, another one without.
    client.send(&frame(DATA, 0, 199, b"all")).unwrap();
    eventually(PATIENCE, "it has begun", || lb.active(&a) == PLACES + 1);
    client.send(&frame(DATA, END_STREAM, 199, b" of it")).unwrap();
    assert_eq!(answer(&mut client, 199), 200);
    assert_eq!(a.requests_to("/99")[0].body, b"all of it");
    client.send(&frame(DATA, END_STREAM, 197, b"")).unwrap();
    assert_eq!(answer(&mut client, 197), 200);
    assert_eq!(a.requests_to("/98")[0].body, b"");
    // A place that is given back goes to one that waits.
    client.send(&frame(DATA, END_STREAM, 1, b"x")).unwrap();
    assert_eq!(answer(&mut client, 1), 200);
    eventually(PATIENCE, "the next one has begun", || lb.active(&a) == PLACES);
    let rest = (1..98).flat_map(|number| frame(DATA, END_STREAM, 2 * number + 1, b"x"));
    client.send(&rest.collect::<Vec<_>>()).unwrap();
    for _ in 1..98 {
        let answer = client.until(|frame| frame.kind == HEADERS).expect("an answer");
        assert_eq!(status(&answer.payload), 200);
    }
    eventually(PATIENCE, "all have ended", || lb.active(&a) == 0);
}

#[test]
fn answers_that_tiny_windows_hold_up_are_few() {
    let a = ScriptedBackend::named("a");
    a.reply_to("/large", Reply::ok("x".repeat(1 << 20)));
    let lb = Lb::over(&[&a], "");
    for tiny in [0, 1, 4095] {
        // They may come at first, or when the connection has been used.
        let mut client = FrameClient::open(lb.address());
        client.send(&get(1, "/")).unwrap();
        assert_eq!(answer(&mut client, 1), 200);
        client.send(&settings(&[(4, 1 << 20), (4, tiny)])).unwrap();
        let all = (1..100).flat_map(|number| get(2 * number + 1, "/large"));
        client.send(&all.collect::<Vec<_>>()).unwrap();
        eventually(PATIENCE, "the first ones begin", || lb.active(&a) == PLACES);
        for _ in 0..PLACES {
            let answer = client.until(|frame| frame.kind == HEADERS).expect("an answer");
            assert!((3..3 + 2 * PLACES as u32).contains(&answer.stream), "{answer:?}");
        }
        assert_eq!(lb.active(&a), PLACES);
        // One ends, and another one begins.
        client.send(&reset(3, 8)).unwrap();
        let is_next = |frame: &Frame| frame.kind == HEADERS && frame.stream > 2 * PLACES as u32 + 1;
        assert!(client.until(is_next).is_some());
        // Answers that find room are as many as ever.
        client.send(&[settings(&[(4, 4096)]), window(0, 1 << 24)].concat()).unwrap();
        client.send(&get(301, "/")).unwrap();
        assert_eq!(answer(&mut client, 301), 200);
        drop(client);
        eventually(PATIENCE, "its client has left", || lb.active(&a) == 0);
    }
}

/// A connection whose places are taken.
fn with_places_taken(lb: &Lb, a: &ScriptedBackend) -> FrameClient {
    let mut client = FrameClient::open(lb.address());
    client.send(&posts(0..PLACES as u32)).unwrap();
    eventually(PATIENCE, "the first ones begin", || lb.active(a) == PLACES);
    client
}

/// A balancer, and a connection whose places are taken by requests that stand in line. What is returned with it
/// keeps them there.
fn with_places_in_line(limits: &str) -> (Lb, FrameClient, (ScriptedBackend, FrameClient)) {
    let a = ScriptedBackend::named("a");
    a.reply_to("/hang", Reply::hang());
    let lb = Lb::with_line(&a, limits);
    let mut first = FrameClient::open(lb.address());
    first.send(&get(1, "/hang")).unwrap();
    a.wait_for_requests(1);
    let mut client = FrameClient::open(lb.address());
    client.send(&posts(0..PLACES as u32)).unwrap();
    eventually(PATIENCE, "the first ones stand in line", || lb.queued() == PLACES);
    (lb, client, (a, first))
}

#[test]
fn a_body_that_has_begun_gives_its_place_to_one_that_waits() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let mut client = with_places_taken(&lb, &a);
    client.send(&posts(PLACES as u32..3 * PLACES as u32)).unwrap();
    for (turn, last) in [(1, 2), (2, 3)] {
        let begun = PLACES as u32 * (turn - 1)..PLACES as u32 * turn;
        let pieces = begun.flat_map(|number| frame(DATA, 0, 2 * number + 1, b"x"));
        client.send(&pieces.collect::<Vec<_>>()).unwrap();
        eventually(PATIENCE, "the next ones begin", || lb.active(&a) == last * PLACES);
    }
}

#[test]
fn a_body_that_does_not_begin_in_time_is_answered_though_its_request_never_began() {
    let (lb, mut client, _line) = with_places_in_line("{ body: { idle: 500ms } }");
    client.send(&post(101, "/late")).unwrap();
    let line = lb.line_of("/late");
    assert_eq!((&line["status"], &line["attempts"]), (&408.into(), &0.into()));
    assert_eq!(line["error"], "the request body did not come in time");
    assert_eq!(answer(&mut client, 101), 408);
}

#[test]
fn many_bodies_that_do_not_begin_end_their_connection_even_if_others_move() {
    let (lb, mut client, _line) = with_places_in_line("{ body: { idle: 500ms } }");
    client.send(&[post(201, "/moves"), frame(DATA, 0, 201, b"x")].concat()).unwrap();
    client.send(&posts(101..100 + 92)).unwrap();
    eventually(PATIENCE, "it is cut", || {
        let _ = client.send(&frame(DATA, 0, 201, b"x"));
        lb.listener().cuts()[Cut::Stalled as usize] == 1
    });
    eventually(PATIENCE, "the line is empty", || lb.queued() == 0);
}

#[test]
fn a_request_that_is_cancelled_while_it_waits_costs_no_backend_anything() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let mut client = with_places_taken(&lb, &a);
    client.send(&[post(17, "/cancelled"), reset(17, 8), post(19, "/next")].concat()).unwrap();
    client.send(&frame(DATA, END_STREAM, 1, b"x")).unwrap();
    assert_eq!(answer(&mut client, 1), 200);
    eventually(PATIENCE, "another one has its place", || lb.active(&a) == PLACES);
    client.send(&post(21, "/last")).unwrap();
    // It has been accepted when the PING behind it is answered.
    client.send(&frame(PING, 0, 0, &[0; 8])).unwrap();
    assert!(client.until(|frame| frame.kind == PING).is_some());
    client.send(&reset(21, 8)).unwrap();
    client.send(&frame(DATA, END_STREAM, 19, b"x")).unwrap();
    assert_eq!(answer(&mut client, 19), 200);
    assert_eq!(lb.line_of("/next")["status"], 200);
    drop(client);
    eventually(PATIENCE, "its client has left", || lb.in_flight() == 0);
    let log = lb.log_text();
    assert!(!log.contains("/cancelled") && !log.contains("/last"), "{log}");
}

#[test]
fn a_client_that_leaves_takes_what_waits_with_it() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let mut client = FrameClient::open(lb.address());
    client.send(&posts(0..100)).unwrap();
    eventually(PATIENCE, "the first ones begin", || lb.active(&a) == PLACES);
    drop(client);
    eventually(PATIENCE, "none is left", || lb.active(&a) == 0 && lb.connections() == 0);
    assert!(a.count(|_| true) <= PLACES, "{:?}", a.requests());
}

#[test]
fn tunnels_are_as_many_as_ever() {
    let a = ScriptedBackend::named("a");
    a.reply_to("/ws", Reply::upgrade());
    let lb = Lb::over(&[&a], "");
    let mut client = FrameClient::open(lb.address());
    for number in 0..20 {
        let block = fields(&[
            (b":method", b"CONNECT"),
            (b":protocol", b"websocket"),
            (b":scheme", b"http"),
            (b":path", b"/ws"),
            (b":authority", b"a"),
        ]);
        client.send(&frame(HEADERS, END_HEADERS, 2 * number + 1, &block)).unwrap();
        assert_eq!(answer(&mut client, 2 * number + 1), 200);
    }
}

#[test]
fn requests_that_wait_are_served_though_lb_drains() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let mut client = with_places_taken(&lb, &a);
    client.send(&posts(PLACES as u32..20)).unwrap();
    client.send(&frame(PING, 0, 0, &[0; 8])).unwrap();
    assert!(client.until(|frame| frame.kind == PING).is_some());
    lb.drain();
    lb.end_idle();
    let ends = (0..20).flat_map(|number| frame(DATA, END_STREAM, 2 * number + 1, b"x"));
    client.send(&ends.collect::<Vec<_>>()).unwrap();
    let mut answered: Vec<u32> = (0..20)
        .map(|_| {
            let answer = client.until(|frame| frame.kind == HEADERS).expect("an answer");
            assert_eq!(status(&answer.payload), 200);
            answer.stream
        })
        .collect();
    answered.sort_unstable();
    assert_eq!(answered, (0..20).map(|number| 2 * number + 1).collect::<Vec<_>>());
    client.end();
}
