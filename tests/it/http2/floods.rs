//! Frames that move nothing end their connection, with a reason in metrics, and no other one.

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    eventually::eventually,
    frames::{
        CONTINUATION, DATA, END_HEADERS, FrameClient, HEADERS, PING, PRIORITY, SETTINGS, fields,
        frame, get, request, reset, settings, window,
    },
    lb::Lb,
    reply::Reply,
};
use lb::count::Cut;

const CALM: u32 = 11;

/// The number of connections that were cut for this reason.
fn cuts(lb: &Lb, why: Cut) -> u64 {
    let all = Cut::ALL.into_iter().zip(lb.listener().cuts());
    all.filter(|(cut, _)| *cut == why).map(|(_, count)| count).sum()
}

/// Sends a flood, piece by piece, and asserts that it ends with this reason, while another connection
/// is served.
#[track_caller]
fn is_cut(why: Cut, first: &[u8], piece: impl Fn(u32) -> Vec<u8>) {
    let a = ScriptedBackend::named("a");
    a.reply_to("/hang", Reply::hang());
    a.reply_to("/large", Reply::ok("x".repeat(1 << 20)));
    let lb = Lb::over(&[&a], "");
    let mut bystander = FrameClient::open(lb.address());
    let mut client = FrameClient::open(lb.address());
    client.send(first).unwrap();
    for number in 0..20_000 {
        if client.send(&piece(number)).is_err() || number % 64 == 0 && cuts(&lb, why) > 0 {
            break;
        }
    }
    eventually(PATIENCE, "it is cut", || lb.listener().cuts().iter().sum::<u64>() == 1);
    assert_eq!(cuts(&lb, why), 1, "{:?}", lb.listener().cuts());
    client.close_output();
    assert!(matches!(client.end(), Some(CALM) | None));
    bystander.send(&get(1, "/")).unwrap();
    assert!(bystander.until(|frame| frame.ends_answer()).is_some());
}

/// The number of the stream of the request with this number.
fn stream(number: u32) -> u32 {
    2 * number + 1
}

#[test]
fn requests_that_are_cancelled_at_once() {
    is_cut(Cut::Resets, &[], |number| {
        [get(stream(number), "/hang"), reset(stream(number), 8)].concat()
    });
}

#[test]
fn a_request_that_is_cancelled_before_it_is_read_costs_no_backend_anything() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let mut client = FrameClient::open(lb.address());
    // They come in one piece.
    let pairs = (0..50)
        .flat_map(|number| [get(stream(number), "/cancelled"), reset(stream(number), 8)].concat());
    client.send(&pairs.chain(get(stream(50), "/")).collect::<Vec<_>>()).unwrap();
    assert!(client.until(|frame| frame.ends_answer() && frame.stream == stream(50)).is_some());
    let paths: Vec<_> = a.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/"]);
    // Nor has any of them been a request for the log.
    eventually(PATIENCE, "nothing is under way", || lb.in_flight() == 0);
    lb.line_of("/");
    assert_eq!(lb.log_lines(1).len(), 1, "{}", lb.log_text());
}

/// Each has reached its backend before it is cancelled, so nothing but the budget counts it.
#[test]
fn requests_that_are_cancelled_while_they_are_served() {
    let a = ScriptedBackend::named("a");
    a.reply_to("/hang", Reply::hang());
    let lb = Lb::over(&[&a], "");
    let mut client = FrameClient::open(lb.address());
    // The budget grows with the time that this takes.
    for number in 0..20_000 {
        if client.send(&get(stream(number), "/hang")).is_err() || cuts(&lb, Cut::Resets) > 0 {
            break;
        }
        eventually(PATIENCE, "it is there, or the client is cut", || {
            a.count(|_| true) > number as usize || cuts(&lb, Cut::Resets) > 0
        });
        let _ = client.send(&reset(stream(number), 8));
    }
    assert_eq!(cuts(&lb, Cut::Resets), 1, "{:?}", lb.listener().cuts());
    let served = a.count(|_| true);
    assert!(served < 2000, "{served} were served");
    assert!(matches!(client.end(), Some(CALM) | None));
    eventually(PATIENCE, "the backend is free", || lb.active(&a) == 0);
}

#[test]
fn requests_beyond_the_limit_on_streams() {
    is_cut(Cut::Requests, &[], |number| get(stream(number), "/hang"));
}

#[test]
fn malformed_requests() {
    is_cut(Cut::Malformed, &[], |number| {
        let block = request("GET", "/", &[("connection", "close")]);
        frame(HEADERS, 0x5, stream(number), &block)
    });
}

#[test]
fn fields_in_many_frames() {
    let first = frame(HEADERS, 0x1, 1, &request("GET", "/", &[]));
    is_cut(Cut::Continuation, &first, |number| {
        let name = format!("x-{number}");
        frame(CONTINUATION, 0, 1, &fields(&[(name.as_bytes(), b"y")]))
    });
}

