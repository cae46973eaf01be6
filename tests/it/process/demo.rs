//! `lb demo` and `lb backend`.

use std::{net::SocketAddr, time::Duration};

use lb::clock;
use nix::sys::signal::Signal;
use tokio::net::TcpSocket;

use crate::support::{
    PATIENCE,
    backend::{ScriptedBackend, claim},
    client::{Response, get},
    eventually::eventually,
    process::LbProcess,
};

use super::outcome;

struct Demo {
    process: LbProcess,
    address: SocketAddr,
}

impl Demo {
    fn start(port: u16, backend_port: u16) -> Self {
        let (port, backend_port) = (port.to_string(), backend_port.to_string());
        let ports = ["--port", &port, "--backend-port", &backend_port, "--admin-port", "0"];
        let args = [&["demo"], &ports[..]].concat();
        let mut process = LbProcess::start(&args);
        let address = process.address();
        process.wait_for_stdout("Ctrl-C ends it");
        Self { process, address }
    }

    /// The addresses that the introduction shows: of the balancer, then of a, b and c.
    fn shown(&mut self) -> Vec<SocketAddr> {
        let balancer = "The balancer is on http://";
        ["1  a", "2  b", "3  c"].iter().fold(
            vec![url(&self.process.wait_for_stdout(balancer))],
            |mut shown, backend| {
                let line = self.process.wait_for_stdout(&format!("  {backend}  http://"));
                shown.push(url(&line));
                shown
            },
        )
    }

    fn names(&self, requests: usize) -> Vec<String> {
        let mut names: Vec<_> = (0..requests).map(|_| name(&get(self.address, "/"))).collect();
        names.sort();
        names
    }
}

fn url(line: &str) -> SocketAddr {
    let (_, rest) = line.split_once("http://").expect("a URL");
    let end = rest.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(rest.len());
    rest[..end].parse().expect("an address")
}

/// The name of the backend that answered.
fn name(response: &Response) -> String {
    assert_eq!(response.status, 200);
    let first = response.text().lines().next().unwrap_or_default().to_owned();
    first.strip_prefix("backend ").expect("the first line names the backend").to_owned()
}

/// Three ports in a row that are taken by sockets that do not listen.
fn three_in_a_row() -> (u16, Vec<TcpSocket>) {
    for _ in 0..1000 {
        let (first, claimed) = claim().expect("a free port");
        // Bound without `SO_REUSEADDR`, so that it cannot share another test's port.
        let take = |offset| {
            let socket = TcpSocket::new_v4().ok()?;
            let port = first.port().checked_add(offset)?;
            socket.bind(SocketAddr::new(first.ip(), port)).ok()?;
            Some(socket)
        };
        drop(claimed);
        if let Some(sockets) = (0..3).map(take).collect() {
            return (first.port(), sockets);
        }
    }
    panic!("no three free ports in a row");
}

#[test]
fn the_demo_shows_where_everything_is_and_spreads_requests() {
    let mut demo = Demo::start(0, 0);
    let shown = demo.shown();
    assert_eq!(shown[0], demo.address);
    for (address, name) in shown[1..].iter().zip(["a", "b", "c"]) {
        assert!(address.port() >= 1024, "any free port: {address}");
        assert!(get(*address, "/").text().starts_with(&format!("backend {name}\n")));
    }
    assert_eq!(demo.names(6), ["a", "a", "b", "b", "c", "c"]);
    let lines = demo.process.stdout();
    assert!(!lines.iter().any(|line| line.contains("taken")), "{lines:?}");
    demo.process.signal(Signal::SIGTERM);
    assert_eq!(demo.process.wait_for_exit(PATIENCE).code(), Some(0));
}

