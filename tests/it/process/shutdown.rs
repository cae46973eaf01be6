//! Signals, and requests in flight.

use std::{
    fs,
    io::{self, Read},
    net::{SocketAddr, TcpStream},
    process::{Command, ExitStatus},
    thread::{self, JoinHandle},
    time::Duration,
};

use nix::sys::signal::Signal;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::{Connection, Response, get, try_get},
    eventually::eventually,
    process::{LbProcess, new_folder},
    reply::Reply,
};

use super::yaml;

/// Far below the limit for requests in flight, and enough for a busy machine.
const AT_ONCE: Duration = Duration::from_secs(4);
/// Long enough for a test to look at the process meanwhile.
const SLOW: Duration = Duration::from_millis(1500);

fn start(backend: &ScriptedBackend) -> LbProcess {
    let settings = "access_log: { format: text, path: access.log }";
    LbProcess::with_config(&yaml(&[backend.address()], settings), &[])
}

fn end(lb: &mut LbProcess, signal: Signal) -> ExitStatus {
    lb.signal(signal);
    lb.wait_for_exit(AT_ONCE)
}

fn ask(address: SocketAddr) -> JoinHandle<io::Result<Response>> {
    thread::spawn(move || try_get(address, "/slow"))
}

fn logged(lb: &LbProcess) -> Vec<String> {
    let text = fs::read_to_string(lb.folder().join("access.log")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// The time from the signal to the end by the process's own log, which does not depend on the
/// test's own delays.
fn time_to_stop(lb: &LbProcess) -> Duration {
    let time_of = |marker: &str| {
        let line = lb.stderr().into_iter().find(|line| line.contains(marker)).unwrap();
        humantime::parse_rfc3339(line.split(' ').next().unwrap()).unwrap()
    };
    time_of(" INFO stopped").duration_since(time_of(" INFO stopping")).unwrap()
}

#[test]
fn it_leaves_at_once_without_connected_clients() {
    let a = ScriptedBackend::named("a");
    let mut lb = start(&a);
    assert_eq!(get(lb.address(), "/").text(), "a");
    assert_eq!(end(&mut lb, Signal::SIGTERM).code(), Some(0));
    assert!(time_to_stop(&lb) < Duration::from_secs(1), "{:?}", lb.stderr());
}

#[test]
fn connections_without_a_request_are_closed_after_a_moment() {
    let a = ScriptedBackend::named("a");
    let mut lb = start(&a);
    let address = lb.address();
    // Neither an idle connection nor half a header is a request.
    let mut idle = Connection::open(address).unwrap();
    assert_eq!(idle.get("/").unwrap().text(), "a");
    let mut posted = Connection::open(address).unwrap();
    let post =
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";
    posted.send(post.as_bytes()).unwrap();
    assert_eq!(posted.read_response("POST").unwrap().text(), "a");
    let mut half = Connection::open(address).unwrap();
    half.send(b"GET / HTTP/1.1\r\nHos").unwrap();
    assert_eq!(end(&mut lb, Signal::SIGTERM).code(), Some(0));
    assert_eq!(idle.receive().unwrap(), b"", "closed, not reset");
    assert_eq!(posted.receive().unwrap(), b"", "closed, not reset");
    let time = time_to_stop(&lb);
    assert!(time > Duration::from_millis(1400) && time < Duration::from_secs(3), "{time:?}");
}

#[test]
fn an_interrupt_does_not_wait_for_connections_without_a_request() {
    let a = ScriptedBackend::named("a");
    let mut lb = start(&a);
    let mut half = Connection::open(lb.address()).unwrap();
    half.send(b"GET / HTTP/1.1\r\nHos").unwrap();
    assert_eq!(end(&mut lb, Signal::SIGINT).code(), Some(0));
    let last = lb.stderr().pop().unwrap();
    assert!(last.ends_with(" INFO stopped"), "{last}");
}

#[test]
fn a_request_in_flight_gets_its_answer_and_new_clients_are_refused() {
    let a = ScriptedBackend::replying(Reply::ok("late").delayed(SLOW));
    let mut lb = start(&a);
    let address = lb.address();
    let client = ask(address);
    a.wait_for_heads(1);
    lb.signal(Signal::SIGTERM);
    let line = lb.wait_for_log("stopping");
    assert!(line.ends_with(" INFO stopping in_flight=1 delay=0s"), "{line}");
    eventually(PATIENCE, "connections are refused", || {
        let connected = TcpStream::connect(address);
        connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    });
    assert_eq!(lb.exit_status(), None, "still there for the one in flight");
    let response = client.join().unwrap().unwrap();
    assert_eq!((response.status, response.text().as_str()), (200, "late"));
    assert_eq!(response.header("connection"), Some("close"));
    assert_eq!(lb.wait_for_exit(AT_ONCE).code(), Some(0));
    assert_eq!(logged(&lb).len(), 1);
}

#[test]
fn a_body_on_its_way_arrives_whole() {
    let body = "0123456789".repeat(10);
    let a = ScriptedBackend::replying(
        Reply::ok(body.as_str()).chunked().slowly(10, Duration::from_millis(60)),
    );
    let mut lb = start(&a);
    let mut client = Connection::open(lb.address()).unwrap();
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let head = client.read_head().unwrap();
    assert!(head.starts_with(b"HTTP/1.1 200"));
    lb.signal(Signal::SIGTERM);
    let rest = String::from_utf8(client.read_to_close()).unwrap();
    assert!(rest.ends_with("0\r\n\r\n"), "{rest}");
    assert_eq!(rest.matches("0123456789").count(), 10, "{rest}");
    assert_eq!(lb.wait_for_exit(AT_ONCE).code(), Some(0));
}

#[test]
fn an_interrupt_cuts_off_requests_in_flight() {
    let a = ScriptedBackend::replying(Reply::hang());
    let mut lb = start(&a);
    let client = ask(lb.address());
    a.wait_for_heads(1);
    assert_eq!(end(&mut lb, Signal::SIGINT).code(), Some(1));
    let last = lb.stderr().pop().unwrap();
    assert!(last.ends_with(" WARN stopped with requests in flight cut_off=1"), "{last}");
    assert!(client.join().unwrap().is_err(), "no answer was made up");
}

#[test]
fn a_second_signal_cuts_off_requests_in_flight() {
    for second in [Signal::SIGTERM, Signal::SIGINT] {
        let a = ScriptedBackend::replying(Reply::hang());
        let mut lb = start(&a);
        let clients = [ask(lb.address()), ask(lb.address())];
        a.wait_for_heads(2);
        lb.signal(Signal::SIGTERM);
        lb.wait_for_log("stopping in_flight=2");
        assert_eq!(lb.exit_status(), None);
        assert_eq!(end(&mut lb, second).code(), Some(1), "{second}");
        let last = lb.stderr().pop().unwrap();
        assert!(last.ends_with(" WARN stopped with requests in flight cut_off=2"), "{last}");
        for client in clients {
            assert!(client.join().unwrap().is_err());
        }
    }
}

#[test]
fn the_last_request_in_flight_decides() {
    let a = ScriptedBackend::replying(Reply::ok("late").delayed(SLOW));
    a.reply_next(1, Reply::ok("sooner").delayed(SLOW / 3));
    let mut lb = start(&a);
    let address = lb.address();
    let first = ask(address);
    a.wait_for_heads(1);
    let second = ask(address);
    a.wait_for_heads(2);
    lb.signal(Signal::SIGTERM);
    assert_eq!(first.join().unwrap().unwrap().text(), "sooner");
    assert_eq!(second.join().unwrap().unwrap().text(), "late");
    assert_eq!(lb.wait_for_exit(AT_ONCE).code(), Some(0));
    assert_eq!(logged(&lb).len(), 2);
}

#[test]
fn every_line_of_the_access_log_is_in_the_file() {
    let a = ScriptedBackend::named("a");
    let mut lb = start(&a);
    let address = lb.address();
    let mut connection = Connection::open(address).unwrap();
    for number in 0..200 {
        assert_eq!(connection.get(&format!("/{number}")).unwrap().status, 200);
    }
    get(address, "/last");
    assert_eq!(end(&mut lb, Signal::SIGTERM).code(), Some(0));
    let lines = logged(&lb);
    assert_eq!(lines.len(), 201);
    assert!(lines[200].contains(" GET /last 200 "), "{}", lines[200]);
}

#[test]
fn a_log_that_was_moved_away_is_opened_anew() {
    let a = ScriptedBackend::named("a");
    let mut lb = start(&a);
    let address = lb.address();
    get(address, "/before");
    eventually(PATIENCE, "it is logged", || logged(&lb).len() == 1);
    let moved = lb.folder().join("access.log.1");
    fs::rename(lb.folder().join("access.log"), &moved).unwrap();
    lb.signal(Signal::SIGUSR1);
    eventually(PATIENCE, "it is opened anew", || lb.folder().join("access.log").exists());
    get(address, "/after");
    eventually(PATIENCE, "it is logged there", || {
        logged(&lb).iter().any(|line| line.contains("/after"))
    });
    assert!(fs::read_to_string(moved).unwrap().contains("/before"));
}

/// There are more lines than a pipe holds, and they are read only near the end.
#[test]
fn lines_that_wait_for_a_slow_reader_are_written_before_it_leaves() {
    const REQUESTS: usize = 600;
    let a = ScriptedBackend::named("a");
    let pipe = new_folder();
    let path = pipe.path().join("log");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let settings = format!("access_log: {{ path: {} }}", path.display());
    // Opening either end of a pipe waits for the other.
    let opened = thread::spawn({
        let path = path.clone();
        move || fs::File::open(path).unwrap()
    });
    let mut lb = LbProcess::with_config(&yaml(&[a.address()], &settings), &[]);
    let mut log = opened.join().unwrap();
    let mut connection = Connection::open(lb.address()).unwrap();
    for _ in 0..REQUESTS {
        assert_eq!(connection.get("/").unwrap().status, 200);
    }
    lb.signal(Signal::SIGTERM);
    lb.wait_for_log("stopped");
    let mut lines = String::new();
    log.read_to_string(&mut lines).unwrap();
    assert_eq!(lines.lines().count(), REQUESTS);
    assert!(lb.wait_for_exit(AT_ONCE).success());
}
