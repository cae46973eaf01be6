//! A balancer without a file, and flags over a file.

use std::{fs, net::SocketAddr, process::Command};

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::{Connection, get},
    eventually::eventually,
    process::{LbProcess, address_in, new_folder},
    reply::Reply,
};

use super::{outcome, yaml};

const TWO_POOLS: &str = "\
listeners: [ { address: 127.0.0.1:0 }, { address: \"[::1]:0\" } ]
routes: [ { pool: web }, { path: /api, pool: api } ]
pools:
  web: { backends: [ { address: 127.0.0.1:1 } ] }
  api: { backends: [ { address: 127.0.0.1:2 } ] }
";

/// A listener on all addresses, reached over loopback.
fn local(address: SocketAddr) -> SocketAddr {
    assert!(address.ip().is_unspecified(), "{address}");
    SocketAddr::from(([127, 0, 0, 1], address.port()))
}

fn two() -> (ScriptedBackend, ScriptedBackend) {
    (ScriptedBackend::named("a"), ScriptedBackend::named("b"))
}

/// The backends that answer four requests while one is in flight on one of the two.
fn answers_while_one_is_busy(lb: SocketAddr, a: &ScriptedBackend, b: &ScriptedBackend) -> String {
    for backend in [a, b] {
        backend.reply_to("/hang", Reply::hang());
    }
    let mut busy = Connection::open(lb).unwrap();
    busy.send(b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let heads = || a.requests_to("/hang").len() + b.requests_to("/hang").len();
    eventually(PATIENCE, "one is busy", || heads() == 1);
    // On one connection the next request is read when the one before is no longer counted.
    let mut connection = Connection::open(lb).unwrap();
    (0..4).map(|_| connection.get("/").unwrap().text()).collect()
}

fn is_least_conn(lb: SocketAddr, a: &ScriptedBackend, b: &ScriptedBackend) -> bool {
    let answers = answers_while_one_is_busy(lb, a, b);
    assert_eq!(answers.len(), 4, "{answers}");
    !answers.contains('a') || !answers.contains('b')
}

#[test]
fn flags_alone_make_a_balancer() {
    let (a, b) = two();
    let backends = format!("http://{},http://{}", a.address(), b.address());
    let mut lb = LbProcess::start(&["--port", "0", "--backends", &backends]);
    let address = local(lb.address());
    let mut answers: Vec<String> = (0..4).map(|_| get(address, "/").text()).collect();
    answers.sort();
    assert_eq!(answers, ["a", "a", "b", "b"]);
    assert!(!is_least_conn(address, &a, &b), "round robin is the default");
}

#[test]
fn every_flag_counts() {
    let (a, b) = two();
    let backends = format!("http://{},http://{}", a.address(), b.address());
    let mut lb = LbProcess::start(
        &["--port=0", "--backends", &backends, "--algorithm=leastconn", "--max-retries=0"]
            .iter()
            .chain(&["--health-interval=200ms", "--health-timeout=100ms"])
            .copied()
            .collect::<Vec<_>>(),
    );
    let address = local(lb.address());
    // Checks come at the pace of the flag: the default is 10 seconds, the patience of a test.
    a.wait_for_requests(4);
    assert!(is_least_conn(address, &a, &b));
    for backend in [&a, &b] {
        backend.reply_to("/broken", Reply::close());
    }
    let before = a.requests_to("/broken").len() + b.requests_to("/broken").len();
    assert_eq!(get(address, "/broken").status, 502);
    let after = a.requests_to("/broken").len() + b.requests_to("/broken").len();
    assert_eq!(after - before, 1, "no retry means one try");
}

#[test]
fn only_given_flags_replace_the_file() {
    let (a, b) = two();
    let taken = ScriptedBackend::named("on the file's port");
    let text = yaml(&[a.address(), b.address()], "    algorithm: least_conn");
    let text = text.replace("127.0.0.1:0", &taken.address().to_string());
    let mut lb = LbProcess::with_config(&text, &["--port", "0"]);
    let address = lb.address();
    assert!(address.ip().is_loopback(), "only the port is replaced: {address}");
    assert_ne!(address, taken.address());
    assert!(is_least_conn(address, &a, &b), "as the file says");
}

#[test]
fn a_flag_replaces_the_algorithm_of_the_file() {
    let (a, b) = two();
    let text = yaml(&[a.address(), b.address()], "    algorithm: least_conn");
    let mut lb = LbProcess::with_config(&text, &["--algorithm", "roundrobin"]);
    assert!(!is_least_conn(lb.address(), &a, &b));
}

#[test]
fn a_flag_replaces_the_tries_of_the_file() {
    let (a, b) = two();
    for backend in [&a, &b] {
        backend.reply(Reply::close());
    }
    let text = yaml(&[a.address(), b.address()], "    retry: { attempts: 2 }");
    for (args, attempts) in [([].as_slice(), 2), (&["--max-retries", "0"], 1)] {
        let before = a.requests().len() + b.requests().len();
        let mut lb = LbProcess::with_config(&text, args);
        assert_eq!(get(lb.address(), "/").status, 502);
        assert_eq!(a.requests().len() + b.requests().len() - before, attempts, "{args:?}");
    }
}

#[test]
fn a_flag_replaces_the_backends_of_the_file() {
    let (a, b) = two();
    let backends = b.address().to_string();
    let text = yaml(&[a.address()], "");
    let mut lb = LbProcess::with_config(&text, &["--backends", &backends]);
    assert_eq!(get(lb.address(), "/").text(), "b");
}

#[test]
fn a_flag_for_one_of_several_names_them() {
    let process = LbProcess::with_config(TWO_POOLS, &["--algorithm", "leastconn", "--port", "1"]);
    let outcome = outcome(process);
    let expected = "\
--port: needs a file with one listener, and this one has 127.0.0.1:0, [::1]:0 (change them in the file)
--algorithm: needs a file with one pool, and this one has web, api (change them in the file)
command line: 2 problems
";
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(2), expected));
    assert_eq!(outcome.stdout, "");
}

