//! What RFC 9113 and RFC 7541 say that a server does, section by section, with frames of any kind.
//!
//! The cases are those of a well-known public list. Each has a connection of its own.

use crate::support::{
    backend::ScriptedBackend,
    frames::{
        ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, FrameClient, GO_AWAY, HEADERS,
        PADDED, PING, PREFACE, PRIORITY, PUSH, RESET, SETTINGS, WHOLE, WINDOW_UPDATE, fields,
        frame, get, request, reset, settings, status, window,
    },
    lb::Lb,
    reply::Reply,
};

const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE_ERROR: u32 = 6;
const REFUSED_STREAM: u32 = 7;
const COMPRESSION_ERROR: u32 = 9;
const COMPRESSION: &[u32] = &[COMPRESSION_ERROR];
const CLOSED: &[u32] = &[STREAM_CLOSED];
/// The standard has two rules for these.
const CLOSED_OR_OUT_OF_PLACE: &[u32] = &[STREAM_CLOSED, PROTOCOL_ERROR];

/// A step of a case.
enum Step {
    Send(Vec<u8>),
    /// The answer on this stream has come to its end.
    Answered(u32),
}

use Step::{Answered, Send};

/// What the other side does in the end.
#[derive(Debug)]
enum Reaction {
    /// It answers on stream 1 with this status.
    Answers(u16),
    /// It goes on as if nothing had been sent.
    GoesOn,
    /// It goes on, or ends the connection in order.
    GoesOnOrEnds,
    /// It acknowledges: a frame of this kind with ACK.
    Acknowledges(u8),
    /// It ends the stream with one of these codes, or the connection.
    EndsStream(&'static [u32]),
    /// It ends the stream with this code, and the connection goes on.
    EndsStreamAlone(u32),
    /// It ends the connection, with one of these codes if it says one.
    EndsConnection(&'static [u32]),
}

use Reaction::{
    Acknowledges, Answers, EndsConnection, EndsStream, EndsStreamAlone, GoesOn, GoesOnOrEnds,
};

struct Case {
    section: &'static str,
    steps: Vec<Step>,
    reaction: Reaction,
}

fn case(section: &'static str, bytes: Vec<u8>, reaction: Reaction) -> Case {
    Case { section, steps: vec![Send(bytes)], reaction }
}

fn steps(section: &'static str, steps: Vec<Step>, reaction: Reaction) -> Case {
    Case { section, steps, reaction }
}

/// Runs a case. Returns what came instead of the reaction.
fn run(lb: &Lb, case: &Case) -> Result<(), String> {
    let mut client = FrameClient::open(lb.address());
    for step in &case.steps {
        match step {
            // The other side may have ended the connection, which the last step looks at.
            Send(bytes) => drop(client.send(bytes)),
            Answered(stream) => {
                client.until(|frame| frame.ends_answer() && frame.stream == *stream);
            }
        }
    }
    let mut seen = Vec::new();
    let found = look(&mut client, &case.reaction, &mut seen);
    if found { Ok(()) } else { Err(format!("{}: {:?}, not {seen:?}", case.section, case.reaction)) }
}

fn look(client: &mut FrameClient, reaction: &Reaction, seen: &mut Vec<String>) -> bool {
    const MARK: [u8; 8] = *b"the end.";
    if matches!(reaction, GoesOn | GoesOnOrEnds) {
        let _ = client.send(&frame(PING, 0, 0, &MARK));
    }
    loop {
        let Ok(next) = client.next_in_time() else { return false };
        let Some(frame) = next else {
            seen.push("closed".to_owned());
            return matches!(reaction, EndsStream(_) | EndsConnection(_) | GoesOnOrEnds);
        };
        seen.push(format!("{} on {} with {}", frame.kind, frame.stream, frame.flags));
        match (reaction, frame) {
            (EndsStream(codes) | EndsConnection(codes), end @ Frame { kind: GO_AWAY, .. }) => {
                seen.push(format!("code {}", end.error()));
                return codes.contains(&end.error());
            }
            (EndsStream(codes), end @ Frame { kind: RESET, .. }) => {
                seen.push(format!("code {}", end.error()));
                return codes.contains(&end.error());
            }
            (EndsStreamAlone(code), end @ Frame { kind: RESET, .. }) => {
                seen.push(format!("code {}", end.error()));
                return *code == end.error() && look(client, &GoesOn, seen);
            }
            (_, end @ Frame { kind: GO_AWAY, .. }) => {
                return matches!(reaction, GoesOnOrEnds) && end.error() == 0;
            }
            (Answers(wanted), Frame { kind: HEADERS, stream: 1, payload, .. }) => {
                seen.push(format!("status {}", status(&payload)));
                return status(&payload) == *wanted;
            }
            (Acknowledges(wanted), Frame { kind, flags: ACK, .. }) if kind == *wanted => {
                return true;
            }
            (GoesOn | GoesOnOrEnds, Frame { kind: PING, payload, .. }) if payload == MARK => {
                return true;
            }
            _ => {}
        }
    }
}

/// Runs all of them, and says which failed.
#[track_caller]
fn holds(cases: &[Case]) {
    let a = ScriptedBackend::named("a");
    a.reply_to("/hang", Reply::hang());
    let lb = Lb::over(&[&a], "");
    let failed: Vec<_> = cases.iter().filter_map(|case| run(&lb, case).err()).collect();
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), cases.len(), failed.join("\n"));
}

