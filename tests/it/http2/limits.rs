//! Limits on the time that a client of HTTP/2 may take, and on the number of its requests.

use std::{io::Write, net::TcpListener, thread, time::Duration};

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    eventually::eventually,
    frames::{
        ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, FrameClient, GO_AWAY, HEADERS,
        PING, PREFACE, RESET, SETTINGS, WINDOW_UPDATE, fields, frame, get, request, reset,
        settings, status, window,
    },
    lb::{Lb, addresses, entry},
    reply::{Gate, Reply},
};
use lb::{clock, count::Cut};

fn cut(lb: &Lb) -> Option<Cut> {
    let mut all = Cut::ALL.into_iter().zip(lb.listener().cuts());
    all.find(|(_, count)| *count > 0).map(|(cut, _)| cut)
}

/// Sends one piece after another, with a pause before each, until the other side has closed.
fn trickle(client: &mut FrameClient, pieces: impl Iterator<Item = Vec<u8>>) -> bool {
    let end = clock::now() + PATIENCE;
    for piece in pieces {
        if client.send(&piece).is_err() {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
        assert!(clock::now() < end, "it takes everything");
    }
    false
}

#[test]
fn a_header_that_trickles_ends_its_connection_even_beside_other_requests() {
    let a = ScriptedBackend::named("a");
    a.reply_to("/hang", Reply::hang());
    let block = request("GET", "/", &[]);
    // In small frames, in one frame byte by byte, in the head of a frame, and in another frame.
    let whole = frame(HEADERS, 0x5, 3, &block);
    let in_frames = block.chunks(1).map(|byte| frame(CONTINUATION, 0, 3, byte)).take(4);
    let first = frame(HEADERS, 0x1, 3, &[]);
    let ways: [Vec<Vec<u8>>; 4] = [
        [first].into_iter().chain(in_frames).collect(),
        whole.chunks(1).take(30).map(<[u8]>::to_vec).collect(),
        vec![whole[..3].to_vec()],
        vec![frame(PING, 0, 0, &[0; 8])[..12].to_vec()],
    ];
    for way in ways {
        let lb = Lb::with_client_limits(&a, "{ header: 300ms }");
        let mut client = FrameClient::open(lb.address());
        client.send(&get(1, "/hang")).unwrap();
        trickle(&mut client, way.into_iter());
        client.end();
        eventually(PATIENCE, "it is counted", || cut(&lb) == Some(Cut::HeaderLate));
    }
}

#[test]
fn headers_that_come_in_time_one_after_another_end_nothing() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::with_client_limits(&a, "{ header: 500ms }");
    let mut client = FrameClient::open(lb.address());
    // Each read ends in the middle of a header, for longer than the limit in all.
    let all: Vec<u8> = (0..12).flat_map(|number| get(2 * number + 1, "/")).collect();
    let size = all.len() / 12;
    let mut pieces = vec![all[..size / 2].to_vec()];
    pieces.extend(all[size / 2..].chunks(size).map(<[u8]>::to_vec));
    for piece in pieces {
        client.send(&piece).unwrap();
        thread::sleep(Duration::from_millis(80));
    }
    let last = client.until(|frame| frame.ends_answer() && frame.stream == 23);
    assert!(last.is_some(), "{:?}", cut(&lb));
}

#[test]
fn a_client_without_settings_is_closed_in_time() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::with_client_limits(&a, "{ header: 300ms, keepalive: 60s }");
    let mut client = FrameClient::bare(lb.address());
    client.send(PREFACE).unwrap();
    client.end();
}

#[test]
fn a_body_that_trickles_is_answered_with_a_408() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::with_client_limits(&a, "{ body: { idle: 300ms } }");
    let mut client = FrameClient::open(lb.address());
    let block = request("POST", "/late", &[("content-length", "10")]);
    client.send(&frame(HEADERS, END_HEADERS, 1, &block)).unwrap();
    let answer = client.until(|frame| frame.kind == HEADERS).expect("an answer");
    assert_eq!(status(&answer.payload), 408);
    assert_eq!(lb.line_of("/late")["status"], 408);
    client.send(&get(3, "/")).unwrap();
    assert!(client.until(|frame| frame.ends_answer() && frame.stream == 3).is_some());
}

