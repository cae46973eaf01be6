//! The support keeps its own promises: a test with a backend that does not really hang, or with a
//! client that calls a cut body whole, proves nothing.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    process::Command,
    time::Duration,
};

use lb::clock;
use nix::sys::signal::Signal;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    browser::Browser,
    client::{self, Connection},
    eventually::{eventually, wait_for},
    process::{LbProcess, address_in, new_folder},
    reply::{Reply, Step},
};

fn answer_to(reply: Reply) -> io::Result<client::Response> {
    client::try_get(ScriptedBackend::replying(reply).address(), "/")
}

#[test]
fn an_answer_has_the_status_headers_and_body_of_the_script() {
    let reply = Reply::status(418).header("X-One", "1").header("x-one", "2").body("tea");
    let response = answer_to(reply).unwrap();
    assert_eq!(response.status, 418);
    assert_eq!(response.header_lines("X-ONE"), ["1", "2"]);
    assert_eq!(response.headers[1].0, "x-one");
    assert_eq!(response.text(), "tea");
    assert!(response.is_complete);
}

#[test]
fn every_framing_of_a_body_is_read_whole() {
    let body = "some text that takes its time";
    for reply in [Reply::ok(body), Reply::ok(body).chunked(), Reply::ok(body).until_close()] {
        for reply in [reply.clone(), reply.slowly(10, Duration::from_millis(1))] {
            let response = answer_to(reply.clone()).unwrap();
            assert_eq!(response.text(), body, "{reply:?}");
            assert!(response.is_complete, "{reply:?}");
        }
    }
}

#[test]
fn a_cut_body_is_not_complete() {
    for reply in [Reply::ok("0123456789"), Reply::ok("0123456789").chunked()] {
        for reply in [reply.clone().closed_after(4), reply.reset_after(4)] {
            let response = answer_to(reply.clone()).unwrap();
            assert_eq!(response.text(), "0123", "{reply:?}");
            assert!(!response.is_complete, "{reply:?}");
        }
    }
}

#[test]
fn a_slow_body_takes_its_time() {
    let start = clock::now();
    answer_to(Reply::ok("abc").slowly(1, Duration::from_millis(20))).unwrap();
    assert!(clock::now() - start >= Duration::from_millis(40));
}

#[test]
fn a_delayed_answer_comes_after_its_delay() {
    let start = clock::now();
    assert_eq!(answer_to(Reply::ok("a").delayed(Duration::from_millis(30))).unwrap().text(), "a");
    assert!(clock::now() - start >= Duration::from_millis(30));
}

#[test]
fn malformed_answers_are_errors_of_their_own_kind() {
    let kind = |reply| answer_to(reply).unwrap_err().kind();
    assert_eq!(kind(Reply::reset()), io::ErrorKind::ConnectionReset);
    assert_eq!(kind(Reply::reset_in_header()), io::ErrorKind::ConnectionReset);
    assert_eq!(kind(Reply::close()), io::ErrorKind::UnexpectedEof);
    assert_eq!(kind(Reply::raw("nonsense\r\n\r\n")), io::ErrorKind::InvalidData);
}

#[test]
fn a_backend_that_hangs_reads_everything_and_says_nothing() {
    let backend = ScriptedBackend::replying(Reply::hang());
    let mut connection = Connection::open(backend.address()).unwrap();
    connection.limit(Duration::from_millis(50)).unwrap();
    let error = connection.get("/").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    backend.wait_for_requests(1);
    assert_eq!(backend.open_connections(), 1);
    drop(connection);
    eventually(PATIENCE, "the backend notices", || backend.open_connections() == 0);
}

#[test]
fn a_stopped_backend_refuses_until_it_is_started_again_on_the_same_port() {
    let backend = ScriptedBackend::named("a");
    let mut open = Connection::open(backend.address()).unwrap();
    assert_eq!(open.get("/").unwrap().text(), "a");
    for _ in 0..3 {
        backend.stop();
        let error = client::try_get(backend.address(), "/").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(open.get("/").is_err(), "open connections end too");
        backend.start();
        assert_eq!(client::get(backend.address(), "/").text(), "a");
        open = Connection::open(backend.address()).unwrap();
    }
}

#[test]
fn a_script_changes_while_the_backend_runs() {
    let backend = ScriptedBackend::named("a");
    let mut connection = Connection::open(backend.address()).unwrap();
    let mut status = |path| connection.get(path).unwrap().status;
    backend.reply_to("/health", Reply::status(204));
    backend.reply_next(2, Reply::status(503));
    assert_eq!([status("/"), status("/health"), status("/"), status("/")], [503, 204, 503, 200]);
    backend.reply(Reply::status(404));
    assert_eq!(status("/"), 404);
    backend.reply_with(|request| match request.header("x-none") {
        None if request.path == "/a" => Reply::status(201),
        _ => Reply::status(202),
    });
    assert_eq!([status("/a"), status("/b")], [201, 202]);
    assert_eq!(backend.requests_to("/health").len(), 1);
    assert_eq!(backend.requests().len(), 7);
    assert_eq!(backend.connections(), 1);
}