fn headers(flags: u8, stream: u32, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, flags, stream, block)
}

fn usual() -> Vec<u8> {
    request("GET", "/", &[])
}

/// The header of a request whose body follows.
fn post(path: &str) -> Vec<u8> {
    headers(END_HEADERS, 1, &request("POST", path, &[]))
}

fn data(flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    frame(DATA, flags, stream, payload)
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// A request in which these fields stand in place of the usual ones.
fn odd(all: &[(&str, &str)]) -> Vec<u8> {
    let all: Vec<_> = all.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    headers(WHOLE, 1, &fields(&all))
}

const METHOD: (&str, &str) = (":method", "GET");
const SCHEME: (&str, &str) = (":scheme", "http");
const PATH: (&str, &str) = (":path", "/");
const AUTHORITY: (&str, &str) = (":authority", "a");

#[test]
fn frames_of_every_kind_are_taken() {
    holds(&every_kind());
}

fn every_kind() -> Vec<Case> {
    let priority = |stream, payload: &[u8]| frame(PRIORITY, 0, stream, payload);
    let weighted = [&[0, 0, 0, 0, 255][..], &usual()].concat();
    let padded = [&[3][..], &usual(), &[0; 3]].concat();
    vec![
        case("1/1", vec![], GoesOn),
        case("2/1", priority(1, &[0, 0, 0, 0, 16]), GoesOn),
        case("2/2", join(&[&get(1, "/"), &window(1, 1)]), Answers(200)),
        case("2/3", join(&[&get(1, "/"), &priority(1, &[0; 5])]), Answers(200)),
        case("2/4", join(&[&get(1, "/hang"), &reset(1, 8)]), GoesOn),
        steps(
            "2/5",
            vec![Send(get(1, "/")), Answered(1), Send(priority(1, &[0, 0, 0, 0, 1]))],
            GoesOn,
        ),
        case("3.1/1", join(&[&post("/"), &data(END_STREAM, 1, b"test")]), Answers(200)),
        case(
            "3.1/2",
            join(&[&post("/"), &data(0, 1, b"test"), &data(END_STREAM, 1, b"test")]),
            Answers(200),
        ),
        case(
            "3.1/3",
            join(&[&post("/"), &data(PADDED | END_STREAM, 1, b"\x03test\0\0\0")]),
            Answers(200),
        ),
        case("3.2/1", get(1, "/"), Answers(200)),
        case("3.2/2", headers(WHOLE | PADDED, 1, &padded), Answers(200)),
        case("3.2/3", headers(WHOLE | 0x20, 1, &weighted), Answers(200)),
        case("3.3/1", join(&[&priority(1, &[0; 5]), &get(1, "/")]), Answers(200)),
        case("3.3/2", join(&[&priority(1, &[0, 0, 0, 0, 255]), &get(1, "/")]), Answers(200)),
        case("3.3/3", join(&[&priority(1, &[0, 0, 0, 3, 9]), &get(1, "/")]), Answers(200)),
        case("3.3/4", join(&[&priority(1, &[128, 0, 0, 3, 9]), &get(1, "/")]), Answers(200)),
        case("3.3/5", join(&[&priority(5, &[0; 5]), &get(1, "/")]), Answers(200)),
    ]
}

#[test]
fn frames_of_other_kinds_are_taken_and_requests_answered() {
    holds(&other_kinds());
}

fn other_kinds() -> Vec<Case> {
    let block = usual();
    let (first, rest) = block.split_at(10);
    let (second, third) = rest.split_at(5);
    vec![
        case("3.4/1", join(&[&post("/hang"), &reset(1, 8)]), GoesOn),
        case("generic 3.5/1", settings(&[(3, 100)]), Acknowledges(SETTINGS)),
        case("3.7/1", frame(PING, 0, 0, b"h2specXX"), Acknowledges(PING)),
        case("3.8/1", frame(GO_AWAY, 0, 0, &[0; 8]), GoesOnOrEnds),
        case("3.9/1", join(&[&window(0, 1), &get(1, "/")]), Answers(200)),
        case("3.9/2", join(&[&post("/"), &window(1, 1), &data(1, 1, b"")]), Answers(200)),
        case(
            "3.10/1",
            join(&[&headers(END_STREAM, 1, first), &frame(CONTINUATION, END_HEADERS, 1, rest)]),
            Answers(200),
        ),
        case(
            "3.10/2",
            join(&[
                &headers(END_STREAM, 1, first),
                &frame(CONTINUATION, 0, 1, second),
                &frame(CONTINUATION, END_HEADERS, 1, third),
            ]),
            Answers(200),
        ),
        case("4/1", get(1, "/"), Answers(200)),
        case("4/2", headers(WHOLE, 1, &request("HEAD", "/", &[])), Answers(200)),
        case("4/3", join(&[&post("/"), &data(END_STREAM, 1, b"body")]), Answers(200)),
        case(
            "4/4",
            join(&[&post("/"), &data(0, 1, b"body"), &headers(WHOLE, 1, &fields(&[(b"x", b"y")]))]),
            Answers(200),
        ),
    ]
}

#[test]
fn fields_are_taken_in_every_form() {
    holds(&compressed());
}

fn compressed() -> Vec<Case> {
    // "user-agent" has the index 58; the others are new. The texts are Huffman-coded in half of them.
    let (plain, coded) = (&b"\x05agent"[..], &b"\x89\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf"[..]);
    let with = |more: &[&[u8]]| headers(WHOLE, 1, &[&usual()[..], &more.concat()].concat());
    let name = |first: u8| vec![first, 1, b'x'];
    let coded_name = |first: u8| vec![first, 0x81, 0xf3];
    vec![
        case("5/1", headers(WHOLE, 1, &[0x82, 0x86, 0x84, 0x41, 1, b'a']), Answers(200)),
        case("5/2", with(&[&[0x7a], plain]), Answers(200)),
        case("5/3", with(&[&[0x7a], coded]), Answers(200)),
        case("5/4", with(&[&name(0x40), plain]), Answers(200)),
        case("5/5", with(&[&coded_name(0x40), coded]), Answers(200)),
        case("5/6", with(&[&[0x0f, 0x2b], plain]), Answers(200)),
        case("5/7", with(&[&[0x0f, 0x2b], coded]), Answers(200)),
        case("5/8", with(&[&name(0), plain]), Answers(200)),
        case("5/9", with(&[&coded_name(0), coded]), Answers(200)),
        case("5/10", with(&[&[0x1f, 0x2b], plain]), Answers(200)),
        case("5/11", with(&[&[0x1f, 0x2b], coded]), Answers(200)),
        case("5/12", with(&[&name(0x10), plain]), Answers(200)),
        case("5/13", with(&[&coded_name(0x10), coded]), Answers(200)),
        case("5/14", headers(WHOLE, 1, &[&[0x20][..], &usual()].concat()), Answers(200)),
        case(
            "5/15",
            headers(WHOLE, 1, &[&[0x20, 0x3f, 0xe1, 0x1f][..], &usual()].concat()),
            Answers(200),
        ),
        // RFC 7541.
        case("hpack 2.3.3/1", with(&[&[0xff, 0x80, 0x01]]), EndsConnection(COMPRESSION)),
        case("hpack 2.3.3/2", with(&[&[0x7f, 0x80, 0x01], plain]), EndsConnection(COMPRESSION)),
        case("hpack 4.2/1", with(&[&[0x21]]), EndsConnection(COMPRESSION)),
        case(
            "hpack 5.2/1",
            with(&[&name(0), b"\x87\xa8\xeb\x10\x64\x9c\xbf\xff"]),
            EndsConnection(COMPRESSION),
        ),
        case("hpack 5.2/2", with(&[&name(0), &[0x81, 0xf2]]), EndsConnection(COMPRESSION)),
        case(
            "hpack 5.2/3",
            with(&[&name(0), &[0x84, 0xff, 0xff, 0xff, 0xff]]),
            EndsConnection(COMPRESSION),
        ),
        case("hpack 6.1/1", with(&[&[0x80]]), EndsConnection(COMPRESSION)),
        case(
            "hpack 6.3/1",
            headers(WHOLE, 1, &[&[0x3f, 0xe2, 0x1f][..], &usual()].concat()),
            EndsConnection(COMPRESSION),
        ),
    ]
}

#[test]
fn a_connection_begins_with_a_preface() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let mut client = FrameClient::bare(lb.address());
    client.send(&[PREFACE, &settings(&[])].concat()).unwrap();
    assert_eq!(client.next().map(|frame| frame.kind), Some(SETTINGS), "3.5/1");
    let mut client = FrameClient::bare(lb.address());
    client.send(&[&PREFACE[..20], b"xx\r\n"].concat()).unwrap();
    client.close_output();
    while client.next().is_some() {}
    let mut client = FrameClient::bare(lb.address());
    client.send(&[PREFACE, &frame(PING, 0, 0, &[0; 8])].concat()).unwrap();
    assert!(matches!(client.end(), Some(PROTOCOL_ERROR) | None), "SETTINGS come first");
}

