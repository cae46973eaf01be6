//! The start of a process, and its two logs.

use std::{fs, net::SocketAddr, path::Path};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{
    PATIENCE,
    backend::{ScriptedBackend, claim},
    client::{get, raw, try_get},
    eventually::{eventually, wait_for},
    process::LbProcess,
    reply::Reply,
};

use super::{outcome, yaml};

const TEXT: &str = "access_log: { format: text, path: stdout }";

fn stop(lb: &mut LbProcess) {
    lb.signal(Signal::SIGTERM);
    assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(0));
}

fn json(lines: &[String]) -> Vec<Value> {
    let value = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    lines.iter().map(|line| value(line)).collect()
}

fn count(lb: &LbProcess, marker: &str) -> usize {
    lb.stderr().iter().filter(|line| line.contains(marker)).count()
}

/// The address of a listener of another process.
fn taken() -> (ScriptedBackend, SocketAddr) {
    let other = ScriptedBackend::named("other");
    let address = other.address();
    (other, address)
}

#[test]
fn it_says_when_it_is_ready() {
    let a = ScriptedBackend::named("a");
    let mut lb = LbProcess::with_config(&yaml(&[a.address()], TEXT), &[]);
    let line = lb.wait_for_log("listening");
    let address = lb.address();
    assert!(line.ends_with(&format!(" INFO listening address={address}")), "{line}");
    assert_eq!(get(address, "/").text(), "a");
    let serving = lb.wait_for_log("serving");
    assert!(serving.ends_with(" INFO serving pool=web backends=1"), "{serving}");
}

#[test]
fn every_listener_serves() {
    let a = ScriptedBackend::named("a");
    let one = "{ address: 127.0.0.1:0 }";
    let text = yaml(&[a.address()], "").replace(one, &format!("{one}, {one}"));
    let mut lb = LbProcess::with_config(&text, &[]);
    let addresses = lb.addresses(2);
    assert_ne!(addresses[0], addresses[1]);
    for address in addresses {
        assert_eq!(get(address, "/").text(), "a");
    }
}

#[test]
fn a_warning_of_the_file_is_logged() {
    let text = format!(
        "{}  spare: {{ backends: [ {{ address: 127.0.0.1:3 }} ], health_check: off }}\n{TEXT}\n",
        yaml(&["127.0.0.1:1".parse().unwrap()], "")
    );
    let line = LbProcess::with_config(&text, &[]).wait_for_log("pools.spare");
    assert!(line.contains(" WARN lb.yaml:"), "{line}");
}

#[test]
fn a_port_that_is_taken_is_one_clear_line() {
    let (_other, address) = taken();
    let listener = "127.0.0.1:0";
    for (listeners, index) in
        [(address.to_string(), 0), (format!("{listener} }}, {{ address: {address}"), 1)]
    {
        let text = yaml(&["127.0.0.1:1".parse().unwrap()], TEXT).replacen(listener, &listeners, 1);
        let outcome = outcome(LbProcess::with_config(&text, &[]));
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""));
        let says = format!(" ERROR cannot listen on {address} (listeners[{index}].address): ");
        assert!(outcome.stderr.contains(&says), "{}", outcome.stderr);
        assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    }
}

#[test]
fn an_access_log_without_a_folder_is_one_clear_line() {
    let text = yaml(&["127.0.0.1:1".parse().unwrap()], "access_log: { path: no/access.log }");
    let outcome = outcome(LbProcess::with_config(&text, &[]));
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""));
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    let line = &json(&[outcome.stderr])[0];
    let says = "cannot open the access log (access_log.path): no/access.log: No such file";
    assert!(line["msg"].as_str().unwrap().starts_with(says), "{line}");
    assert_eq!(line["level"], "error");
}