#[test]
fn fields_that_unfold() {
    // A field of 4,000 bytes in the table, and then one byte for each time that it is repeated.
    let value = "x".repeat(4000);
    let mut first = vec![0x40, 1, b'a'];
    first.extend(crate::support::frames::integer(value.len(), 7, 0));
    first.extend(value.as_bytes());
    let block = [request("GET", "/", &[]), first, vec![0xbe; 12_000]].concat();
    is_cut(Cut::FieldList, &[], |number| frame(HEADERS, 0x1 | END_HEADERS, stream(number), &block));
}

#[test]
fn fields_that_are_too_many_again_and_again() {
    // Crumbs of a cookie, each of which is one byte: 123 KB in all.
    let crumb = [&[0x40, 6][..], b"cookie", &[3], b"a=b"].concat();
    let block = [request("GET", "/", &[]), crumb, vec![0xbe; 3000]].concat();
    is_cut(Cut::FieldList, &[], |number| frame(HEADERS, 0x1 | END_HEADERS, stream(number), &block));
}

#[test]
fn malformed_requests_in_one_piece() {
    let malformed = |number| {
        let block = request("GET", "/", &[("X-Upper", "1")]);
        frame(HEADERS, 0x5, stream(number), &block)
    };
    is_cut(Cut::Malformed, &[], |number| {
        (1000 * number..1000 * (number + 1)).flat_map(malformed).collect()
    });
}

#[test]
fn settings_again_and_again() {
    is_cut(Cut::Settings, &[], |number| settings(&[(4, 65_535 - number % 2)]));
    is_cut(Cut::Settings, &[], |_| frame(SETTINGS, 0, 0, &[]));
}

#[test]
fn pings() {
    is_cut(Cut::Pings, &[], |number| frame(PING, 0, 0, &u64::from(number).to_be_bytes()));
}

#[test]
fn a_request_whose_connection_is_cut_is_logged_with_the_reason() {
    let a = ScriptedBackend::replying(Reply::hang());
    let lb = Lb::over(&[&a], "");
    let mut client = FrameClient::open(lb.address());
    client.send(&get(1, "/hang")).unwrap();
    a.wait_for_requests(1);
    // An error means that it has been cut.
    let _ = client.send(&frame(PING, 0, 0, &[0; 8]).repeat(5000));
    let line = lb.line_of("/hang");
    assert_eq!(
        (&line["status"], &line["error"]),
        (&499.into(), &"lb cut the connection (ping)".into())
    );
}

#[test]
fn data_without_data() {
    let first = frame(HEADERS, END_HEADERS, 1, &request("POST", "/hang", &[]));
    is_cut(Cut::EmptyFrames, &first, |_| frame(DATA, 0, 1, &[]));
    is_cut(Cut::EmptyFrames, &first, |_| frame(DATA, 0x8, 1, &[255; 256]));
}

#[test]
fn windows_that_open_by_a_byte() {
    let first = [settings(&[(4, 0)]), get(1, "/large")].concat();
    is_cut(Cut::WindowUpdates, &first, |_| window(1, 1));
    let first = get(1, "/hang");
    is_cut(Cut::WindowUpdates, &first, |_| window(0, 1));
}

#[test]
fn priorities_and_frames_of_no_known_kind() {
    is_cut(Cut::OtherFrames, &[], |number| frame(PRIORITY, 0, 2 * number + 3, &[0, 0, 0, 0, 16]));
    is_cut(Cut::OtherFrames, &[], |_| frame(0xfa, 0, 0, &[0; 64]));
}

#[test]
fn ordinary_clients_are_not_cut() {
    let a = ScriptedBackend::named("a");
    a.reply_to("/hang", Reply::hang());
    let lb = Lb::over(&[&a], "");
    let mut client = FrameClient::open(lb.address());
    let mut number = 0;
    // All streams are cancelled at once, as when a page is left.
    for _ in 0..120 {
        client.send(&get(stream(number), "/hang")).unwrap();
        number += 1;
    }
    for cancelled in 0..120 {
        client.send(&reset(stream(cancelled), 8)).unwrap();
    }
    // A proxy's connection: for every two requests one is cancelled, and there are windows, priorities
    // and pings beside them.
    for _ in 0..600 {
        for path in ["/", "/"] {
            let next = stream(number);
            client.send(&get(next, path)).unwrap();
            let answer = client.until(|frame| frame.ends_answer() && frame.stream == next);
            assert!(answer.is_some(), "after {number} requests: {:?}", lb.listener().cuts());
            number += 1;
        }
        let next = stream(number);
        let beside = [
            get(next, "/hang"),
            reset(next, 8),
            window(0, 2),
            frame(PRIORITY, 0, next, &[0, 0, 0, 0, 16]),
            frame(PING, 0, 0, &[0; 8]),
        ];
        client.send(&beside.concat()).unwrap();
        number += 1;
    }
    assert_eq!(lb.listener().cuts().iter().sum::<u64>(), 0);
}