#[test]
fn frames_and_their_sizes() {
    holds(&sizes());
}

fn sizes() -> Vec<Case> {
    let large = |flags, size| data(flags, 1, &vec![b'x'; size]);
    let fits = request("GET", "/", &[("x", &"y".repeat(40_000))]);
    let too_large = request("GET", "/", &[("x", &"y".repeat(66_000))]);
    let reserved = {
        let mut ping = frame(PING, 0, 0, &[0; 8]);
        ping[5] |= 0x80;
        ping
    };
    vec![
        case("4.1/1", frame(0x16, 0, 0, &[0; 8]), GoesOn),
        case("4.1/2", frame(PING, 0x16, 0, &[0; 8]), Acknowledges(PING)),
        case("4.1/3", reserved, Acknowledges(PING)),
        case("4.2/1", join(&[&post("/"), &large(END_STREAM, 65_536)]), Answers(200)),
        case(
            "4.2/2",
            join(&[&post("/"), &large(END_STREAM, 65_537)]),
            EndsStream(&[FRAME_SIZE_ERROR]),
        ),
        case("4.2/3", headers(WHOLE, 1, &too_large), EndsConnection(&[FRAME_SIZE_ERROR])),
        case("fits", headers(WHOLE, 1, &fits), Answers(200)),
        case("4.3/1", headers(WHOLE, 1, b"\x40"), EndsConnection(COMPRESSION)),
        case(
            "4.3/2",
            join(&[&headers(END_STREAM, 1, &usual()), &frame(PRIORITY, 0, 1, &[0; 5])]),
            EndsConnection(&[PROTOCOL_ERROR]),
        ),
        case(
            "4.3/3",
            join(&[&headers(END_STREAM, 1, &usual()), &get(3, "/")]),
            EndsConnection(&[PROTOCOL_ERROR]),
        ),
    ]
}

