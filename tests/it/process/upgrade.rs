//! `lb upgrade`: another process replaces the one that serves, and no client notices.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
};

use lb::process::{
    control::{self, Command},
    handover::Inherited,
    meeting_socket::{MeetingSocket, Purpose},
};
use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};

use crate::support::{
    PATIENCE,
    backend::{ScriptedBackend, claim},
    client::{Connection, ask, get},
    eventually::{eventually, wait_for},
    process::{LbProcess, address_in},
    reply::{Gate, Reply},
};

use super::{SUCCESSION, outcome, pid_that, rewrite, serving, succession, tell, yaml};

/// Runs `lb upgrade`, which must succeed; returns the process that serves from then on.
#[track_caller]
fn upgrade(lb: &LbProcess) -> Pid {
    let before = pid_that(lb, |_| true);
    let outcome = tell(lb, "upgrade");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    let pid = pid_that(lb, |_| true);
    assert_ne!(pid, before);
    assert_eq!(outcome.stdout, format!("handed over to process {pid}\n"));
    pid
}

/// Runs `lb upgrade`, which must fail; returns its message.
#[track_caller]
fn fail_to_upgrade(lb: &LbProcess) -> String {
    let outcome = tell(lb, "upgrade");
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""), "{}", outcome.stderr);
    outcome.stderr
}

/// The configuration with a second listener, on this address.
fn with_listener(text: &str, address: SocketAddr) -> String {
    let second = format!("127.0.0.1:0 }}, {{ address: \"{address}\" }} ]");
    text.replacen("127.0.0.1:0 } ]", &second, 1)
}

#[track_caller]
fn wait_until_refused(address: SocketAddr) {
    eventually(PATIENCE, "connections are refused", || TcpStream::connect(address).is_err());
}

#[test]
fn the_next_process_serves_in_place_of_the_one_before() {
    let a = ScriptedBackend::named("a");
    let (mut lb, address) = serving(&succession(&a));
    let mut client = Connection::open(address).unwrap();
    assert_eq!(client.get("/").unwrap().header("connection"), Some("keep-alive"));
    let pid = upgrade(&lb);
    assert_ne!(pid, lb.pid());
    let lines = lb.wait_for_logs(" INFO listening address=", 2);
    assert!(lines.iter().all(|line| address_in(line) == Some(address)), "{lines:?}");
    let last = client.get("/").unwrap();
    assert_eq!((last.text().as_str(), last.header("connection")), ("a", Some("close")));
    assert_eq!(lb.wait_for_end(PATIENCE).code(), Some(0));
    let next = get(address, "/");
    assert_eq!((next.text().as_str(), next.header("connection")), ("a", Some("keep-alive")));
    // The pid file belongs to the next process, and is removed by it.
    assert_eq!(pid_that(&lb, |_| true), pid);
    signal::kill(pid, Signal::SIGTERM).unwrap();
    eventually(PATIENCE, "no process is left", || lb.pids_in_folder().is_empty());
    wait_until_refused(address);
    assert!(!lb.folder().join("lb.pid").exists());
}

/// As in nginx, the signal alone starts the next process.
#[test]
fn sigusr2_upgrades() {
    let a = ScriptedBackend::named("a");
    let (mut lb, address) = serving(&succession(&a));
    lb.signal(Signal::SIGUSR2);
    assert_eq!(lb.wait_for_end(PATIENCE).code(), Some(0));
    let pid = pid_that(&lb, |pid| pid != lb.pid());
    assert_eq!(lb.pids_in_folder(), [pid]);
    assert_eq!(get(address, "/").text(), "a");
}

/// A sender of commands does not notice the other process either.
#[test]
fn it_can_be_repeated_at_once() {
    let a = ScriptedBackend::named("a");
    let (lb, address) = serving(&succession(&a));
    let first = upgrade(&lb);
    let second = upgrade(&lb);
    assert!(![lb.pid(), first].contains(&second));
    for command in ["health", "reload"] {
        let outcome = tell(&lb, command);
        assert_eq!(outcome.code, Some(0), "{command}: {}", outcome.stderr);
    }
    assert_eq!(get(address, "/").text(), "a");
    eventually(PATIENCE, "those before end", || lb.pids_in_folder() == [second]);
}