#[test]
fn a_large_frame_that_comes_slowly_is_no_pause_as_long_as_it_comes() {
    const FRAME: usize = 60_000;
    let a = ScriptedBackend::named("a");
    let lb = Lb::with_client_limits(&a, "{ body: { idle: 400ms } }");
    let mut client = FrameClient::open(lb.address());
    let begin = |client: &mut FrameClient, stream: u32, path: &str| {
        let head = frame(HEADERS, END_HEADERS, stream, &request("POST", path, &[]));
        let body = frame(DATA, END_STREAM, stream, &vec![b'x'; FRAME]);
        // It begins faster than it is read, and so it is not divided.
        client.send(&[&head[..], &body[..40_000]].concat()).unwrap();
        body[40_000..].to_vec()
    };
    let rest = begin(&mut client, 1, "/slow");
    for piece in rest.chunks(500) {
        thread::sleep(Duration::from_millis(30));
        client.send(piece).unwrap();
    }
    let answer = client.until(|frame| frame.kind == HEADERS).expect("an answer");
    assert_eq!(status(&answer.payload), 200, "{}", lb.log_text());
    assert_eq!(a.requests_to("/slow")[0].body.len(), FRAME);
    begin(&mut client, 3, "/pauses");
    assert_eq!(lb.line_of("/pauses")["status"], 408);
}

#[test]
fn a_client_that_opens_no_window_loses_its_request_alone() {
    let a = ScriptedBackend::named("a");
    a.reply_to("/large", Reply::ok("x".repeat(1 << 20)));
    let lb = Lb::with_client_limits(&a, "{ write: 300ms }");
    let mut client = FrameClient::with(lb.address(), &[(4, 10)]);
    client.send(&get(1, "/large")).unwrap();
    assert!(client.until(|frame| frame.kind == RESET && frame.stream == 1).is_some());
    client.send(&get(3, "/")).unwrap();
    assert!(client.until(|frame| frame.ends_answer() && frame.stream == 3).is_some());
    assert_eq!(cut(&lb), None);
}

#[test]
fn a_client_that_opens_its_window_by_a_byte_at_a_time_loses_its_request_alone() {
    let a = ScriptedBackend::named("a");
    a.reply_to("/large", Reply::ok("x".repeat(1 << 20)));
    let limits = "{ answer: { min_rate: 256B/s, min_rate_after: 400ms } }";
    // The window of the stream, and that of the connection, which was used up before.
    for (initial, stream) in [(1, 1), (1 << 20, 0)] {
        let lb = Lb::with_client_limits(&a, limits);
        let mut client = FrameClient::with(lb.address(), &[(4, initial)]);
        client.send(&get(1, "/large")).unwrap();
        if stream == 0 {
            let mut left = 65_535;
            while left > 0 {
                left -= client.until(|frame| frame.kind == DATA).unwrap().payload.len();
            }
            // It has earned nothing.
            client.send(&get(3, "/large")).unwrap();
        }
        let slow = if stream == 0 { 3 } else { 1 };
        let mut bytes = 0;
        let end = clock::now() + PATIENCE;
        loop {
            assert!(clock::now() < end, "it takes everything");
            client.send(&window(stream, 1)).unwrap();
            let frame = client.next().expect("a frame");
            if frame.kind == RESET {
                assert_eq!(frame.stream, slow);
                break;
            }
            bytes += frame.payload.len();
            thread::sleep(Duration::from_millis(20));
        }
        assert!(bytes > 0, "it took something");
        assert_eq!(cut(&lb), None);
        client.send(&window(0, 1000)).unwrap();
        client.send(&get(5, "/")).unwrap();
        assert!(client.until(|frame| frame.kind == HEADERS && frame.stream == 5).is_some());
    }
}

