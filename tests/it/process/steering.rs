//! The commands over the admin listener of a process that serves: their output is true, and their
//! changes redirect requests.

use std::net::SocketAddr;

use serde_json::Value;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::get,
    eventually::eventually,
    process::{LbProcess, address_in},
};

use super::{Outcome, outcome, yaml};

/// A path that is short enough for a socket, in the folder of the process.
const ON_A_SOCKET: &str = "access_log: off\nadmin: { address: unix:admin.sock }";

fn start(backends: [&ScriptedBackend; 2], settings: &str) -> (LbProcess, SocketAddr) {
    let text = yaml(&backends.map(ScriptedBackend::address), settings);
    let mut lb = LbProcess::with_config(&text, &[]);
    let address = lb.address();
    lb.wait_for_log("admin listening");
    (lb, address)
}

/// Runs `lb` with these arguments and the file of the process.
#[track_caller]
fn ask(lb: &LbProcess, args: &[&str]) -> Outcome {
    outcome(lb.beside(&[args, &["-c", "lb.yaml"]].concat()))
}

#[track_caller]
fn done(lb: &LbProcess, args: &[&str]) -> String {
    let outcome = ask(lb, args);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{args:?}");
    outcome.stdout
}

/// The names of the backends that answer this many requests, in order.
fn who(address: SocketAddr, requests: usize) -> Vec<String> {
    (0..requests).map(|_| get(address, "/").text()).collect()
}

#[test]
fn a_backend_that_is_drained_gets_nothing_until_it_is_undrained() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    let (lb, address) = start([&a, &b], ON_A_SOCKET);
    let name = a.address().to_string();
    assert!(who(address, 4).contains(&"a".to_owned()));
    let says = done(&lb, &["drain", "web", &name]);
    let expected =
        format!("{name} of pool web is draining (an operator drains it, until undrain), ");
    assert!(says.starts_with(&expected), "{says}");
    assert_eq!(who(address, 6), ["b"; 6]);
    let status = done(&lb, &["status"]);
    let line = status.lines().find(|line| line.contains(&name)).expect("its line");
    assert!(line.contains("  draining  "), "{line}");
    let explained = done(&lb, &["explain", "http://example.com/x"]);
    assert!(explained.contains(&format!("→ {}  eligible", b.address())), "{explained}");
    let out = explained.lines().find(|line| line.contains(&format!("{name}  draining for ")));
    let says = "s: an operator drains it, until undrain";
    assert!(out.is_some_and(|line| line.contains(says)), "{explained}");
    let says = done(&lb, &["undrain", "web", &name]);
    assert!(says.starts_with(&format!("{name} of pool web is eligible, ")), "{says}");
    eventually(PATIENCE, "requests for it", || who(address, 1) == ["a"]);
}

#[test]
fn a_backend_that_is_ejected_is_back_when_it_is_readmitted() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    let (lb, address) = start([&a, &b], ON_A_SOCKET);
    let name = a.address().to_string();
    let says = done(&lb, &["eject", "web", &name, "--for", "1h"]);
    assert!(says.contains(" is ejected (an operator ejected it, "), "{says}");
    assert!(says.contains("59m ") || says.contains("1h 0m left"), "{says}");
    assert_eq!(who(address, 6), ["b"; 6]);
    let last = ask(&lb, &["eject", "web", &b.address().to_string()]);
    assert_eq!((last.code, last.stdout.as_str()), (Some(1), ""));
    assert!(
        last.stderr.contains("no other backend of its pool can take requests"),
        "{}",
        last.stderr
    );
    done(&lb, &["readmit", "web", &name]);
    eventually(PATIENCE, "requests for it", || who(address, 1) == ["a"]);
}

#[test]
fn a_weight_is_in_effect_until_the_configured_one_is_restored() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    let (lb, address) = start([&a, &b], &format!("    algorithm: round_robin\n{ON_A_SOCKET}"));
    let name = a.address().to_string();
    let says = done(&lb, &["weight", "web", &name, "3"]);
    let expected = format!("{name} of pool web is eligible (by an operator: weight 3), ");
    assert!(says.starts_with(&expected), "{says}");
    let of_a = |count| who(address, count).iter().filter(|name| *name == "a").count();
    assert_eq!(of_a(8), 6);
    done(&lb, &["weight", "web", &name, "default"]);
    assert_eq!(of_a(8), 4);
}

#[test]
fn a_script_reads_the_state_it_has_made() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    let (lb, address) = start([&a, &b], ON_A_SOCKET);
    let name = a.address().to_string();
    let json = |args: &[&str]| -> Value {
        let text = done(&lb, &[args, &["--json"]].concat());
        serde_json::from_str(&text).expect("JSON")
    };
    let drained = json(&["drain", "web", &name]);
    assert_eq!((&drained["state"], &drained["until"]), (&"draining".into(), &"undrain".into()));
    assert_eq!(drained["set_by_operator"][0], "drained");
    who(address, 3);
    let status = json(&["status", "web"]);
    let backends = &status["pools"][0]["backends"];
    assert_eq!((&backends[0]["requests"], &backends[1]["requests"]), (&0.into(), &3.into()));
    let explained = json(&["explain", "example.com", "--method", "POST"]);
    assert_eq!(explained["chosen"], b.address().to_string());
    assert_eq!(explained["repeatable"], false);
}

#[test]
fn unknown_names_are_answered_with_the_known_ones() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    let (lb, _) = start([&a, &b], ON_A_SOCKET);
    for (backend, says) in [
        (format!("127.0.0.2:{}", a.address().port()), "pool web has no backend 127.0.0.2:"),
        ("localhost".to_owned(), "pool web has no backend localhost "),
    ] {
        let outcome = ask(&lb, &["drain", "web", &backend]);
        assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
        assert!(outcome.stderr.starts_with(says), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(&a.address().to_string()), "{}", outcome.stderr);
    }
    let outcome = ask(&lb, &["drain", "wbe", &a.address().to_string()]);
    let says = "no pool is named \"wbe\" (the pools are web)\n";
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(1), says));
}

#[test]
fn commands_work_with_a_token_and_are_refused_without() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    let settings = "admin: { address: 127.0.0.1:0, token: 0123456789abcdef }";
    let (mut lb, _) = start([&a, &b], settings);
    let admin = address_in(&lb.wait_for_log("admin listening")).expect("its address");
    let at = format!("--admin=http://{admin}");
    std::fs::write(lb.folder().join("token"), "0123456789abcdef\n").unwrap();
    std::fs::write(lb.folder().join("wrong"), "0123456789abcdeg\n").unwrap();
    for (token, code, says) in [
        (None, 1, "requires a token"),
        (Some("--token-file=wrong"), 1, "rejects this token"),
        (Some("--token-file=token"), 0, ""),
    ] {
        let arguments = [&["status", at.as_str()], token.as_slice()].concat();
        let outcome = outcome(lb.beside(&arguments));
        assert_eq!(outcome.code, Some(code), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(says), "{}", outcome.stderr);
    }
}
