//! Answers of backends: at once, in a framing of `lb`'s own, without what belongs to the connection.

use std::time::Duration;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::{Connection, get, raw},
    eventually::eventually,
    lb::{Lb, addresses, entry, outcomes},
    reply::{Gate, Reply, Step},
};

/// What a client receives of this answer, to the end of the connection.
#[track_caller]
fn seen(answer: &str) -> String {
    seen_by("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", answer)
}

#[track_caller]
fn seen_by(request: &str, answer: &str) -> String {
    let a = ScriptedBackend::replying(Reply::raw(answer));
    let lb = Lb::over(&[&a], "");
    String::from_utf8_lossy(&raw(lb.address(), request.as_bytes())).into_owned()
}

/// The lines of the header that are not about the connection to the client or the clock.
#[track_caller]
fn header_of(answer: &str) -> Vec<String> {
    let seen = seen(answer);
    let (head, _) = seen.split_once("\r\n\r\n").expect("a header");
    let is_ours = |line: &&str| !line.starts_with("Date: ") && !line.starts_with("Connection: ");
    head.split("\r\n").filter(is_ours).map(str::to_owned).collect()
}

#[test]
fn received_data_are_sent_on_when_the_backend_pauses() {
    let pieces = ["HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", "ab", "cd", "ef"];
    let gates: Vec<_> = pieces.iter().map(|_| Gate::closed()).collect();
    let steps = pieces.iter().zip(&gates).flat_map(|(piece, gate)| {
        [Step::Pass(gate.clone()), Step::Send(piece.as_bytes().to_vec())]
    });
    let a = ScriptedBackend::replying(Reply::steps_of(steps.collect::<Vec<_>>()));
    let lb = Lb::over(&[&a], "");
    let mut connection = Connection::open(lb.address()).unwrap();
    connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    gates[0].open();
    assert!(connection.read_head().unwrap().starts_with(b"HTTP/1.1 200 OK\r\n"));
    for (gate, piece) in gates.iter().zip(pieces).skip(1) {
        gate.open();
        assert_eq!(connection.read_exact(2).unwrap(), piece.as_bytes());
    }
}

#[test]
fn a_length_that_is_repeated_is_one_length() {
    for length in
        ["Content-Length: 5\r\nContent-Length: 5", "Content-Length: 5, 5", "Content-Length: 05"]
    {
        let header = header_of(&format!("HTTP/1.1 200 OK\r\n{length}\r\n\r\nhello"));
        assert_eq!(header, ["HTTP/1.1 200 OK", "Content-Length: 5"], "{length}");
    }
}

#[test]
fn an_answer_whose_end_is_in_doubt_is_502() {
    for framing in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 6",
        "Content-Length: abc",
        "Content-Length: -5",
        "Content-Length: ",
        "Transfer-Encoding: identity\r\nContent-Length: 5",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    ] {
        let seen = seen(&format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n5\r\nhello\r\n0\r\n\r\n"));
        assert!(seen.starts_with("HTTP/1.1 502 "), "{framing}: {seen}");
        assert!(seen.contains("the backend's answer is invalid: "), "{framing}: {seen}");
    }
}