/// `lb` with these arguments on a terminal, which `script` gives it.
fn on_a_terminal(arguments: &str, variables: &[(&str, &str)]) -> LbProcess {
    let folder = new_folder();
    fs::write(folder.path().join("lb.yaml"), yaml(&[([127, 0, 0, 1], 9).into()], "")).unwrap();
    let mut command = Command::new("script");
    let inside = format!("exec {} {arguments}", env!("CARGO_BIN_EXE_lb"));
    command.args(["-qfec", &inside, "screen"]).env("TERM", "xterm-256color");
    command.env_remove("NO_COLOR").envs(variables.iter().copied());
    LbProcess::spawn(folder, command)
}

/// The line with this text on the terminal, as soon as it is there.
#[track_caller]
fn on_the_screen(lb: &LbProcess, text: &str) -> String {
    let screen = || fs::read_to_string(lb.folder().join("screen")).unwrap_or_default();
    let line = || screen().lines().find(|line| line.contains(text)).map(ToOwned::to_owned);
    eventually(PATIENCE, text, || line().is_some());
    line().unwrap()
}

#[test]
fn on_a_terminal_the_log_is_text_with_colours_unless_they_are_switched_off() {
    let a = ScriptedBackend::named("a");
    let arguments = format!("--host 127.0.0.1 --port 0 --backends http://{}", a.address());
    let lb = on_a_terminal(&arguments, &[]);
    let line = on_the_screen(&lb, "\x1b[32mINFO\x1b[0m listening address=");
    get(address_in(&line).unwrap(), "/colours");
    on_the_screen(&lb, "GET /colours \x1b[32m200\x1b[0m ");
    let plain = on_a_terminal(&arguments, &[("NO_COLOR", "1")]);
    assert!(!on_the_screen(&plain, " INFO listening address=").contains('\x1b'));
    let check = on_a_terminal("-t -c lb.yaml", &[]);
    assert_eq!(
        on_the_screen(&check, "ok").trim_end(),
        "ok: 1 listener, 1 route, 1 pool, 1 backend"
    );
    let warned = on_a_terminal("doctor -c lb.yaml --root nowhere", &[]);
    on_the_screen(&warned, "\x1b[2mskipped  \x1b[0mprocess         no lb runs from lb.yaml");
}