#[test]
fn the_process_log_is_json_when_the_access_log_is() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    a.stop();
    let text = yaml(&[a.address(), b.address()], "access_log: { format: json, path: stderr }");
    let mut lb = LbProcess::with_config(&text, &[]);
    let address = lb.address();
    for _ in 0..2 {
        assert_eq!(get(address, "/").text(), "b");
    }
    lb.wait_for_logs("Request completed", 2);
    stop(&mut lb);
    let lines = json(&lb.stderr());
    let messages: Vec<_> = lines.iter().map(|line| line["msg"].as_str().unwrap()).collect();
    for expected in ["listening", "serving", "backend ejected", "stopping", "stopped"] {
        assert!(messages.contains(&expected), "{expected} is not in {messages:?}");
    }
    for line in &lines {
        assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
        assert!(["info", "warn"].contains(&line["level"].as_str().unwrap()), "{line}");
    }
    let listening = lines.iter().find(|line| line["msg"] == "listening").unwrap();
    assert_eq!(listening["address"], address.to_string());
}

#[test]
fn the_log_filter_of_the_environment_is_obeyed() {
    let (_other, address) = taken();
    let filter = "lb::server=error,lb::state_log=warn";
    let dead = claim().unwrap();
    let check = "    health_check: { interval: 200ms, timeout: 190ms }";
    let mut lb = LbProcess::with_environment(&yaml(&[dead.0], check), &[("RUST_LOG", filter)]);
    lb.wait_for_log("backend unhealthy");
    stop(&mut lb);
    let lines = lb.stderr();
    assert!(lines.len() == 2 && lines[1].contains("no backend can take a request"), "{lines:?}");

    let text = yaml(&[dead.0], TEXT);
    let mut lb = LbProcess::with_environment(&text, &[("RUST_LOG", "info,pingora_core=debug")]);
    lb.wait_for_log("target=pingora_core");

    let quiet = text.replace("127.0.0.1:0", &address.to_string());
    let outcome = outcome(LbProcess::with_environment(&quiet, &[("RUST_LOG", "off")]));
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(1), ""));
}

#[test]
fn the_access_log_goes_to_stdout_unless_told_otherwise() {
    let a = ScriptedBackend::named("a");
    let mut lb = LbProcess::with_config(&yaml(&[a.address()], ""), &[]);
    get(lb.address(), "/path?q=1");
    let line = &json(&[lb.wait_for_stdout("Request completed")])[0];
    assert_eq!(line["path"], "/path?q=1");
    assert_eq!(line["status"], 200);
    assert_eq!(line["backend"], format!("http://{}", a.address()));
    stop(&mut lb);
    assert_eq!(lb.stdout().len(), 1);
}

#[test]
fn the_access_log_goes_to_a_file_as_text() {
    let a = ScriptedBackend::named("a");
    let settings = "access_log: { format: text, path: access.log }";
    let mut lb = LbProcess::with_config(&yaml(&[a.address()], settings), &[]);
    get(lb.address(), "/one");
    get(lb.address(), "/two");
    let path = lb.folder().join("access.log");
    eventually(PATIENCE, "two lines", || lines(&path).len() == 2);
    let (first, backend) = (lines(&path).remove(0), a.address());
    assert!(first.contains(" GET /one 200 1B "), "{first}");
    assert!(first.contains(&format!(" -> http://{backend} attempts=1 pool=web ")), "{first}");
    stop(&mut lb);
    assert_eq!(lines(&path).len(), 2);
    assert!(lb.stdout().is_empty(), "{:?}", lb.stdout());
}

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn the_access_log_can_be_off() {
    let a = ScriptedBackend::named("a");
    let mut lb = LbProcess::with_config(&yaml(&[a.address()], "access_log: off"), &[]);
    assert_eq!(get(lb.address(), "/").text(), "a");
    stop(&mut lb);
    assert!(lb.stdout().is_empty(), "{:?}", lb.stdout());
    assert!(lb.stderr().iter().all(|line| line.contains(" INFO ")), "{:?}", lb.stderr());
}