#[test]
fn many_answers_on_a_slow_line_share_the_rate() {
    let a = ScriptedBackend::named("a");
    a.reply_to("/large", Reply::ok("x".repeat(1 << 20)));
    let limits = "{ answer: { min_rate: 256B/s, min_rate_after: 300ms } }";
    let lb = Lb::with_client_limits(&a, limits);
    let mut client = FrameClient::with(lb.address(), &[(4, 1)]);
    let streams = || (0..30).map(|number| 2 * number + 1);
    client.send(&streams().flat_map(|stream| get(stream, "/large")).collect::<Vec<_>>()).unwrap();
    // Each takes less than the rate, and all together take more.
    let began = clock::now();
    while clock::now() - began < Duration::from_secs(1) {
        client.send(&streams().flat_map(|stream| window(stream, 1)).collect::<Vec<_>>()).unwrap();
        thread::sleep(Duration::from_millis(20));
    }
    client.send(&frame(PING, 0, 0, &[0; 8])).unwrap();
    let next = client.until(|frame| frame.kind == RESET || frame.kind == PING).unwrap();
    assert_eq!(next.kind, PING, "none was ended");
}

#[test]
fn a_client_that_holds_many_requests_without_progress_is_cut() {
    let asked: Vec<u8> = (0..128).flat_map(|number| get(2 * number + 1, "/large")).collect();
    let upload = request("POST", "/late", &[]);
    let uploads = (0..128).flat_map(|number| frame(HEADERS, END_HEADERS, 2 * number + 1, &upload));
    for (is_upload, all) in [(false, asked), (true, uploads.collect())] {
        let a = ScriptedBackend::named("a");
        a.reply_to("/large", Reply::ok("x".repeat(1 << 20)));
        let lb = Lb::with_client_limits(&a, "{ write: 300ms, body: { idle: 300ms } }");
        let mut client = FrameClient::with(lb.address(), &[(4, 0)]);
        client.send(&all).unwrap();
        let mut resets = 0;
        let end = loop {
            let is_end = |frame: &Frame| matches!(frame.kind, RESET | GO_AWAY);
            match client.until(is_end).expect("a GOAWAY") {
                frame if frame.kind == GO_AWAY => break frame,
                _ => resets += 1,
            }
        };
        assert_eq!(end.error(), 11);
        eventually(PATIENCE, "it is counted", || cut(&lb) == Some(Cut::Stalled));
        eventually(PATIENCE, "the backend is free", || lb.active(&a) == 0);
        // With each of the first ones fifteen are held up that wait for its place. Uploads that wait end with them.
        assert!(is_upload || resets <= 8, "{resets}");
    }
}

#[test]
fn many_requests_whose_answers_pause_are_none_of_the_clients_fault() {
    let (a, gate) = (ScriptedBackend::named("a"), Gate::closed());
    a.reply_to("/events", Reply::behind(&gate, "event"));
    let limits = "{ write: 200ms, answer: { min_rate_after: 200ms } }";
    let lb = Lb::with_client_limits(&a, limits);
    let mut client = FrameClient::open(lb.address());
    client.send(&(0..100).flat_map(|at| get(2 * at + 1, "/events")).collect::<Vec<_>>()).unwrap();
    a.wait_for_heads(100);
    thread::sleep(Duration::from_millis(600));
    gate.open();
    for _ in 0..100 {
        assert!(client.until(|frame| frame.ends_answer()).is_some());
    }
    assert_eq!(cut(&lb), None);
}

#[test]
fn windows_are_obeyed_to_the_byte() {
    let a = ScriptedBackend::replying(Reply::ok("twelve bytes"));
    let lb = Lb::over(&[&a], "");
    let mut client = FrameClient::with(lb.address(), &[(4, 5)]);
    client.send(&get(1, "/")).unwrap();
    let is_data = |frame: &Frame| frame.kind == DATA && !frame.payload.is_empty();
    assert_eq!(client.until(is_data).unwrap().payload, b"twelv");
    client.send(&window(1, 3)).unwrap();
    assert_eq!(client.until(is_data).unwrap().payload, b"e b");
    client.send(&settings(&[(4, 100)])).unwrap();
    assert_eq!(client.until(is_data).unwrap().payload, b"ytes");
}