#[test]
fn streams_have_states() {
    holds(&states());
}

fn states() -> Vec<Case> {
    let half_closed = || join(&[&get(1, "/hang")]);
    let closed = || vec![Send(get(1, "/")), Answered(1)];
    let after = |mut before: Vec<Step>, bytes: Vec<u8>| {
        before.push(Send(bytes));
        before
    };
    let cut = || vec![Send(join(&[&post("/hang"), &reset(1, 8)]))];
    let continuation = || frame(CONTINUATION, END_HEADERS, 1, &fields(&[(b"x", b"y")]));
    let many: Vec<u8> = (0..129).flat_map(|number| get(2 * number + 1, "/hang")).collect();
    vec![
        case("5.1/1", data(END_STREAM, 1, b"x"), EndsConnection(&[PROTOCOL_ERROR])),
        case("5.1/2", reset(1, 8), EndsConnection(&[PROTOCOL_ERROR])),
        case("5.1/3", window(1, 100), EndsConnection(&[PROTOCOL_ERROR])),
        case("5.1/4", continuation(), EndsConnection(&[PROTOCOL_ERROR])),
        case("5.1/5", join(&[&half_closed(), &data(1, 1, b"x")]), EndsStream(CLOSED)),
        case("5.1/6", join(&[&half_closed(), &get(1, "/")]), EndsStream(CLOSED)),
        case(
            "5.1/7",
            join(&[&half_closed(), &continuation()]),
            EndsConnection(CLOSED_OR_OUT_OF_PLACE),
        ),
        steps("5.1/8", after(cut(), data(1, 1, b"x")), EndsStream(CLOSED)),
        steps("5.1/9", after(cut(), get(1, "/")), EndsStream(CLOSED)),
        steps("5.1/10", after(cut(), continuation()), EndsConnection(CLOSED_OR_OUT_OF_PLACE)),
        steps("5.1/11", after(closed(), data(1, 1, b"x")), EndsStream(CLOSED)),
        steps("5.1/12", after(closed(), get(1, "/")), EndsConnection(CLOSED)),
        steps("5.1/13", after(closed(), continuation()), EndsConnection(CLOSED_OR_OUT_OF_PLACE)),
        case("5.1.1/1", get(2, "/"), EndsConnection(&[PROTOCOL_ERROR])),
        case("5.1.1/2", join(&[&get(5, "/hang"), &get(3, "/")]), EndsConnection(&[PROTOCOL_ERROR])),
        case("5.1.2/1", many, EndsStream(&[PROTOCOL_ERROR, REFUSED_STREAM])),
        case(
            "5.3.1/1",
            headers(WHOLE | 0x20, 1, &[&[0, 0, 0, 1, 255][..], &usual()].concat()),
            EndsStreamAlone(PROTOCOL_ERROR),
        ),
        case("5.3.1/2", frame(PRIORITY, 0, 2, &[0, 0, 0, 2, 255]), EndsStream(&[PROTOCOL_ERROR])),
        case("5.4.1/1", frame(PING, 0, 3, &[0; 8]), EndsConnection(&[PROTOCOL_ERROR])),
        case("5.4.1/2", frame(PING, 0, 0, &[0; 7]), EndsConnection(&[FRAME_SIZE_ERROR])),
        case("5.5/1", frame(0xf0, 0, 0, &[0; 8]), GoesOn),
        case(
            "5.5/2",
            join(&[&headers(END_STREAM, 1, &usual()), &frame(0xf0, 0, 0, &[0; 8])]),
            EndsConnection(&[PROTOCOL_ERROR]),
        ),
    ]
}