#[test]
fn an_answer_without_a_body_has_no_framing() {
    for (status, expected) in [
        ("204 No Content", vec!["HTTP/1.1 204 No Content", "X: y"]),
        ("304 Not Modified", vec!["HTTP/1.1 304 Not Modified", "X: y"]),
    ] {
        let answer = format!("HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n");
        assert_eq!(header_of(&answer), expected);
    }
    let header = header_of("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(header, ["HTTP/1.1 204 No Content"]);
    let header = header_of("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n");
    assert_eq!(header, ["HTTP/1.1 304 Not Modified", "Content-Length: 7"]);
}

#[test]
fn fields_of_the_backends_connection_are_removed() {
    let header = header_of(
        "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=600\r\nConnection: X-Own\r\nconnection: keep-alive\r\n\
         X-Own: 1\r\nProxy-Connection: keep-alive\r\nTE: gzip\r\nTrailer: X-T\r\nUpgrade: h2c\r\n\
         X-Kept: 1\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(header[0], "HTTP/1.1 200 OK");
    // Pingora's map keeps the order of the lines only as long as none is taken out.
    let mut fields = header[1..].to_vec();
    fields.sort();
    assert_eq!(fields, ["Content-Length: 0", "X-Kept: 1"]);
}

#[test]
fn the_answers_version_is_the_servers_own() {
    for line in ["HTTP/1.0 200 OK", "HTTP/1.1 200 OK"] {
        let header = header_of(&format!("{line}\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(header[0], "HTTP/1.1 200 OK");
    }
}

#[test]
fn the_backends_date_is_kept_and_a_missing_one_is_added() {
    let dates = |answer: &str| -> Vec<String> {
        let seen = seen(answer);
        seen.lines().filter(|line| line.starts_with("Date: ")).map(str::to_owned).collect()
    };
    let date = "Date: Mon, 01 Jan 2001 00:00:00 GMT";
    assert_eq!(dates(&format!("HTTP/1.1 200 OK\r\n{date}\r\nContent-Length: 0\r\n\r\n")), [date]);
    let added = dates("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert!(added.len() == 1 && added[0] != date, "{added:?}");
}

#[test]
fn a_reason_phrase_is_kept() {
    for phrase in ["All Right", ""] {
        let header = header_of(&format!("HTTP/1.1 200 {phrase}\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!(header[0], format!("HTTP/1.1 200 {phrase}"));
    }
    for phrase in [&b"Tr\xe8s bien"[..], "Très bien".as_bytes(), b"\x80\xff", "日本".as_bytes()]
    {
        let line = [b"HTTP/1.1 200 ", phrase, b"\r\n"].concat();
        let answer = [&line[..], b"Content-Length: 0\r\n\r\n"].concat();
        let a = ScriptedBackend::replying(Reply::raw(answer));
        let lb = Lb::over(&[&a], "");
        let seen = raw(lb.address(), b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert!(seen.starts_with(&line), "{phrase:?} became {seen:?}");
    }
}

#[test]
fn an_http_1_0_client_is_sent_no_interim_answers() {
    let answer = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let old = seen_by("GET / HTTP/1.0\r\nHost: a\r\n\r\n", answer);
    assert!(old.starts_with("HTTP/1.1 200 OK\r\n"), "{old}");
    let new = seen_by("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", answer);
    assert!(
        new.starts_with("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK"),
        "{new}"
    );
}

#[test]
fn interim_answers_of_a_backend_that_fails_do_not_become_those_of_the_next() {
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let failed = format!("{early}HTTP/1.1 503 Busy\r\nX-Of: a\r\nContent-Length: 0\r\n\r\n");
    let a = ScriptedBackend::replying(Reply::raw(failed));
    let b = ScriptedBackend::replying(Reply::raw(
        "HTTP/1.1 200 Fine\r\nX-Of: b\r\nContent-Length: 2\r\n\r\nok",
    ));
    let lb = Lb::over(&[&a, &b], "    retry: { on: [503] }\n");
    for _ in 0..4 {
        let seen = raw(lb.address(), b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let seen = String::from_utf8_lossy(&seen).into_owned();
        // The early one may have been passed on before the backend failed.
        let last = seen.strip_prefix(early).unwrap_or(&seen);
        assert!(last.starts_with("HTTP/1.1 200 Fine\r\nX-Of: b\r\n"), "{seen}");
        assert!(last.ends_with("\r\n\r\nok"), "{seen}");
    }
    assert!(!a.requests().is_empty());
}

#[test]
fn bytes_behind_an_answer_are_not_passed_on() {
    let seen = seen("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n");
    assert!(seen.ends_with("\r\n\r\nok"), "{seen}");
}

#[test]
fn an_answer_that_every_backend_sends_counts_against_none() {
    for answer in ["HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n\r\n"]
    {
        let (a, b) = (
            ScriptedBackend::replying(Reply::raw(answer)),
            ScriptedBackend::replying(Reply::raw(answer)),
        );
        let c = ScriptedBackend::replying(Reply::raw(answer));
        let lb = Lb::over(&[&a, &b, &c], "");
        for _ in 0..12 {
            assert_eq!(get(lb.address(), "/").status, 502);
        }
        let line = lb.log_lines(12).remove(0);
        assert_eq!(outcomes(&line), ["invalid_answer"; 2], "one try elsewhere: {answer}");
        for backend in [&a, &b, &c] {
            assert!(lb.eligibility(backend).is_eligible() && !lb.backend(backend).is_suspect());
        }
    }
}

#[test]
fn an_answer_whose_chunks_are_malformed_counts_against_no_backend() {
    let a = ScriptedBackend::named("a");
    for chunks in ["0x5\r\nhello\r\n0\r\n\r\n", "5\nhello\n0\n\n", "5\r\nhello!\r\n0\r\n\r\n", "x"]
    {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        a.reply_to("/broken", Reply::raw(format!("{head}{chunks}\r\n")));
        let lb = Lb::over(&[&a], "");
        for _ in 0..12 {
            assert!(!get(lb.address(), "/broken").is_complete, "{chunks:?}");
        }
        for line in lb.log_lines(12) {
            assert_eq!(outcomes(&line), ["invalid_answer"], "{line}");
        }
        assert!(lb.eligibility(&a).is_eligible() && !lb.backend(&a).is_suspect(), "{chunks:?}");
        assert_eq!(get(lb.address(), "/").text(), "a");
    }
}

#[test]
fn an_invalid_answer_is_not_asked_for_again_where_it_came_from() {
    for answer in ["HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "x\r\n\r\n"]
    {
        let a = ScriptedBackend::replying(Reply::raw(answer));
        let lb = Lb::over(&[&a], "");
        assert_eq!(get(lb.address(), "/").status, 502);
        assert_eq!(outcomes(&lb.log_lines(1)[0]), ["invalid_answer"], "{answer}");
    }
}

#[test]
fn an_invalid_answer_counts_when_another_backend_does_better() {
    let (a, b) =
        (ScriptedBackend::replying(Reply::raw("nonsense\r\n\r\n")), ScriptedBackend::named("b"));
    let lb = Lb::over(&[&a, &b], "");
    eventually(PATIENCE, "it is ejected", || {
        assert_eq!(get(lb.address(), "/").text(), "b");
        !lb.eligibility(&a).is_eligible()
    });
}

#[test]
fn three_puts_that_wait_for_100_continue_use_one_connection() {
    let a = ScriptedBackend::named("a");
    let lb = Lb::over(&[&a], "");
    let mut connection = Connection::open(lb.address()).unwrap();
    for _ in 0..3 {
        let head =
            b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
        connection.send(head).unwrap();
        connection.send(b"body").unwrap();
        let response = connection.read_response("PUT").unwrap();
        assert_eq!((response.status, response.header("connection")), (200, Some("keep-alive")));
    }
}

#[test]
fn a_connection_whose_client_withholds_the_body_is_closed() {
    let refusal = b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n".to_vec();
    let a = ScriptedBackend::replying(Reply::steps_of([Step::Send(refusal), Step::Hang]).early());
    let lb = Lb::over(&[&a], "");
    let request = b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    let answer = String::from_utf8(raw(lb.address(), request)).unwrap();
    assert!(answer.starts_with("HTTP/1.1 417 ") && answer.contains("\r\nConnection: close\r\n"));
}

#[test]
fn after_errors_of_our_own_a_connection_goes_on() {
    let a = ScriptedBackend::replying(Reply::reset());
    let lb = Lb::start(&format!(
        "routes: [ {{ path: /web, pool: web }} ]\npools: {{ web: {{ health_check: off, backends: [{}] }} }}",
        addresses(&[&a])
    ));
    let mut connection = Connection::open(lb.address()).unwrap();
    for (path, status) in [("/web", 502), ("/other", 404), ("/web", 502)] {
        let response = connection.get(path).unwrap();
        assert_eq!((response.status, response.header("connection")), (status, Some("keep-alive")));
    }
    let response = connection.request("POST", "/other", &[], b"read and thrown away").unwrap();
    assert_eq!(response.status, 404);
    assert_eq!(connection.get("/other").unwrap().status, 404);
}

#[test]
fn after_any_error_of_our_own_a_connection_goes_on_if_the_request_was_read() {
    let (hung, drained) = (ScriptedBackend::replying(Reply::hang()), ScriptedBackend::named("b"));
    let late = Lb::over(&[&hung], "    timeouts: { response: 100ms }\n    retry: { attempts: 1 }");
    let none = Lb::over_entries(&entry(&drained, "drain: true"), "");
    let requests = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ];
    for (lb, status) in [(&late, 504), (&none, 503)] {
        let mut connection = Connection::open(lb.address()).unwrap();
        for request in requests {
            connection.send(request.as_bytes()).unwrap();
            let method = request.split(' ').next().unwrap();
            let response = connection.read_response(method).unwrap();
            let kept = response.header("connection");
            assert_eq!((response.status, kept), (status, Some("keep-alive")), "{request}");
        }
    }
}

#[test]
fn an_empty_chunked_body_is_replayed_with_its_end() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    ScriptedBackend::reply_in_order(&[&a, &b], [Reply::status(503), Reply::ok("done")]);
    let lb = Lb::over(&[&a, &b], "");
    let mut connection = Connection::open(lb.address()).unwrap();
    connection.limit(Duration::from_secs(10)).unwrap();
    let request = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    connection.send(request).unwrap();
    assert_eq!(connection.read_response("PUT").unwrap().text(), "done");
}