#[test]
fn requests_that_began_before_are_finished() {
    let a = ScriptedBackend::named("a");
    let gate = Gate::closed();
    a.reply_to("/download", Reply::body_behind(&gate, "all of it"));
    a.reply_to("/slow", Reply::behind(&gate, "late"));
    a.reply_to("/ws", Reply::upgrade());
    let (mut lb, address) = serving(&succession(&a));
    let mut slow = ask(address, "/slow");
    let mut download = ask(address, "/download");
    let mut tunnel = Connection::open(address).unwrap();
    let wanted = [("Connection", "Upgrade"), ("Upgrade", "websocket")];
    assert_eq!(tunnel.request("GET", "/ws", &wanted, b"").unwrap().status, 101);
    a.wait_for_requests(3);
    upgrade(&lb);
    assert_eq!(get(address, "/").text(), "a");
    assert_eq!(lb.exit_status(), None, "still there for what is in flight");
    gate.open();
    let response = slow.read_response("GET").unwrap();
    assert_eq!((response.text().as_str(), response.is_complete), ("late", true));
    assert_eq!(response.header("connection"), Some("close"));
    let response = download.read_response("GET").unwrap();
    assert_eq!((response.text().as_str(), response.is_complete), ("all of it", true));
    for text in [b"hello", b"world"] {
        tunnel.send(text).unwrap();
        assert_eq!(tunnel.read_exact(text.len()).unwrap(), text);
    }
    drop(tunnel);
    assert_eq!(lb.wait_for_end(PATIENCE).code(), Some(0));
}

#[test]
fn the_state_of_backends_is_taken_over() {
    let [a, b, c] = ["a", "b", "c"].map(ScriptedBackend::named);
    // Without slow start the shares are equal, so that every backend gets requests.
    let settings =
        format!("    ejection: {{ base: 5m, max: 5m }}\n    slow_start: off\n{SUCCESSION}");
    let text = yaml(&[a.address(), b.address(), c.address()], &settings);
    let drained = format!("{{ address: \"{}\"", c.address());
    let (mut lb, address) = serving(&text.replace(&drained, &format!("{drained}, drain: true")));
    a.reply(Reply::status(502));
    eventually(PATIENCE, "a is ejected", || {
        assert_eq!(get(address, "/").text(), "b");
        lb.stderr().iter().any(|line| line.contains("backend ejected"))
    });
    a.reply(Reply::ok("a"));
    let asked = a.requests().len();
    upgrade(&lb);
    assert_eq!(lb.wait_for_end(PATIENCE).code(), Some(0));
    for _ in 0..10 {
        assert_eq!(get(address, "/").text(), "b");
    }
    assert_eq!((a.requests().len(), c.requests().len()), (asked, 0));
}

#[test]
fn a_listener_is_opened_and_another_one_closed() {
    let a = ScriptedBackend::named("a");
    let ((second, _first_claim), (third, _second_claim)) = (claim().unwrap(), claim().unwrap());
    let (lb, address) = serving(&with_listener(&succession(&a), second));
    assert_eq!(get(second, "/").text(), "a");
    rewrite(&lb, &with_listener(&succession(&a), third));
    upgrade(&lb);
    assert_eq!(get(address, "/").text(), "a");
    assert_eq!(get(third, "/").text(), "a");
    wait_until_refused(second);
}

#[test]
fn when_the_next_process_cannot_listen_the_one_before_goes_on() {
    let (a, taken) = (ScriptedBackend::named("a"), ScriptedBackend::named("taken"));
    let (mut lb, address) = serving(&succession(&a));
    rewrite(&lb, &with_listener(&succession(&a), taken.address()));
    assert_eq!(outcome(lb.beside(&["-t", "-c", "lb.yaml"])).code, Some(0));
    let says = fail_to_upgrade(&lb);
    let reason = format!("cannot listen on {} (listeners[1].address): ", taken.address());
    assert!(says.starts_with("not upgraded, still serving as before: "), "{says}");
    assert!(says.contains(&reason), "{says}");
    assert_eq!(get(address, "/").header("connection"), Some("keep-alive"));
    assert_eq!(pid_that(&lb, |_| true), lb.pid());
    eventually(PATIENCE, "one is left", || lb.pids_in_folder() == [lb.pid()]);
    rewrite(&lb, &succession(&a));
    upgrade(&lb);
    assert_eq!(lb.wait_for_end(PATIENCE).code(), Some(0));
    assert_eq!(get(address, "/").text(), "a");
}