#[test]
fn frames_are_held_to_their_definitions() {
    holds(&definitions());
}

fn definitions() -> Vec<Case> {
    let ended = || headers(END_STREAM, 1, &usual());
    let protocol = &[PROTOCOL_ERROR];
    let size = &[FRAME_SIZE_ERROR];
    let bad_padding = [&[usual().len() as u8 + 2][..], &usual()].concat();
    vec![
        case("6.1/1", data(0, 0, b"x"), EndsConnection(protocol)),
        case("6.1/2", join(&[&get(1, "/hang"), &data(0, 1, b"x")]), EndsStream(CLOSED)),
        case("6.1/3", join(&[&post("/"), &data(9, 1, b"\x06test")]), EndsConnection(protocol)),
        case("6.2/1", join(&[&ended(), &frame(PRIORITY, 0, 1, &[0; 5])]), EndsConnection(protocol)),
        case("6.2/2", join(&[&ended(), &get(3, "/")]), EndsConnection(protocol)),
        case("6.2/3", get(0, "/"), EndsConnection(protocol)),
        case("6.2/4", headers(WHOLE | PADDED, 1, &bad_padding), EndsConnection(protocol)),
        case("6.3/1", frame(PRIORITY, 0, 0, &[0; 5]), EndsConnection(protocol)),
        case("6.3/2", frame(PRIORITY, 0, 1, &[0; 4]), EndsStream(size)),
        case("6.4/1", reset(0, 8), EndsConnection(protocol)),
        case("6.4/2", reset(1, 8), EndsConnection(protocol)),
        case("6.4/3", join(&[&post("/"), &frame(RESET, 0, 1, &[0; 3])]), EndsConnection(size)),
        case("6.5/1", frame(SETTINGS, ACK, 0, &[0]), EndsConnection(size)),
        case("6.5/2", frame(SETTINGS, 0, 1, &[0, 3, 0, 0, 0, 9]), EndsConnection(protocol)),
        case("6.5/3", frame(SETTINGS, 0, 0, &[0, 3, 0]), EndsConnection(size)),
        case("6.5.2/1", settings(&[(2, 2)]), EndsConnection(protocol)),
        case("6.5.2/2", settings(&[(4, 1 << 31)]), EndsConnection(&[FLOW_CONTROL_ERROR])),
        case("6.5.2/3", settings(&[(5, 16_383)]), EndsConnection(protocol)),
        case("6.5.2/4", settings(&[(5, 16_777_216)]), EndsConnection(protocol)),
        case("6.5.2/5", settings(&[(0xff, 1)]), GoesOn),
        case("6.5.3/2", settings(&[(4, 100)]), Acknowledges(SETTINGS)),
        case("7/1", frame(GO_AWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 0xff]), GoesOnOrEnds),
        case("7/2", join(&[&post("/hang"), &reset(1, 0xff)]), GoesOn),
    ]
}