#[test]
fn a_body_is_taken_ahead_up_to_its_window_and_no_further() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let mut client = FrameClient::bare(lb.address());
    client.send(&[PREFACE, &settings(&[])].concat()).unwrap();
    let ours = client.until(|frame| frame.kind == SETTINGS && frame.flags == 0).unwrap();
    let values: Vec<_> = ours.payload.chunks(6).map(<[u8]>::to_vec).collect();
    let value = |id: u16, value: u32| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    for wanted in
        [value(3, 128), value(4, 1 << 20), value(5, 1 << 16), value(6, 64 * 1024), value(8, 1)]
    {
        assert!(values.contains(&wanted), "{wanted:?} in {values:?}");
    }
    let update = client.until(|frame| frame.kind == 8 && frame.stream == 0).unwrap();
    let by = u32::from_be_bytes(update.payload.try_into().unwrap());
    assert_eq!(65_535 + by, 2 << 20);
}

/// Sends as much of these bodies, of which a byte was sent, as there is room for in the windows.
fn fill(client: &mut FrameClient, streams: &[u32], sent: u32) {
    let (mut room, mut rooms) = ((2 << 20) - sent, vec![(1_u32 << 20) - 1; streams.len()]);
    let mut rounds = 0;
    while rounds < 3 {
        rounds += 1;
        for (stream, own) in streams.iter().zip(&mut rooms) {
            while room > 0 && *own > 0 {
                let part = room.min(*own).min(16 << 10);
                client.send(&frame(DATA, 0, *stream, &vec![b'x'; part as usize])).unwrap();
                (room, *own, rounds) = (room - part, *own - part, 0);
            }
        }
        client.send(&frame(PING, 0, 0, &[7; 8])).unwrap();
        loop {
            let frame = client.next().expect("the connection goes on");
            match frame.kind {
                PING => break,
                WINDOW_UPDATE => {
                    let by = u32::from_be_bytes(frame.payload.try_into().unwrap());
                    match streams.iter().position(|stream| *stream == frame.stream) {
                        Some(at) => rooms[at] += by,
                        None if frame.stream == 0 => room += by,
                        None => {}
                    }
                    rounds = 0;
                }
                _ => {}
            }
        }
    }
    assert_eq!(room, 0);
}

#[test]
fn a_body_that_has_no_room_beside_others_is_not_late() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    a.reply_to("/hang", Reply::hang());
    let lb = Lb::start(&format!(
        "listeners: [ {{ address: 127.0.0.1:0, client: {{ body: {{ idle: 1s }} }} }} ]\n\
         routes: [ {{ path: /quick, pool: quick }}, {{ pool: web }} ]\npools:\n  quick:\n    \
         health_check: off\n    backends: [{}]\n  web:\n    health_check: off\n    \
         queue: {{ timeout: 60s }}\n    backends: [{}]\n",
        addresses(&[&b]),
        entry(&a, "max_connections: 1"),
    ));
    let mut holder = FrameClient::open(lb.address());
    holder.send(&get(1, "/hang")).unwrap();
    a.wait_for_requests(1);
    let post = |stream: u32, path: &str| {
        let head = frame(HEADERS, END_HEADERS, stream, &request("POST", path, &[]));
        [head, frame(DATA, 0, stream, b"x")].concat()
    };
    let mut client = FrameClient::bare(lb.address());
    client.send(&[PREFACE, &settings(&[]), &frame(SETTINGS, ACK, 0, &[])].concat()).unwrap();
    let opened = |frame: &Frame| frame.kind == WINDOW_UPDATE && frame.stream == 0;
    assert!(client.until(opened).is_some());
    let bodies: Vec<u32> = (0..4).map(|number| 2 * number + 1).collect();
    for stream in &bodies {
        client.send(&post(*stream, "/waits")).unwrap();
    }
    client.send(&[post(101, "/quick/on"), post(103, "/quick/idle")].concat()).unwrap();
    fill(&mut client, &bodies, 6);
    // Others that begin now are late, one after another.
    let mut other = FrameClient::open(lb.address());
    for number in 0..2 {
        other.send(&post(2 * number + 1, &format!("/quick/late{number}"))).unwrap();
        assert_eq!(lb.line_of(&format!("/quick/late{number}"))["status"], 408);
    }
    assert!(!lb.log_text().contains("/quick/on") && !lb.log_text().contains("/quick/idle"));
    client.send(&[reset(1, 8), reset(3, 8)].concat()).unwrap();
    assert!(client.until(opened).is_some());
    client.send(&frame(DATA, END_STREAM, 101, b"y")).unwrap();
    assert_eq!(lb.line_of("/quick/on")["status"], 200);
    assert_eq!(b.requests_to("/quick/on")[0].body, b"xy");
    assert_eq!(lb.line_of("/quick/idle")["status"], 408);
}