#[test]
fn a_request_is_recorded_as_it_was_sent() {
    let backend = ScriptedBackend::named("a");
    let mut connection = Connection::open(backend.address()).unwrap();
    let headers = [("Host", "example.com"), ("x-Mixed", "one"), ("X-MIXED", "two")];
    connection.request("PUT", "/path?query", &headers, b"content").unwrap();
    let request = backend.requests().remove(0);
    assert_eq!((request.method.as_str(), request.path.as_str()), ("PUT", "/path?query"));
    assert_eq!((request.version.as_str(), request.connection), ("HTTP/1.1", 1));
    let names: Vec<_> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Host", "x-Mixed", "X-MIXED", "Content-Length"]);
    assert_eq!(request.header_lines("x-mixed"), ["one", "two"]);
    assert_eq!(request.body, b"content");
    assert!(request.is_complete);
}

#[test]
fn request_bodies_are_drained_so_that_the_next_request_is_found() {
    let backend = ScriptedBackend::named("a");
    let mut connection = Connection::open(backend.address()).unwrap();
    connection.request_chunked("POST", "/", &[b"one ", b"two"]).unwrap();
    connection.request("POST", "/", &[], &[b'x'; 100_000]).unwrap();
    assert_eq!(connection.get("/").unwrap().text(), "a");
    let bodies: Vec<_> = backend.requests().into_iter().map(|request| request.body).collect();
    assert_eq!(bodies, [b"one two".to_vec(), vec![b'x'; 100_000], vec![]]);
    assert_eq!(client::post(backend.address(), "/", b"x").status, 200);
    assert_eq!(client::post_chunked(backend.address(), "/", &[b"x"]).status, 200);
    assert_eq!(backend.connections(), 3);
}

