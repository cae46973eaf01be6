//! `lb doctor`: its output, its exit codes, and what it learns from a process that runs.

use std::{fs, path::Path};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::get,
    eventually::eventually,
    process::{LbProcess, new_folder},
    reply::{Reply, Step},
    tls_client::listener_keys,
};

use super::{Outcome, outcome, rewrite, tell, yaml};

/// What a machine says on which nothing is wrong.
const MACHINE: [(&str, &str); 6] = [
    ("proc/self/limits", "Max open files  1024  100000  files\n"),
    ("proc/sys/net/core/somaxconn", "4096\n"),
    ("proc/sys/net/ipv4/ip_local_port_range", "32768 60999\n"),
    ("proc/sys/net/ipv4/tcp_tw_reuse", "2\n"),
    ("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"),
    ("run/systemd/timesync/synchronized", ""),
];

fn machine(files: &[(&str, &str)]) -> TempDir {
    let root = new_folder();
    for (name, text) in MACHINE.iter().chain(files) {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

fn ask(lb: &LbProcess, root: &Path, more: &[&str]) -> Outcome {
    let root = root.to_str().unwrap();
    outcome(lb.beside(&[&["doctor", "-c", "lb.yaml", "--root", root], more].concat()))
}

/// The finding of this check.
fn finding(lb: &LbProcess, root: &Path, check: &str) -> Value {
    let answer = ask(lb, root, &["--json"]).stdout;
    let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{answer}"));
    let findings = answer["findings"].as_array().unwrap();
    findings.iter().find(|it| it["check"] == check).unwrap_or_else(|| panic!("{answer}")).clone()
}

#[test]
fn the_certificates_of_files_have_their_days() {
    let folder = new_folder();
    let text = format!(
        "listeners: [ {{ address: 127.0.0.1:0, {} }} ]
routes: [ {{ pool: web }} ]
pools: {{ web: {{ backends: [ {{ address: 127.0.0.1:9 }} ] }} }}
",
        listener_keys()
    );
    fs::write(folder.path().join("lb.yaml"), text).unwrap();
    let lb = LbProcess::spawn(folder, std::process::Command::new("true"));
    let found = finding(&lb, machine(&[]).path(), "certificates");
    assert_eq!(found["level"], "fine", "{found}");
    assert!(
        found["says"].as_str().unwrap().starts_with("the first one to end is valid for "),
        "{found}"
    );
}

#[test]
fn without_a_process_the_machine_and_the_file_are_checked() {
    let folder = new_folder();
    fs::write(folder.path().join("lb.yaml"), yaml(&[([127, 0, 0, 1], 9).into()], "")).unwrap();
    let root = machine(&[]);
    let lb = LbProcess::spawn(folder, std::process::Command::new("true"));
    let well = ask(&lb, root.path(), &[]);
    assert_eq!((well.code, well.stderr.as_str()), (Some(0), ""), "{}", well.stdout);
    assert!(well.stdout.contains("skipped  keep-alive      no lb runs from lb.yaml\n"));
    assert!(
        well.stdout.ends_with("0 problems, 0 warnings, 4 skipped, 12 fine\n"),
        "{}",
        well.stdout
    );
    assert!(!well.stdout.contains('\x1b'), "no colours in a pipe");

    let few = machine(&[("proc/sys/net/core/somaxconn", "128\n")]);
    let warned = ask(&lb, few.path(), &[]);
    assert_eq!(warned.code, Some(3), "{}", warned.stdout);
    let says = "warning  backlog         net.core.somaxconn is 128: ";
    assert!(warned.stdout.starts_with(says), "{}", warned.stdout);
    assert!(warned.stdout.contains("do: sysctl -w net.core.somaxconn=4096"), "{}", warned.stdout);

    rewrite(&lb, "listeners: nonsense\n");
    let wrong = ask(&lb, few.path(), &["--json"]);
    assert_eq!(wrong.code, Some(1), "{}", wrong.stdout);
    let answer: Value = serde_json::from_str(&wrong.stdout).unwrap();
    assert_eq!((&answer["level"], &answer["pid"]), (&"problem".into(), &Value::Null));
    assert_eq!(answer["findings"][0]["check"], "configuration");
    assert_eq!(answer["findings"][0]["place"], "lb.yaml:1");
}

#[test]
fn a_file_that_is_newer_than_the_one_in_force_is_found() {
    let a = ScriptedBackend::named("a");
    let text = yaml(&[a.address()], "");
    let mut lb = LbProcess::with_config(&text, &[]);
    lb.address();
    let root = machine(&[]);
    let newer = |lb: &LbProcess| finding(lb, root.path(), "newer file");
    assert_eq!(newer(&lb)["level"], "fine");
    rewrite(&lb, &text.replace("web", "shop"));
    let found = newer(&lb);
    assert_eq!(
        (&found["level"], &found["mend"]),
        (&"warning".into(), &"lb reload -c lb.yaml".into())
    );
    assert_eq!(found["says"], "lb.yaml has changed since it was loaded");
    assert_eq!(tell(&lb, "reload").code, Some(0));
    assert_eq!(newer(&lb)["level"], "fine");
    rewrite(&lb, "nonsense");
    assert_eq!(tell(&lb, "reload").code, Some(1));
    assert_eq!(newer(&lb)["level"], "problem");
    let process = finding(&lb, root.path(), "process");
    assert_eq!(process["says"], format!("process {} runs from lb.yaml", lb.pid()));
}

#[test]
fn a_backend_that_closes_idle_connections_is_found() {
    let closes = Reply::steps_of([
        Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()),
        Step::Close,
    ]);
    let a = ScriptedBackend::replying(closes);
    let mut lb = LbProcess::with_config(&yaml(&[a.address()], ""), &[]);
    let address = lb.address();
    let root = machine(&[]);
    let found = || finding(&lb, root.path(), "keep-alive");
    assert_eq!(found()["level"], "fine");
    let says = format!("backend {} closes connections at once or within a second", a.address());
    eventually(PATIENCE, "the pattern is seen", || {
        get(address, "/");
        found()["says"].as_str().is_some_and(|it| it.starts_with(&says))
    });
    assert_eq!(found()["place"], "pools.web.timeouts.keepalive");
}