/// As the frames of two bodies alternate, none of them is joined when it comes. The `h2` crate closes a connection for
/// half as many that nobody takes.
#[test]
fn small_frames_of_bodies_that_no_backend_takes_may_be_as_many_as_fit() {
    let (a, gate) = (ScriptedBackend::named("a"), Gate::closed());
    a.reply_to("/hold", Reply::behind(&gate, "held"));
    let lb = Lb::over_entries(&entry(&a, "max_connections: 1"), "    queue: { timeout: 60s }");
    let mut client = FrameClient::open(lb.address());
    client.send(&get(1, "/hold")).unwrap();
    a.wait_for_requests(1);
    let begin =
        |stream| frame(HEADERS, END_HEADERS, stream, &request("POST", &format!("/{stream}"), &[]));
    client.send(&[begin(3), begin(5)].concat()).unwrap();
    eventually(PATIENCE, "both wait", || lb.queued() == 2);
    let both = [frame(DATA, 0, 3, &[b'x'; 100]), frame(DATA, 0, 5, &[b'y'; 100])].concat();
    for _ in 0..100 {
        client.send(&both.repeat(80)).unwrap();
    }
    client
        .send(&[frame(DATA, END_STREAM, 3, b""), frame(DATA, END_STREAM, 5, b"")].concat())
        .unwrap();
    gate.open();
    let mut answered = 0;
    while answered < 3 {
        assert!(client.until(Frame::ends_answer).is_some(), "{:?}", lb.listener().cuts());
        answered += 1;
    }
    for (path, byte) in [("/3", b'x'), ("/5", b'y')] {
        assert_eq!(a.requests_to(path)[0].body, vec![byte; 800_000], "{path}");
    }
}

#[test]
fn informational_answers_wait_for_the_client() {
    // What systems hold is less.
    const WRITTEN: usize = 32 << 20;
    let backend = TcpListener::bind("127.0.0.1:0").unwrap();
    let lb = Lb::start(&format!(
        "listeners: [ {{ address: 127.0.0.1:0, client: {{ write: 3s }} }} ]\n\
         routes: [ {{ pool: web }} ]\npools:\n  web:\n    health_check: off\n    \
         backends: [ {{ address: '{}' }} ]\n",
        backend.local_addr().unwrap(),
    ));
    let mut client = FrameClient::open(lb.address());
    client.send(&get(1, "/")).unwrap();
    let (mut stream, _) = backend.accept().unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let hint = format!("HTTP/1.1 103 Early Hints\r\nLink: </{}>\r\n\r\n", "a".repeat(16_000));
    let hints = hint.repeat(64).into_bytes();
    let mut written = 0;
    while written < WRITTEN
        && let Ok(more) = stream.write(&hints)
    {
        written += more;
    }
    assert!(written < WRITTEN, "all were taken");
    eventually(PATIENCE, "the client is cut", || cut(&lb) == Some(Cut::TookNothing));
}