#[test]
fn a_request_counts_when_its_body_is_whole_and_its_header_when_it_has_come() {
    let backend = ScriptedBackend::named("a");
    let mut connection = Connection::open(backend.address()).unwrap();
    connection.send(b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nha").unwrap();
    backend.wait_for_heads(1);
    assert!(!backend.requests()[0].is_complete);
    connection.send(b"lf").unwrap();
    backend.wait_for_requests(1);
    assert_eq!(connection.read_response("POST").unwrap().status, 200);
}

#[test]
fn a_backend_asks_for_the_body_that_waits_for_it() {
    let backend = ScriptedBackend::named("a");
    let mut connection = Connection::open(backend.address()).unwrap();
    let headers = [("Expect", "100-continue")];
    let response = connection.request("POST", "/", &headers, b"body").unwrap();
    assert_eq!((response.status, response.interim.as_slice()), (200, &[100][..]));
    backend.reply(Reply::status(417).early());
    connection.send(b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n").unwrap();
    let response = connection.read_response("POST").unwrap();
    assert_eq!((response.status, response.interim.as_slice()), (417, &[][..]));
}

#[test]
fn the_answer_to_head_has_no_body() {
    let backend = ScriptedBackend::named("a");
    let mut connection = Connection::open(backend.address()).unwrap();
    let response = connection.request("HEAD", "/", &[], b"").unwrap();
    assert_eq!((response.header("content-length"), response.text()), (Some("1"), String::new()));
    assert_eq!(connection.get("/").unwrap().text(), "a");
}

#[test]
fn an_upgrade_echoes_also_when_it_was_answered_before_it_was_asked_for() {
    let backend = ScriptedBackend::replying(Reply::upgrade());
    for _ in 0..2 {
        let mut connection = Connection::open(backend.address()).unwrap();
        connection.send(b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n").unwrap();
        assert_eq!(connection.read_response("GET").unwrap().status, 101);
        connection.send(b"ping").unwrap();
        let mut echo = vec![];
        while !echo.ends_with(b"ping") {
            let piece = connection.receive().unwrap();
            assert!(!piece.is_empty(), "closed after {echo:?}");
            echo.extend(piece);
        }
        backend.on_accept(Reply::upgrade());
    }
}

#[test]
fn a_connection_can_end_as_soon_as_it_is_accepted() {
    let backend = ScriptedBackend::named("a");
    backend.on_accept(Reply::steps_of([Step::Reset]));
    assert!(client::try_get(backend.address(), "/").is_err());
    backend.on_accept(None);
    assert_eq!(client::get(backend.address(), "/").text(), "a");
}

#[test]
fn raw_bytes_come_back_until_the_close() {
    let backend = ScriptedBackend::replying(Reply::ok("a").header("X-Raw", "yes"));
    let answer = client::raw(backend.address(), b"GET / HTTP/1.0\r\n\r\n");
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 Scripted\r\nX-Raw: yes\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\na"), "{answer}");
}

#[test]
fn a_client_knows_its_own_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connection = Connection::open(listener.local_addr().unwrap()).unwrap();
    assert_eq!(connection.local_address().unwrap(), listener.accept().unwrap().1);
}

#[test]
#[should_panic(expected = "not within 5ms: pigs fly")]
fn a_condition_that_never_holds_fails_with_its_name() {
    eventually(Duration::from_millis(5), "pigs fly", || false);
}

#[test]
fn waiting_ends_with_the_first_value() {
    let mut turns = 0..;
    assert_eq!(wait_for(PATIENCE, || turns.next().filter(|turn| *turn == 3)), Some(3));
    assert_eq!(wait_for(Duration::ZERO, || None::<()>), None);
}

fn shell(script: &str) -> LbProcess {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    LbProcess::spawn(new_folder(), command)
}

#[test]
fn the_built_binary_starts_and_ends() {
    assert!(LbProcess::start(&["--help"]).wait_for_exit(PATIENCE).success());
    let mut process = LbProcess::with_config("", &["--help"]);
    assert!(process.folder().join("lb.yaml").exists());
    assert!(process.wait_for_exit(PATIENCE).success());
}

#[test]
fn a_process_is_heard_and_can_be_signalled() {
    let mut process = shell(
        "trap 'echo bye; exit 3' TERM
         echo 'INFO listening address=127.0.0.1:1' >&2
         echo '{\"msg\":\"listening\",\"address\":\"[::1]:2\"}' >&2
         echo ready; while :; do sleep 0.01; done",
    );
    assert_eq!(process.wait_for_stdout("ready"), "ready");
    let addresses: [SocketAddr; 2] = ["127.0.0.1:1".parse().unwrap(), "[::1]:2".parse().unwrap()];
    assert_eq!(process.address(), addresses[0]);
    assert_eq!(process.addresses(2), addresses);
    assert_eq!(process.exit_status(), None);
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait_for_exit(PATIENCE).code(), Some(3));
    assert_eq!(process.stdout(), ["ready", "bye"]);
    assert_eq!(process.stderr().len(), 2);
}

#[test]
#[should_panic(expected = "1 lines with \"ready\" did not come")]
fn a_process_that_ends_without_the_line_fails_at_once() {
    shell("echo steady >&2").wait_for_log("ready");
}

#[test]
fn a_dropped_process_is_gone() {
    let process = shell("exec sleep 60");
    let pid = process.pid();
    drop(process);
    assert!(nix::sys::signal::kill(pid, None).is_err());
}

#[test]
fn an_address_is_found_in_text_and_json() {
    let expected = "127.0.0.1:8080".parse().ok();
    assert_eq!(address_in("2026-11-21 INFO listening address=127.0.0.1:8080 x=y"), expected);
    assert_eq!(address_in("listening address=\"127.0.0.1:8080\""), expected);
    assert_eq!(address_in(r#"{"msg":"listening","address":"127.0.0.1:8080","x":1}"#), expected);
    assert_eq!(address_in(r#"{"msg":"listening", "address": "127.0.0.1:8080"}"#), expected);
    assert_eq!(address_in("listening on port 8080"), None);
}

/// If complaints were not noticed, a page that breaks its own policy would pass.
#[test]
fn a_browser_clicks_types_and_hears_complaints() {
    let page = "<!doctype html><link rel=icon href='data:,'><style>body {}</style>\
        <button style='display:none' id=hidden></button><input id=field>\
        <button id=shown>Show</button><p id=out></p><script src=script.js></script>";
    let script = "const out = document.querySelector('#out');\
        document.querySelector('#shown').onclick = event => {\
            out.textContent = `${event.isTrusted} ${document.querySelector('#field').value}`;\
            console.error('spoken');\
            setTimeout(() => { throw new Error('thrown'); });\
        };";
    let server = ScriptedBackend::replying(
        Reply::ok(page)
            .header("Content-Type", "text/html")
            .header("Content-Security-Policy", "default-src 'self'; img-src data:"),
    );
    let script = Reply::ok(script).header("Content-Type", "text/javascript");
    server.reply_to("/script.js", script);
    let mut browser = Browser::start();
    browser.open(&format!("http://{}/", server.address()));
    let forbidden = browser.take_complaints();
    assert!(forbidden.iter().any(|it| it.contains("Content Security Policy")), "{forbidden:?}");
    browser.click("#field");
    browser.type_text("typed");
    browser.click("#shown");
    browser.wait_for_text("#out", "true typed");
    browser.eval("new Promise((done) => setTimeout(done))");
    let said = browser.take_complaints();
    for word in ["spoken", "thrown"] {
        assert!(said.iter().any(|it| it.contains(word)), "{word}: {said:?}");
    }
    assert_eq!(browser.take_complaints(), Vec::<String>::new());
}