#[test]
fn an_invalid_file_disturbs_no_client() {
    let a = ScriptedBackend::named("a");
    let (lb, address) = serving(&succession(&a));
    rewrite(&lb, "listeners: [ { adress: 1 } ]\n");
    let says = fail_to_upgrade(&lb);
    assert!(says.starts_with("lb.yaml:1: ") && says.contains("did you mean"), "{says}");
    assert!(says.ends_with("\nnot upgraded, nothing has changed\n"), "{says}");
    assert!(!lb.stderr().iter().any(|line| line.contains("starting")), "{:?}", lb.stderr());
    assert_eq!(get(address, "/").text(), "a");
}

#[test]
fn a_program_that_does_not_run_is_no_successor() {
    let a = ScriptedBackend::named("a");
    let (lb, address) = serving(&succession(&a));
    let place = MeetingSocket::of(Purpose::Control, &lb.folder().join("lb.yaml")).unwrap();
    for (program, reason) in [
        ("/bin/false", "it ended without saying why (exit status: 1)"),
        ("/bin/true", "it ended without saying why (exit status: 0)"),
        ("/nowhere/lb", "/nowhere/lb cannot be started: No such file or directory"),
    ] {
        let answer = control::ask(&place, &Command::Upgrade(program.into())).unwrap().unwrap_err();
        let expected = format!("not upgraded, still serving as before: {reason}");
        assert!(answer.starts_with(&expected), "{answer}");
        assert_eq!(get(address, "/").text(), "a");
    }
    assert_eq!(pid_that(&lb, |_| true), lb.pid());
    upgrade(&lb);
    assert_eq!(get(address, "/").text(), "a");
}

/// Begins an upgrade that is not decided yet.
fn begin_upgrade(lb: &LbProcess) -> Pid {
    let takes_over = |pid: &Pid| {
        let arguments = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        arguments.contains("--report") && !arguments.contains("--detach")
    };
    lb.pids_in_folder().into_iter().find(takes_over).unwrap()
}

#[test]
fn a_process_that_hangs_as_soon_as_it_serves_is_no_successor_even_if_it_goes_on() {
    let a = ScriptedBackend::named("a");
    let (mut lb, address) = serving(&succession(&a));
    let command = lb.beside(&["upgrade", "-c", "lb.yaml"]);
    lb.wait_for_logs(" INFO listening address=", 2);
    let next = begin_upgrade(&lb);
    signal::kill(next, Signal::SIGSTOP).unwrap();
    let outcome = outcome(command);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("the new process does nothing"), "{}", outcome.stderr);
    signal::kill(next, Signal::SIGCONT).unwrap();
    lb.wait_for_log("the process before goes on serving, and this one ends");
    eventually(PATIENCE, "one is left", || lb.pids_in_folder() == [lb.pid()]);
    assert_eq!(pid_that(&lb, |_| true), lb.pid(), "the file names who serves");
    assert_eq!(get(address, "/").header("connection"), Some("keep-alive"));
}