#[test]
fn a_request_beyond_128_is_refused_and_can_be_repeated() {
    let (a, gate) = (ScriptedBackend::named("a"), Gate::closed());
    a.reply_to("/held", Reply::behind(&gate, "held"));
    let lb = Lb::over(&[&a], "");
    let mut client = FrameClient::open(lb.address());
    for number in 0..129 {
        client.send(&get(2 * number + 1, "/held")).unwrap();
    }
    let refused = client.until(|frame| frame.kind == RESET).unwrap();
    assert_eq!((refused.stream, refused.error()), (257, 7));
    // It is counted once it has been written.
    eventually(PATIENCE, "it is counted", || lb.listener().refused_streams.get() == 1);
    gate.open();
    for _ in 0..128 {
        assert!(client.until(|frame| frame.ends_answer()).is_some());
    }
    client.send(&get(259, "/")).unwrap();
    assert!(client.until(|frame| frame.ends_answer() && frame.stream == 259).is_some());
}

#[test]
fn a_silent_client_is_asked_whether_it_is_there() {
    let a = ScriptedBackend::named("a");
    a.reply_to("/hang", Reply::hang());
    let lb = Lb::with_client_limits(&a, "{ keepalive: 200ms, write: 400ms }");
    let mut client = FrameClient::open(lb.address());
    client.send(&get(1, "/hang")).unwrap();
    let is_ping = |frame: &Frame| frame.kind == PING && frame.flags == 0;
    for _ in 0..3 {
        let ping = client.until(is_ping).expect("a PING");
        client.send(&frame(PING, ACK, 0, &ping.payload)).unwrap();
    }
    assert_eq!((lb.active(&a), cut(&lb)), (1, None));
    client.until(is_ping).expect("a PING");
    let end = client.until(|frame| frame.kind == GO_AWAY).expect("a GOAWAY");
    assert_eq!(end.error(), 0);
    eventually(PATIENCE, "the backend is free", || lb.active(&a) == 0);
    eventually(PATIENCE, "it is counted", || cut(&lb) == Some(Cut::Silent));
}

/// A request in as many frames as it needs.
fn in_frames(flags: u8, stream: u32, block: &[u8]) -> Vec<u8> {
    let mut pieces = block.chunks(16_384).peekable();
    let mut all = Vec::new();
    let (mut kind, mut first) = (HEADERS, flags);
    while let Some(piece) = pieces.next() {
        let end = if pieces.peek().is_none() { END_HEADERS } else { 0 };
        all.extend(frame(kind, first | end, stream, piece));
        (kind, first) = (CONTINUATION, 0);
    }
    all
}

#[test]
fn a_header_list_that_is_too_large_is_answered_with_a_431_and_logged() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let crumbs = request("GET", "/crumbs", &vec![("cookie", "a=b"); 10_000]);
    let value = request("GET", "/value", &[("x", &"y".repeat(65_536))]);
    let path = request("GET", &format!("/{}", "x".repeat(66_000)), &[]);
    // RFC 9113 section 6.5.2 counts 32 bytes for each field beside its text.
    let others = 5 * 32 + ":method GET :scheme http :authority a :path /exact x".len() - 8;
    let exact = request("GET", "/exact", &[("x", &"y".repeat(65_536 - others))]);
    for (block, logged) in [(crumbs, "/crumbs"), (value, "/value"), (path, "/"), (exact, "/exact")]
    {
        let mut client = FrameClient::open(lb.address());
        client.send(&in_frames(END_STREAM, 1, &block)).unwrap();
        let is_first = |frame: &Frame| frame.kind == HEADERS || frame.kind == GO_AWAY;
        let Some(Frame { kind: HEADERS, payload, .. }) = client.until(is_first) else {
            panic!("the connection has ended")
        };
        assert_eq!(status(&payload), 431, "{logged}");
        let line = lb.line_of(logged);
        assert_eq!(line["status"], 431);
        assert_eq!(line["error"], "the fields of the request are larger than 64 KiB");
        // What fits is forwarded, in as many frames as it takes.
        let fits = request("GET", "/fits", &[("x", &"y".repeat(60_000))]);
        client.send(&in_frames(END_STREAM, 3, &fits)).unwrap();
        assert!(client.until(|frame| frame.ends_answer() && frame.stream == 3).is_some());
        assert_eq!(a.requests().pop().unwrap().header_lines("x")[0].len(), 60_000);
    }
    assert_eq!(a.requests().len(), 4);
    assert_eq!(cut(&lb), None);
}

