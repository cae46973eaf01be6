//! What lies between HTTP/2 and HTTP/1: a field of the one that would be several lines of the other,
//! or the end of a request. Nothing of it reaches a backend.

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    eventually::eventually,
    frames::{
        DATA, END_HEADERS, END_STREAM, Frame, FrameClient, GO_AWAY, HEADERS, RESET, WHOLE, fields,
        frame, get, status,
    },
    lb::Lb,
};

type Field<'a> = (&'a [u8], &'a [u8]);

/// What a smuggler wants a backend to see.
const SMUGGLED: &[u8] = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\nX-Smuggled: 1\r\n\r\n";

/// An ordinary request, whose pseudo-field of this name has this value.
fn pseudo<'a>(name: &'a [u8], value: &'a [u8]) -> Vec<Field<'a>> {
    let usual: [Field<'a>; 4] =
        [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/odd"), (b":authority", b"a")];
    usual.map(|(usual, is)| (usual, if usual == name { value } else { is })).to_vec()
}

/// An ordinary request with these fields behind.
fn with<'a>(more: &[Field<'a>]) -> Vec<Field<'a>> {
    [pseudo(b"", b""), more.to_vec()].concat()
}

/// How a request ended, in a few words: its status, or the way in which it was refused.
fn outcome(client: &mut FrameClient, stream: u32) -> String {
    match client.until(|it| it.kind == GO_AWAY || it.stream == stream && it.kind != DATA) {
        Some(Frame { kind: HEADERS, payload, .. }) => status(&payload).to_string(),
        Some(Frame { kind: RESET, .. }) => "reset".to_owned(),
        _ => "closed".to_owned(),
    }
}

