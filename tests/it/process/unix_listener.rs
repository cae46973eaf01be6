//! Clients of Unix sockets: which users may connect, and whose file it is.

use std::{
    fs,
    io::{Read, Write},
    os::{
        linux::net::SocketAddrExt,
        unix::{
            fs::PermissionsExt,
            net::{SocketAddr, UnixStream},
        },
    },
    path::Path,
};

use nix::sys::signal::{self, Signal};

use crate::support::{
    PATIENCE, backend::ScriptedBackend, eventually::eventually, process::LbProcess,
};

use super::{outcome, pid_that, tell};

fn text(backend: &ScriptedBackend, name: &str, rest: &str) -> String {
    format!(
        "listeners:\n  - {{ address: 127.0.0.1:0 }}\n  - {{ address: \"unix:http.sock\", mode: 606 }}\n  \
         - {{ address: \"unix:@{name}\" }}\nroutes: [ {{ pool: web }} ]\n\
         pools: {{ web: {{ health_check: off, backends: [ {{ address: {} }} ] }} }}\n{rest}\n",
        backend.address()
    )
}

fn ask(stream: std::io::Result<UnixStream>) -> Option<String> {
    let mut stream = stream.ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request =
        "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn by_file(folder: &Path) -> Option<String> {
    ask(UnixStream::connect(folder.join("http.sock")))
}

fn by_name(name: &str) -> Option<String> {
    ask(UnixStream::connect_addr(&SocketAddr::from_abstract_name(name).unwrap()))
}

/// A name that no other test has.
fn name(lb: &str) -> String {
    format!("lb-test-{lb}-{}", std::process::id())
}

fn is_served(answer: Option<String>) -> bool {
    answer.is_some_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}

#[test]
fn a_client_of_a_file_or_a_name_is_served_and_nothing_is_left_behind() {
    let a = ScriptedBackend::named("a");
    let name = name("serves");
    let mut lb = LbProcess::with_config(&text(&a, &name, ""), &[]);
    let lines = lb.wait_for_logs("listening", 3);
    assert!(lines[1].contains("unix:http.sock") && lines[2].contains("unix:@"), "{lines:?}");
    let socket = lb.folder().join("http.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o606);
    assert!(is_served(by_file(lb.folder())));
    assert!(is_served(by_name(&name)));
    let requests = a.requests();
    for request in &requests {
        assert_eq!(request.header_lines("x-forwarded-for"), [""; 0]);
        assert_eq!(request.header_lines("x-forwarded-proto"), ["http"]);
        assert_eq!(request.header_lines("x-request-id").len(), 1);
    }
    assert_eq!(requests.len(), 2);
    lb.signal(Signal::SIGTERM);
    assert!(lb.wait_for_exit(PATIENCE).success());
    assert!(!socket.exists());
    assert_eq!(by_name(&name), None);
}

#[test]
fn a_proxy_that_connects_to_a_socket_is_believed_if_the_configuration_says_so() {
    let a = ScriptedBackend::named("a");
    let name = name("believes");
    let mut lb = LbProcess::with_config(&text(&a, &name, "trusted_proxies: [unix]"), &[]);
    lb.wait_for_logs("listening", 3);
    assert!(is_served(by_file(lb.folder())));
    let request = a.requests().remove(0);
    assert_eq!(request.header_lines("x-forwarded-for"), ["1.2.3.4"]);
    assert_eq!(request.header_lines("x-real-ip"), ["1.2.3.4"]);
}

#[test]
fn sockets_are_handed_over_and_removed_by_the_last_process() {
    let a = ScriptedBackend::named("a");
    let name = name("upgrade");
    let text = text(&a, &name, "pid_file: lb.pid");
    let mut lb = LbProcess::with_config(&text, &[]);
    lb.wait_for_logs("listening", 3);
    let socket = lb.folder().join("http.sock");
    for _ in 0..2 {
        let before = pid_that(&lb, |_| true);
        let outcome = tell(&lb, "upgrade");
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        assert_ne!(pid_that(&lb, |_| true), before);
        assert!(is_served(by_file(lb.folder())));
        assert!(is_served(by_name(&name)));
    }
    signal::kill(pid_that(&lb, |_| true), Signal::SIGTERM).unwrap();
    eventually(PATIENCE, "the file is removed", || !socket.exists());
}

#[test]
fn an_owner_that_the_system_does_not_know_is_an_error_of_the_start() {
    let a = ScriptedBackend::named("a");
    let text = text(&a, &name("owner"), "").replace("mode: 606", "owner: no-such-user");
    let outcome = outcome(LbProcess::with_config(&text, &[]));
    assert_eq!(outcome.code, Some(1));
    let expected = "cannot listen on unix:http.sock (listeners[1].address): there is no user";
    assert!(outcome.stderr.contains(expected), "{}", outcome.stderr);
}

#[test]
fn a_socket_without_a_mode_is_for_its_user_and_group() {
    let a = ScriptedBackend::named("a");
    let text = text(&a, &name("mode"), "").replace(", mode: 606", "");
    let mut lb = LbProcess::with_config(&text, &[]);
    lb.wait_for_logs("listening", 3);
    let socket = lb.folder().join("http.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
}