#[test]
fn pings_windows_and_continuations_are_held_to_their_definitions() {
    holds(&more_definitions());
}

fn more_definitions() -> Vec<Case> {
    let ended = || headers(END_STREAM, 1, &usual());
    let continuation = |flags, stream| frame(CONTINUATION, flags, stream, &fields(&[(b"x", b"y")]));
    let protocol = &[PROTOCOL_ERROR];
    let size = &[FRAME_SIZE_ERROR];
    vec![
        case("6.7/1", frame(PING, 0, 0, &[1; 8]), Acknowledges(PING)),
        case("6.7/2", frame(PING, ACK, 0, &[1; 8]), GoesOn),
        case("6.7/3", frame(PING, 0, 1, &[1; 8]), EndsConnection(protocol)),
        case("6.7/4", frame(PING, 0, 0, &[1; 6]), EndsConnection(size)),
        case("6.8/1", frame(GO_AWAY, 0, 1, &[0; 8]), EndsConnection(protocol)),
        case("6.9/1", window(0, 0), EndsConnection(protocol)),
        case("6.9/2", join(&[&post("/hang"), &window(1, 0)]), EndsStream(protocol)),
        case("6.9/3", frame(WINDOW_UPDATE, 0, 0, &[0; 3]), EndsConnection(size)),
        case(
            "6.9.1/2",
            join(&[&window(0, i32::MAX as u32), &window(0, i32::MAX as u32)]),
            EndsConnection(&[FLOW_CONTROL_ERROR]),
        ),
        case(
            "6.9.1/3",
            join(&[&post("/hang"), &window(1, i32::MAX as u32), &window(1, i32::MAX as u32)]),
            EndsStream(&[FLOW_CONTROL_ERROR]),
        ),
        case("6.9.2/3", settings(&[(4, 1 << 31)]), EndsConnection(&[FLOW_CONTROL_ERROR])),
        case(
            "6.10/1",
            join(&[&ended(), &continuation(0, 1), &continuation(END_HEADERS, 1)]),
            Answers(200),
        ),
        case(
            "6.10/2",
            join(&[&ended(), &continuation(0, 1), &data(1, 1, b"x")]),
            EndsConnection(protocol),
        ),
        case("6.10/3", join(&[&ended(), &continuation(END_HEADERS, 0)]), EndsConnection(protocol)),
        case(
            "6.10/4",
            join(&[&post("/hang"), &continuation(END_HEADERS, 1)]),
            EndsConnection(protocol),
        ),
        case(
            "6.10/5",
            join(&[
                &headers(0, 1, &request("POST", "/hang", &[])),
                &continuation(END_HEADERS, 1),
                &continuation(END_HEADERS, 1),
            ]),
            EndsConnection(protocol),
        ),
        case(
            "6.10/6",
            join(&[&post("/hang"), &data(0, 1, b"x"), &continuation(4, 1)]),
            EndsConnection(protocol),
        ),
    ]
}