/// Sends each request without a body and with one that hides another, beside an ordinary one, and
/// asserts that the backend sees the ordinary ones alone.
#[track_caller]
fn none_is_forwarded(all: &[Vec<Field<'_>>]) {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let (mut forwarded, mut ordinary) = (Vec::new(), 0);
    for request in all {
        for has_body in [false, true] {
            let mut client = FrameClient::open(lb.address());
            let flags = if has_body { END_HEADERS } else { WHOLE };
            let mut bytes = frame(HEADERS, flags, 1, &fields(request));
            if has_body {
                bytes.extend(frame(DATA, END_STREAM, 1, SMUGGLED));
            }
            // The connection may end at once.
            let _ = client.send(&bytes);
            let outcome = outcome(&mut client, 1);
            if !matches!(&*outcome, "reset" | "closed" | "400" | "405" | "413" | "431" | "501") {
                forwarded.push(format!("{outcome}: {:?}", shown(request)));
            }
            if client.send(&get(3, "/ordinary")).is_ok()
                && client.until(|frame| frame.ends_answer() && frame.stream == 3).is_some()
            {
                ordinary += 1;
            }
        }
    }
    assert!(forwarded.is_empty(), "{} were answered:\n{}", forwarded.len(), forwarded.join("\n"));
    eventually(PATIENCE, "all ordinary ones are there", || {
        a.requests().iter().filter(|request| request.path == "/ordinary").count() >= ordinary
    });
    for request in a.requests() {
        // A body of another length than announced is found out after its beginning has gone on.
        assert!(request.path == "/ordinary" || !request.is_complete, "{request:?}");
        assert_eq!(request.header_lines("x-smuggled").len(), 0, "{request:?}");
    }
}

fn shown(request: &[Field<'_>]) -> Vec<String> {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    request.iter().map(|(name, value)| format!("{}={}", text(name), text(value))).collect()
}

#[test]
fn names_of_fields_that_would_be_more_than_a_name() {
    let names: [&[u8]; 24] = [
        b"x\r\nx-smuggled",
        b"x\nx-smuggled",
        b"x\rx-smuggled",
        b"x\0y",
        b"x-smuggled: 1\r\ny",
        b"x:y",
        b":",
        b":x",
        b" x",
        b"x ",
        b"x y",
        b"x\ty",
        b"",
        b"X-Upper",
        b"x\x7f",
        b"x\x80",
        b"x(y)",
        b"x,y",
        b"x/y",
        b"x@y",
        b"x[y]",
        b"x{y}",
        b"x\"y",
        b"x\\y",
    ];
    none_is_forwarded(&names.map(|name| with(&[(name, b"1")])));
}

#[test]
fn values_of_fields_that_would_be_more_than_a_value() {
    let values: [&[u8]; 14] = [
        b"a\r\nx-smuggled: 1",
        b"a\nx-smuggled: 1",
        b"a\rx-smuggled: 1",
        b"a\0b",
        b"\r\n",
        b"\n",
        b"a\r",
        b" a",
        b"a ",
        b"\ta",
        b"a\t",
        b"a\x01",
        b"a\x7f",
        b"a\r\n\r\nGET /smuggled",
    ];
    none_is_forwarded(&values.map(|value| with(&[(b"x", value)])));
    none_is_forwarded(&values.map(|value| with(&[(b"cookie", b"a=1"), (b"cookie", value)])));
}

#[test]
fn paths_methods_and_schemes_that_would_be_more() {
    let line = b"/ HTTP/1.1\r\nx-smuggled: 1\r\n\r\nGET /smuggled";
    let paths: [&[u8]; 13] = [
        line,
        b"/a b",
        b"/a\tb",
        b"/a\r\nb",
        b"/a\nb",
        b"/a\0b",
        b"",
        b"a",
        b"*",
        b"?a",
        b"http://b/",
        b"/a\x7f",
        b" /a",
    ];
    none_is_forwarded(&paths.map(|path| pseudo(b":path", path)));
    let methods: [&[u8]; 9] = [
        b"GET /smuggled HTTP/1.1\r\n\r\n",
        b"GE T",
        b"",
        b"G\r\nT",
        b"G\0T",
        b"G:T",
        b"G(T",
        b" GET",
        b"CONNECT",
    ];
    none_is_forwarded(&methods.map(|method| pseudo(b":method", method)));
    let schemes: [&[u8]; 8] = [
        b"http\r\nx-smuggled: 1",
        b"ftp",
        b"http://a/",
        b"",
        b"javascript",
        b"http ",
        b"ht\0tp",
        b"http/",
    ];
    none_is_forwarded(&schemes.map(|scheme| pseudo(b":scheme", scheme)));
}

#[test]
fn authorities_that_would_be_more_or_another() {
    let authorities: [&[u8]; 15] = [
        b"a\r\nx-smuggled: 1",
        b"a\nx-smuggled: 1",
        b"a\0",
        b"a/b",
        b"u@a",
        b"a b",
        b" a",
        b"",
        b"a:b",
        b"a:99999",
        b"a#b",
        b"a?b",
        b"http://a",
        b"[::1",
        b"a:80:80",
    ];
    none_is_forwarded(&authorities.map(|authority| pseudo(b":authority", authority)));
    let hosts: [&[u8]; 7] = [b"b", b"a:443", b"a\r\nx-smuggled: 1", b"", b"a ", b"a,b", b"a/"];
    none_is_forwarded(&hosts.map(|host| with(&[(b"host", host)])));
    none_is_forwarded(&[
        with(&[(b"host", b"a"), (b"host", b"a")]),
        with(&[(b"host", b"a"), (b"host", b"b")]),
        vec![(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/odd")],
        vec![(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/odd"), (b"host", b"u@a")],
    ]);
}

#[test]
fn pseudo_fields_twice_late_unknown_and_missing() {
    let twice = |name: &'static [u8], value: &'static [u8]| {
        let mut all = pseudo(b"", b"");
        all.insert(0, (name, value));
        all
    };
    none_is_forwarded(&[
        twice(b":method", b"GET"),
        twice(b":scheme", b"https"),
        twice(b":path", b"/smuggled"),
        twice(b":authority", b"b"),
        twice(b":authority", b"a"),
        twice(b":status", b"200"),
        twice(b":host", b"b"),
        twice(b":protocol", b"websocket"),
        twice(b"x", b"before pseudo-fields"),
        with(&[(b":path", b"/smuggled")]),
        with(&[(b"x", b"y"), (b":authority", b"b")]),
        pseudo(b"", b"")[1..].to_vec(),
        pseudo(b"", b"")[..1].to_vec(),
        vec![],
    ]);
}

#[test]
fn fields_that_frame_messages_in_http1() {
    let of_connection: [Field<'_>; 9] = [
        (b"transfer-encoding", b"chunked"),
        (b"transfer-encoding", b"identity"),
        (b"connection", b"close"),
        (b"connection", b"x-smuggled"),
        (b"keep-alive", b"5"),
        (b"proxy-connection", b"close"),
        (b"upgrade", b"websocket"),
        (b"te", b"chunked"),
        (b"te", b"trailers, chunked"),
    ];
    none_is_forwarded(&of_connection.map(|field| with(&[field])));
    let lengths: [&[u8]; 16] = [
        b"1",
        b"99999",
        b"+1",
        b"-1",
        b"0x1",
        b"1,1",
        b"1, 2",
        b"",
        b" 1",
        b"1 ",
        b"1\r\n",
        b"1.0",
        b"1e1",
        b"a",
        b"99999999999999999999",
        b"18446744073709551616",
    ];
    none_is_forwarded(&lengths.map(|length| with(&[(b"content-length", length)])));
    none_is_forwarded(&[
        with(&[(b"content-length", b"0"), (b"content-length", b"1")]),
        with(&[(b"content-length", b"59"), (b"content-length", b"59")]),
        with(&[(b"content-length", b"59"), (b"transfer-encoding", b"chunked")]),
    ]);
}

#[test]
fn trailers_that_would_be_a_header() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let all: [Field<'_>; 5] = [
        (b"x\r\nx-smuggled", b"1"),
        (b"x", b"a\r\nx-smuggled: 1"),
        (b"connection", b"close"),
        (b"transfer-encoding", b"chunked"),
        (b"X-Upper", b"1"),
    ];
    for field in all {
        let mut client = FrameClient::open(lb.address());
        let parts = [
            frame(HEADERS, END_HEADERS, 1, &fields(&pseudo(b"", b""))),
            frame(DATA, 0, 1, SMUGGLED),
            frame(HEADERS, WHOLE, 1, &fields(&[field])),
        ];
        client.send(&parts.concat()).unwrap();
        let outcome = outcome(&mut client, 1);
        assert!(matches!(&*outcome, "reset" | "closed"), "{outcome}: {:?}", shown(&[field]));
    }
    for request in a.requests() {
        assert!(!request.is_complete, "{request:?}");
    }
}

#[test]
fn bodies_of_the_announced_length_and_fields_for_this_proxy() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let mut client = FrameClient::open(lb.address());
    let length = SMUGGLED.len().to_string();
    let request = with(&[
        (b"content-length", length.as_bytes()),
        (b"te", b"trailers"),
        (b"proxy-authorization", b"Basic x"),
        (b"http2-settings", b"x"),
        (b"x-empty", b""),
    ]);
    let parts = [
        frame(HEADERS, END_HEADERS, 1, &fields(&request)),
        frame(DATA, END_STREAM, 1, SMUGGLED),
        get(3, "/ordinary"),
    ];
    client.send(&parts.concat()).unwrap();
    for _ in 0..2 {
        assert!(client.until(|frame| frame.ends_answer()).is_some());
    }
    let seen = a.requests();
    assert_eq!(seen.len(), 2);
    let odd = seen.iter().find(|request| request.path == "/odd").unwrap();
    assert_eq!(odd.body, SMUGGLED);
    assert_eq!(odd.header_lines("content-length"), [length]);
    assert_eq!(odd.header_lines("x-empty"), [""]);
    for name in ["proxy-authorization", "http2-settings", "transfer-encoding"] {
        assert_eq!(odd.header_lines(name).len(), 0, "{name}");
    }
}

#[test]
fn odd_targets_and_lengths_go_on_as_those_of_http1_do() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let mut client = FrameClient::open(lb.address());
    let odd: [(&[u8], &str); 4] = [
        (b"/<\"{}>?`", "/%3C%22{}%3E?%60"),
        (b"/\xfc", "/%FC"),
        (b"/\xc3\xbc", "/\u{fc}"),
        (b"/%3c", "/%3c"),
    ];
    let mut stream = 1;
    for (sent, went_on) in odd {
        client.send(&frame(HEADERS, WHOLE, stream, &fields(&pseudo(b":path", sent)))).unwrap();
        assert_eq!(outcome(&mut client, stream), "200", "{went_on}");
        assert_eq!(a.requests().pop().unwrap().path, went_on);
        stream += 2;
    }
    let overlong = fields(&pseudo(b":path", b"/..\xc0\xaf"));
    client.send(&frame(HEADERS, WHOLE, stream, &overlong)).unwrap();
    assert_eq!(outcome(&mut client, stream), "reset");
    let length = frame(HEADERS, END_HEADERS, 101, &fields(&with(&[(b"content-length", b"003")])));
    client.send(&[length, frame(DATA, END_STREAM, 101, b"abc")].concat()).unwrap();
    assert_eq!(outcome(&mut client, 101), "200");
    let request = a.requests().pop().unwrap();
    assert_eq!((request.header_lines("content-length"), &*request.body), (vec!["3"], &b"abc"[..]));
    client.send(&frame(HEADERS, WHOLE, 103, &fields(&pseudo(b":scheme", b"HTTP")))).unwrap();
    assert_eq!(outcome(&mut client, 103), "200");
}

#[test]
fn the_log_names_the_host_of_a_request_that_is_refused() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let mut client = FrameClient::open(lb.address());
    let twice: [Field<'_>; 2] = [(b"content-length", b"0"); 2];
    client.send(&frame(HEADERS, WHOLE, 1, &fields(&with(&twice)))).unwrap();
    client.send(&frame(HEADERS, WHOLE, 3, &fields(&pseudo(b":path", b"/fragment#")))).unwrap();
    client.send(&frame(HEADERS, WHOLE, 5, &fields(&pseudo(b":authority", b"u@a")))).unwrap();
    for _ in 0..3 {
        let answer = client.until(|frame| frame.kind == HEADERS).expect("an answer");
        assert_eq!(status(&answer.payload), 400);
    }
    let lines = lb.log_lines(3);
    assert_eq!(lines.iter().filter(|line| line["host"] == "a").count(), 2, "{lines:?}");
}

#[test]
fn a_fragment_and_pseudo_fields_among_trailers_are_refused() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let mut client = FrameClient::open(lb.address());
    for (stream, path) in [(1, "/odd?q#/smuggled"), (3, "/odd#"), (5, "#"), (7, "/a#b?c")] {
        client
            .send(&frame(HEADERS, WHOLE, stream, &fields(&pseudo(b":path", path.as_bytes()))))
            .unwrap();
        let outcome = outcome(&mut client, stream);
        assert!(matches!(&*outcome, "400" | "reset"), "{path}: {outcome}");
    }
    assert_eq!(lb.line_of("/odd?q")["error"], "the request target has a fragment");
    let names: [&[u8]; 6] =
        [b":path", b":authority", b":method", b":scheme", b":status", b":protocol"];
    for (number, name) in (0..).zip(names) {
        let stream = 101 + 2 * number;
        let parts = [
            frame(HEADERS, END_HEADERS, stream, &fields(&pseudo(b"", b""))),
            frame(DATA, 0, stream, SMUGGLED),
            frame(HEADERS, WHOLE, stream, &fields(&[(b"x", b"y"), (name, b"200")])),
        ];
        client.send(&parts.concat()).unwrap();
        assert_eq!(outcome(&mut client, stream), "reset", "{:?}", shown(&[(name, b"200")]));
    }
    assert!(a.requests().iter().all(|request| !request.is_complete));
}