#[test]
fn checks_log_each_change_once_with_its_reason() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    // A late check is a failure, and the first one decides at once, so it gets as much time as
    // possible.
    let check = "    health_check: { interval: 500ms, timeout: 490ms, rise: 2, fall: 2 }";
    let text = yaml(&[a.address(), b.address()], &format!("{check}\n{TEXT}"));
    let mut lb = LbProcess::with_config(&text, &[]);
    a.wait_for_requests(1);
    let later = || b.wait_for_requests(b.requests().len() + 4);
    a.stop();
    let line = lb.wait_for_log("backend unhealthy");
    let expected = format!(
        " WARN backend unhealthy pool=web backend={0} address={0} failures=2 \
         reason=\"connection refused\"",
        a.address()
    );
    assert!(line.ends_with(&expected), "{line}");
    later();
    assert_eq!(count(&lb, "backend unhealthy"), 1);
    a.start();
    let line = lb.wait_for_log("backend healthy");
    let expected =
        format!(" INFO backend healthy pool=web backend={0} address={0} passes=2", a.address());
    assert!(line.ends_with(&expected), "{line}");
    later();
    assert_eq!((count(&lb, "backend unhealthy"), count(&lb, "backend healthy")), (1, 1));
    a.reply(Reply::status(500));
    let line = lb.wait_for_logs("backend unhealthy", 2).remove(1);
    assert!(line.contains("500"), "{line}");
}

#[test]
fn traffic_logs_each_change_once_with_its_reason() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    // Checks are so rare that traffic comes first, and two passes are needed, because one check may
    // be under way already.
    let check = "    health_check: { interval: 500ms, timeout: 490ms, rise: 2, fall: 100 }";
    let text = yaml(&[a.address(), b.address()], &format!("{check}\n{TEXT}"));
    let mut lb = LbProcess::with_config(&text, &[]);
    let address = lb.address();
    a.wait_for_requests(1);
    a.stop();
    for _ in 0..6 {
        assert_eq!(get(address, "/").text(), "b");
    }
    let line = lb.wait_for_log("backend ejected");
    let expected =
        format!(" WARN backend ejected pool=web backend={0} address={0} reason=", a.address());
    assert!(line.contains(&expected), "{line}");
    assert!(line.contains("refused"), "{line}");
    a.start();
    let line = lb.wait_for_log("backend readmitted");
    assert!(line.ends_with(&format!(" backend={0} address={0} passes=2", a.address())), "{line}");
    let back = wait_for(PATIENCE, || (try_get(address, "/").ok()?.text() == "a").then_some(()));
    assert!(back.is_some(), "a is back");
    assert_eq!((count(&lb, "backend ejected"), count(&lb, "backend readmitted")), (1, 1));
    assert_eq!(count(&lb, "backend unhealthy"), 0);
}

/// Where HTTP/2 is spoken without TLS, too, what is neither is refused with what is true of this listener.
#[test]
fn what_is_neither_protocol_is_told_what_is_spoken() {
    let a = ScriptedBackend::named("a");
    let text = yaml(&[a.address()], TEXT);
    let both = text.replace(":0 }", ":0, protocols: [h2c, http/1.1] }");
    assert_ne!(both, text);
    let preface = "this is not the preface of HTTP/2";
    let line = "a request line is of HTTP/1.0 or HTTP/1.1; HTTP/2 begins with its preface";
    let only = "only HTTP/1.0 and HTTP/1.1 are served here";
    for (text, in_preface, in_line) in [(both, preface, line), (text, only, only)] {
        let mut lb = LbProcess::with_config(&text, &[]);
        let address = lb.address();
        for (request, says) in [
            ("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", in_preface),
            ("PRI / HTTP/2.0\r\nHost: a\r\n\r\n", in_preface),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", in_line),
        ] {
            let answer = raw(address, request.as_bytes());
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.starts_with("HTTP/1.1 505 "), "{request:?}: {answer}");
            assert!(answer.contains(says), "{request:?}: {answer}");
        }
        // The older way of asking for HTTP/2 is answered in HTTP/1.1.
        let upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, Upgrade, HTTP2-Settings\r\n\
                       Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
        assert!(raw(address, upgrade.as_bytes()).starts_with(b"HTTP/1.1 200 "));
        stop(&mut lb);
    }
}