#[test]
fn a_refusal_is_not_forgotten_however_many_come_with_it() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let mut client = FrameClient::open(lb.address());
    let large = request("DELETE", "/large", &[("if-match", "x"), ("x", &"y".repeat(66_000))]);
    let mut all = in_frames(END_STREAM, 1, &large);
    for number in 1..200 {
        let fragment = request("GET", "/a#b", &[]);
        all.extend(frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, &fragment));
    }
    client.send(&all).unwrap();
    let answer = client.until(|frame| frame.stream == 1 && frame.kind == HEADERS).unwrap();
    assert_eq!(status(&answer.payload), 431);
    assert_eq!(lb.line_of("/large")["status"], 431);
    lb.log_lines(100);
    assert_eq!(a.requests().len(), 0);
}

#[test]
fn trailers_of_a_request_that_was_refused_end_no_connection() {
    let (a, gate) = (ScriptedBackend::named("a"), Gate::closed());
    a.reply_to("/held", Reply::behind(&gate, "held"));
    let lb = Lb::over(&[&a], "");
    let mut client = FrameClient::open(lb.address());
    for number in 0..128 {
        client.send(&get(2 * number + 1, "/held")).unwrap();
    }
    let post = request("POST", "/", &[]);
    client.send(&frame(HEADERS, END_HEADERS, 257, &post)).unwrap();
    let refused = client.until(|frame| frame.kind == RESET).unwrap();
    assert_eq!((refused.stream, refused.error()), (257, 7));
    let trailers = fields(&[(b"x-sum", b"1")]);
    client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 257, &trailers)).unwrap();
    gate.open();
    for _ in 0..128 {
        assert!(client.until(|frame| frame.ends_answer()).is_some());
    }
    client.send(&get(259, "/")).unwrap();
    assert!(client.until(|frame| frame.ends_answer() && frame.stream == 259).is_some());
}

#[test]
fn a_body_that_goes_on_within_one_frame_is_no_pause() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::with_client_limits(&a, "{ body: { idle: 1s } }");
    let mut client = FrameClient::open(lb.address());
    let block = request("POST", "/slow", &[("content-length", "40")]);
    client.send(&frame(HEADERS, END_HEADERS, 1, &block)).unwrap();
    let whole = frame(DATA, END_STREAM, 1, &[b'x'; 40]);
    let began = clock::now();
    for piece in whole.chunks(4) {
        client.send(piece).unwrap();
        thread::sleep(Duration::from_millis(180));
    }
    assert!(clock::now() - began > Duration::from_secs(1), "it takes longer than a pause may");
    let answer = client.until(|frame| frame.kind == HEADERS).expect("an answer");
    assert_eq!(status(&answer.payload), 200);
    assert_eq!(a.requests()[0].body, [b'x'; 40]);
}

#[test]
fn a_body_comes_through_as_it_is_however_its_frames_are_cut() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let body: Vec<u8> = (0..200_000_u32).map(|number| (number / 7) as u8).collect();
    for size in [1000, 4099, 16_400, 50_000] {
        let mut client = FrameClient::open(lb.address());
        let mut all = frame(HEADERS, END_HEADERS, 1, &request("POST", "/", &[]));
        for (number, piece) in body.chunks(10_000).enumerate() {
            let padded = [&[99][..], piece, &[0; 99]].concat();
            let is_padded = number % 2 == 1;
            let flags = if number == 19 { END_STREAM } else { 0 } | if is_padded { 0x8 } else { 0 };
            all.extend(frame(DATA, flags, 1, if is_padded { &padded } else { piece }));
            all.extend(frame(PING, 0, 0, &[number as u8; 8]));
        }
        for piece in all.chunks(size) {
            client.send(piece).unwrap();
            thread::yield_now();
        }
        assert!(client.until(|frame| frame.ends_answer()).is_some());
        assert_eq!(a.requests().pop().unwrap().body, body, "in pieces of {size}");
    }
    for line in lb.log_lines(4) {
        assert_eq!(line["request_bytes"], body.len(), "{line}");
    }
}