#[test]
fn the_demo_shows_the_page_first_and_its_commands_work() {
    let mut demo = Demo::start(0, 0);
    let lines = demo.process.stdout();
    let first = lines.iter().find(|line| line.contains("http://")).unwrap();
    assert!(first.starts_with("The status page is at http://"), "{first}");
    let page = first.trim_end_matches('/').rsplit('/').next().unwrap().parse().unwrap();
    assert!(get(page, "/").text().contains("<html"), "the page");
    let explain = lines.iter().find(|line| line.contains(" explain ")).unwrap();
    let words: Vec<&str> = explain.split_whitespace().skip(1).collect();
    let explained = outcome(demo.process.beside(&words));
    assert_eq!((explained.code, explained.stderr.as_str()), (Some(0), ""), "{explain}");
    assert!(explained.stdout.starts_with("It would go to "), "{}", explained.stdout);
    assert!(lines.iter().any(|line| line.contains("(slow_start)")), "{lines:?}");
    demo.process.signal(Signal::SIGTERM);
    assert_eq!(demo.process.wait_for_exit(PATIENCE).code(), Some(0));
}

#[test]
fn a_key_stops_a_backend_of_the_demo_and_starts_it_again() {
    let mut demo = Demo::start(0, 0);
    demo.names(6);
    demo.process.type_line("1");
    demo.process.wait_for_stdout("backend a stopped");
    let names = demo.names(12);
    assert!(!names.contains(&"a".to_owned()), "{names:?}");
    demo.process.type_line("1");
    demo.process.wait_for_stdout("backend a started");
    eventually(PATIENCE, "a is back", || demo.names(3).contains(&"a".to_owned()));
    demo.process.type_line("4");
    demo.process.wait_for_stdout("type 1, 2 or 3");
    demo.process.signal(Signal::SIGINT);
    assert_eq!(demo.process.wait_for_exit(PATIENCE).code(), Some(0));
}

#[test]
fn the_demo_takes_free_ports_where_its_own_are_taken_and_says_so() {
    let other = ScriptedBackend::named("other");
    let (port, (first, _taken)) = (other.address().port(), three_in_a_row());
    let mut demo = Demo::start(port, first);
    for taken in [port, first, first + 1, first + 2] {
        let line = demo.process.wait_for_stdout(&format!("port {taken} is taken"));
        assert!(line.ends_with(": using a free one"), "{line}");
    }
    let shown = demo.shown();
    assert_eq!(shown[0], demo.address);
    assert_ne!(demo.address.port(), port);
    assert_eq!(demo.names(3), ["a", "b", "c"]);
}

fn backend(args: &[&str]) -> (LbProcess, SocketAddr) {
    let mut process = LbProcess::start(&[&["backend", "--port", "0"], args].concat());
    let address = url(&process.wait_for_stdout("listening on http://"));
    (process, address)
}

#[test]
fn a_backend_answers_as_told() {
    let (mut process, address) = backend(&["--name", "x", "--status", "503", "--delay", "50ms"]);
    let begin = clock::now();
    let response = get(address, "/path?q=1");
    assert!(begin.elapsed() >= Duration::from_millis(50));
    assert_eq!(response.status, 503);
    let text = response.text();
    assert!(text.starts_with("backend x\nGET /path?q=1\n"), "{text}");
    assert!(text.contains(&format!("\nHost: {address}\n")), "{text}");
    assert_eq!(process.stdout(), [format!("backend x listening on http://{address}")]);
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait_for_exit(PATIENCE).code(), Some(0));
}

#[test]
fn a_backend_without_a_name_is_called_by_its_port() {
    let (mut process, address) = backend(&[]);
    assert_eq!(name(&get(address, "/")), address.port().to_string());
    process.signal(Signal::SIGINT);
    assert_eq!(process.wait_for_exit(PATIENCE).code(), Some(0));
}

#[test]
fn a_backend_whose_port_is_taken_says_so() {
    let other = ScriptedBackend::named("other");
    let port = other.address().port().to_string();
    let outcome = outcome(LbProcess::start(&["backend", "--port", &port]));
    let start = format!("cannot run a backend on {}: ", other.address());
    assert!(outcome.stderr.starts_with(&start), "{}", outcome.stderr);
    assert_eq!(outcome.stderr.lines().count(), 1);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""));
}