#[test]
fn windows_are_obeyed_when_settings_change() {
    let a = ScriptedBackend::replying(Reply::ok("some bytes of a body"));
    let lb = Lb::over(&[&a], "");
    let is_data = |frame: &Frame| frame.kind == DATA && !frame.payload.is_empty();
    let mut client = FrameClient::with(lb.address(), &[(4, 1)]);
    client.send(&get(1, "/")).unwrap();
    assert_eq!(client.until(is_data).unwrap().payload.len(), 1, "6.9.1/1");
    let mut client = FrameClient::with(lb.address(), &[(4, 0)]);
    client.send(&join(&[&get(1, "/"), &settings(&[(4, 1)])])).unwrap();
    assert_eq!(client.until(is_data).unwrap().payload.len(), 1, "6.9.2/1");
    // A window that is below zero counts from there.
    let mut client = FrameClient::with(lb.address(), &[(4, 3)]);
    client.send(&get(1, "/")).unwrap();
    assert_eq!(client.until(is_data).unwrap().payload.len(), 3);
    client.send(&join(&[&settings(&[(4, 2)]), &window(1, 2)])).unwrap();
    assert_eq!(client.until(is_data).unwrap().payload.len(), 1, "6.9.2/2");
    // Of several values the last one counts.
    let mut client = FrameClient::with(lb.address(), &[(4, 100), (4, 1)]);
    client.send(&get(1, "/")).unwrap();
    assert_eq!(client.until(is_data).unwrap().payload.len(), 1, "6.5.3/1");
}

#[test]
fn malformed_messages_end_their_stream() {
    holds(&messages());
}

fn messages() -> Vec<Case> {
    let protocol = &[PROTOCOL_ERROR];
    let alone = || EndsStreamAlone(PROTOCOL_ERROR);
    let refused = |section, all: &[(&str, &str)]| case(section, odd(all), alone());
    let usual = |more: &[(&'static str, &'static str)]| {
        [&[METHOD, SCHEME, PATH, AUTHORITY][..], more].concat()
    };
    let announced = |length: &str| {
        headers(END_HEADERS, 1, &request("POST", "/", &[("content-length", length)]))
    };
    vec![
        case(
            "8.1/1",
            join(&[&post("/hang"), &headers(END_HEADERS, 1, &fields(&[(b"x", b"y")]))]),
            alone(),
        ),
        refused("8.1.2/1", &usual(&[("X-Test", "ok")])),
        refused("8.1.2.1/1", &[METHOD, SCHEME, PATH, AUTHORITY, (":test", "ok")]),
        refused("8.1.2.1/2", &[METHOD, SCHEME, PATH, AUTHORITY, (":status", "200")]),
        case(
            "8.1.2.1/3",
            join(&[&post("/hang"), &headers(WHOLE, 1, &fields(&[(b":method", b"GET")]))]),
            EndsStreamAlone(PROTOCOL_ERROR),
        ),
        refused("8.1.2.1/4", &[METHOD, SCHEME, AUTHORITY, ("x-test", "ok"), PATH]),
        refused("8.1.2.2/1", &usual(&[("connection", "keep-alive")])),
        refused("8.1.2.2/2", &usual(&[("te", "trailers, deflate")])),
        refused("8.1.2.3/1", &[METHOD, SCHEME, (":path", ""), AUTHORITY]),
        refused("8.1.2.3/2", &[SCHEME, PATH, AUTHORITY]),
        refused("8.1.2.3/3", &[METHOD, PATH, AUTHORITY]),
        refused("8.1.2.3/4", &[METHOD, SCHEME, AUTHORITY]),
        refused("8.1.2.3/5", &[METHOD, METHOD, SCHEME, PATH, AUTHORITY]),
        refused("8.1.2.3/6", &[METHOD, SCHEME, SCHEME, PATH, AUTHORITY]),
        refused("8.1.2.3/7", &[METHOD, SCHEME, PATH, PATH, AUTHORITY]),
        case("8.1.2.6/1", join(&[&announced("1"), &data(1, 1, b"test")]), alone()),
        case(
            "8.1.2.6/2",
            join(&[&announced("1"), &data(0, 1, b"te"), &data(1, 1, b"st")]),
            alone(),
        ),
        case(
            "8.2/1",
            frame(PUSH, END_HEADERS, 1, &[&[0, 0, 0, 2][..], &request("GET", "/", &[])].concat()),
            EndsConnection(protocol),
        ),
    ]
}