/// The test plays the next process, so that it ends between two known words.
#[test]
fn a_process_that_dies_as_soon_as_it_serves_is_no_successor() {
    for (last_word, says) in [
        (None, "the new process ended before it said that it serves: its last lines in"),
        (Some(Inherited::serving as fn(_) -> _), "the new process ended as soon as it served: its"),
    ] {
        let a = ScriptedBackend::named("a");
        let (mut lb, address) = serving(&succession(&a));
        let socket = MeetingSocket::of(Purpose::Upgrade, &lb.folder().join("lb.yaml")).unwrap();
        let listener = socket.listen().unwrap();
        listener.set_nonblocking(true).unwrap();
        lb.signal(Signal::SIGQUIT);
        let (stream, _) = wait_for(PATIENCE, || listener.accept().ok()).expect("it hands over");
        let inherited = Inherited::take(stream).unwrap().unwrap();
        match last_word {
            Some(serving) => drop(serving(inherited)),
            None => drop(inherited),
        }
        drop(listener);
        lb.wait_for_log(&format!(" ERROR not handed over, still serving: {says}"));
        assert_eq!(pid_that(&lb, |_| true), lb.pid(), "the file names who serves");
        assert_eq!(get(address, "/").header("connection"), Some("keep-alive"));
        upgrade(&lb);
        assert_eq!(get(address, "/").text(), "a");
    }
}

/// It may or may not have said that it serves by then.
#[test]
fn a_process_that_is_killed_when_it_begins_to_serve_is_no_successor() {
    ends_as_soon_as_it_serves(Signal::SIGKILL);
}

#[test]
fn a_process_that_is_told_to_stop_as_soon_as_it_serves_is_no_successor() {
    ends_as_soon_as_it_serves(Signal::SIGTERM);
}

#[track_caller]
fn ends_as_soon_as_it_serves(by: Signal) {
    let a = ScriptedBackend::named("a");
    let (mut lb, address) = serving(&succession(&a));
    let command = lb.beside(&["upgrade", "-c", "lb.yaml"]);
    lb.wait_for_logs(" INFO listening address=", 2);
    let next = begin_upgrade(&lb);
    // Both processes accept, and one with some of these connections does not leave at once.
    let mut idle: Vec<_> = (0..16).map(|_| Connection::open(address).unwrap()).collect();
    idle.iter_mut().for_each(|connection| assert_eq!(connection.get("/").unwrap().text(), "a"));
    signal::kill(next, by).unwrap();
    let outcome = outcome(command);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    let says = "not upgraded, still serving as before: the new process ended ";
    assert!(outcome.stderr.starts_with(says), "{}", outcome.stderr);
    eventually(PATIENCE, "one is left", || lb.pids_in_folder() == [lb.pid()]);
    assert_eq!(pid_that(&lb, |_| true), lb.pid(), "the file names who serves");
    assert_eq!(get(address, "/").header("connection"), Some("keep-alive"));
    upgrade(&lb);
    assert_eq!(get(address, "/").text(), "a");
}

#[test]
fn only_one_upgrade_runs_at_a_time() {
    let a = ScriptedBackend::named("a");
    let gate = Gate::closed();
    let check = "    health_check: { path: /health, interval: 1m, timeout: 9s }";
    let (lb, address) = serving(&yaml(&[a.address()], &format!("{check}\n{SUCCESSION}")));
    eventually(PATIENCE, "it is ready", || tell(&lb, "health").code == Some(0));
    // This delays the first round of checks of the next process.
    a.reply_to("/health", Reply::behind(&gate, ""));
    let first = lb.beside(&["upgrade", "-c", "lb.yaml"]);
    eventually(PATIENCE, "it checks", || a.requests_to("/health").len() == 2);
    let says = fail_to_upgrade(&lb);
    assert!(says.ends_with(": a hand-over is under way already\n"), "{says}");
    assert_eq!(get(address, "/").text(), "a");
    assert_eq!(pid_that(&lb, |_| true), lb.pid(), "nothing is handed over before");
    gate.open();
    assert_eq!(outcome(first).code, Some(0));
    assert_ne!(pid_that(&lb, |_| true), lb.pid());
}

#[test]
fn without_a_process_the_command_says_so() {
    let a = ScriptedBackend::named("a");
    let (mut lb, _) = serving(&succession(&a));
    lb.signal(Signal::SIGTERM);
    assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(0));
    for command in ["upgrade", "reload", "health"] {
        let outcome = tell(&lb, command);
        let says = "no lb runs from lb.yaml (start it with: lb -c lb.yaml)\n";
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(1), says), "{command}");
    }
    assert!(!fs::exists(lb.folder().join("lb.pid")).unwrap());
}