/// The sections of the public list, and how many cases each has.
const SECTIONS: [(&str, usize); 49] = [
    ("1", 1),
    ("2", 5),
    ("3.1", 3),
    ("3.2", 3),
    ("3.3", 5),
    ("3.4", 1),
    ("generic 3.5", 1),
    ("3.7", 1),
    ("3.8", 1),
    ("3.9", 2),
    ("3.10", 2),
    ("4", 4),
    ("5", 15),
    ("3.5", 2),
    ("4.1", 3),
    ("4.2", 3),
    ("4.3", 3),
    ("5.1", 13),
    ("5.1.1", 2),
    ("5.1.2", 1),
    ("5.3.1", 2),
    ("5.4.1", 2),
    ("5.5", 2),
    ("6.1", 3),
    ("6.2", 4),
    ("6.3", 2),
    ("6.4", 3),
    ("6.5", 3),
    ("6.5.2", 5),
    ("6.5.3", 2),
    ("6.7", 4),
    ("6.8", 1),
    ("6.9", 3),
    ("6.9.1", 3),
    ("6.9.2", 3),
    ("6.10", 6),
    ("7", 2),
    ("8.1", 1),
    ("8.1.2", 1),
    ("8.1.2.1", 4),
    ("8.1.2.2", 2),
    ("8.1.2.3", 7),
    ("8.1.2.6", 2),
    ("8.2", 1),
    ("hpack 2.3.3", 2),
    ("hpack 4.2", 1),
    ("hpack 5.2", 3),
    ("hpack 6.1", 1),
    ("hpack 6.3", 1),
];
/// The cases that are no rows of a table.
const APART: [&str; 6] = ["3.5/1", "3.5/2", "6.5.3/1", "6.9.1/1", "6.9.2/1", "6.9.2/2"];

#[test]
fn the_list_is_complete() {
    let tables = [
        every_kind(),
        other_kinds(),
        compressed(),
        sizes(),
        states(),
        definitions(),
        more_definitions(),
        messages(),
    ];
    let mut found: Vec<_> = tables.iter().flatten().map(|case| case.section).collect();
    found.extend(APART);
    let mut missing = Vec::new();
    for (section, count) in SECTIONS {
        let name = |number: usize| format!("{section}/{number}");
        missing.extend((1..=count).map(name).filter(|name| !found.contains(&&**name)));
    }
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(SECTIONS.iter().map(|(_, count)| count).sum::<usize>(), 147);
}

/// What is malformed in one request ends that one alone, and what it has told the table of the
/// compression is there for the next one.
#[test]
fn no_field_ends_more_than_its_stream() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let bad: [(&[u8], &[u8]); 16] = [
        (b"X", b"y"),
        (b"x y", b"y"),
        (b"", b"y"),
        (b"x\x80", b"y"),
        (b"x", b"a\r\nb"),
        (b"x", b"\0"),
        (b":x", b"y"),
        (b":", b"y"),
        (b":status", b"200"),
        (b":method", b"G T"),
        (b":method", b""),
        (b":path", b"\xff"),
        (b":scheme", b"\xff"),
        (b":protocol", b"\xff"),
        (b"connection", b"close"),
        (b"te", b"gzip"),
    ];
    let mut client = FrameClient::open(lb.address());
    for (number, (name, value)) in (0..).zip(bad) {
        let stream = 4 * number + 1;
        // It is stored, then a good field is, and then both are meant by their numbers.
        let stored = |name: &[u8], value: &[u8]| {
            let text = |text: &[u8]| [&[text.len() as u8][..], text].concat();
            [&[0x40][..], &text(name), &text(value)].concat()
        };
        let first = [usual(), stored(name, value), stored(b"x-good", &[b'0' + number as u8])];
        client.send(&headers(WHOLE, stream, &first.concat())).unwrap();
        let end = client.until(|frame| frame.kind == RESET || frame.kind == GO_AWAY).unwrap();
        assert_eq!((end.kind, end.error()), (RESET, PROTOCOL_ERROR), "{name:?}={value:?}");
        let good = [usual(), vec![0xbe]].concat();
        client.send(&headers(WHOLE, stream + 2, &good)).unwrap();
        let answer = client.until(|frame| frame.ends_answer() && frame.stream == stream + 2);
        assert!(answer.is_some(), "after {name:?}={value:?}");
        let seen = a.requests().pop().unwrap();
        assert_eq!(seen.header_lines("x-good"), [char::from(b'0' + number as u8).to_string()]);
    }
    // All are in the table, but the first ones are not told again.
    client.send(&headers(WHOLE, 999, &[usual(), vec![0xbf]].concat())).unwrap();
    let end = client.until(|frame| frame.kind == RESET || frame.kind == GO_AWAY).unwrap();
    assert_eq!((end.kind, end.error()), (RESET, PROTOCOL_ERROR));
    assert_eq!(a.requests().len(), bad.len());
}
