//! `lb doctor`: its output, its exit codes, and what it learns from a process that runs.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    time::Duration,
};

use nix::{sys::signal::Signal, unistd::geteuid};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    certificates::Authority,
    client::get,
    eventually::eventually,
    process::{LbProcess, new_folder},
    reply::{Reply, Step},
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

/// A folder with this configuration, and no process.
fn at_rest(text: &str) -> LbProcess {
    let folder = new_folder();
    fs::write(folder.path().join("lb.yaml"), text).unwrap();
    LbProcess::spawn(folder, std::process::Command::new("true"))
}

/// The level of the finding of this check, and what it says.
fn said(lb: &LbProcess, root: &Path, check: &str) -> (String, String) {
    let finding = finding(lb, root, check);
    let text = |name: &str| finding[name].as_str().unwrap().to_owned();
    (text("level"), text("says"))
}

/// The finding of this check.
fn finding(lb: &LbProcess, root: &Path, check: &str) -> Value {
    let answer = ask(lb, root, &["--json"]).stdout;
    let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{answer}"));
    let findings = answer["findings"].as_array().unwrap();
    findings.iter().find(|it| it["check"] == check).unwrap_or_else(|| panic!("{answer}")).clone()
}

#[test]
fn without_a_process_the_machine_and_the_file_are_checked() {
    let root = machine(&[]);
    let lb = at_rest(&yaml(&[([127, 0, 0, 1], 9).into()], ""));
    let well = ask(&lb, root.path(), &[]);
    assert_eq!((well.code, well.stderr.as_str()), (Some(0), ""), "{}", well.stdout);
    assert!(well.stdout.contains("skipped  keep-alive      no lb runs from lb.yaml\n"));
    assert!(
        well.stdout.ends_with("0 problems, 0 warnings, 4 skipped, 12 fine\n"),
        "{}",
        well.stdout
    );
    assert!(!well.stdout.contains('\x1b'), "no colours in a pipe");
    let well = ask(&lb, root.path(), &["--json"]).stdout;
    let well: Value = serde_json::from_str(&well).unwrap();
    assert_eq!((&well["level"], &well["file"]), (&"fine".into(), &"lb.yaml".into()));

    let few = machine(&[("proc/sys/net/core/somaxconn", "128\n")]);
    let warned = ask(&lb, few.path(), &[]);
    assert_eq!(warned.code, Some(3), "{}", warned.stdout);
    let says = "warning  backlog         net.core.somaxconn is 128: ";
    assert!(warned.stdout.starts_with(says), "{}", warned.stdout);
    assert!(warned.stdout.contains("do: sysctl -w net.core.somaxconn=4096"), "{}", warned.stdout);
    assert!(warned.stdout.contains("at: /proc/sys/net/core/somaxconn\n"), "{}", warned.stdout);
    assert!(warned.stdout.contains("\n0 problems, 1 warning, "), "{}", warned.stdout);

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
    let all: Value = serde_json::from_str(&ask(&lb, root.path(), &["--json"]).stdout).unwrap();
    assert_eq!(all["pid"], lb.pid().as_raw());
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

#[test]
fn what_the_system_says_of_the_process_is_asked_for_by_its_number() {
    let a = ScriptedBackend::named("a");
    let mut lb = LbProcess::with_config(&yaml(&[a.address()], ""), &[]);
    lb.address();
    let process = format!("proc/{}", lb.pid());
    let limits = format!("{process}/limits");
    let root = machine(&[(&*limits, "Max open files  512  100000  files\n")]);
    symlink("/usr/bin/lb (deleted)", root.path().join(&process).join("exe")).unwrap();
    let files = finding(&lb, root.path(), "open files");
    assert_eq!(files["says"], "the limit is 512, which is about 256 requests at a time");
    assert_eq!(files["place"], format!("/{limits}"));
    let program = finding(&lb, root.path(), "newer program");
    assert_eq!(
        (&program["level"], &program["mend"]),
        (&"warning".into(), &"lb upgrade -c lb.yaml".into())
    );
}

#[test]
fn a_file_from_the_future_shows_a_clock_that_is_behind() {
    let root = machine(&[]);
    let lb = at_rest(&yaml(&[([127, 0, 0, 1], 9).into()], ""));
    let file = File::options().append(true).open(lb.folder().join("lb.yaml")).unwrap();
    for (ahead, level) in [(3600, "problem"), (30, "fine")] {
        file.set_modified(lb::clock::wall() + Duration::from_secs(ahead)).unwrap();
        assert_eq!(said(&lb, root.path(), "clock").0, level, "{ahead} s");
    }
}

#[test]
fn what_a_load_would_say_is_said() {
    let root = machine(&[]);
    let text = yaml(&[([127, 0, 0, 1], 9).into()], "");
    let lb = at_rest(&text.replace("127.0.0.1:9", "nowhere.invalid:9"));
    let (level, says) = said(&lb, root.path(), "names");
    assert_eq!(level, "problem", "{says}");
    assert!(says.contains("nowhere.invalid"), "{says}");
    rewrite(&lb, &text.replace(":9\"", ":9\", drain: true"));
    let (level, says) = said(&lb, root.path(), "configuration");
    assert_eq!(level, "warning", "{says}");
    assert!(says.contains("every backend has drain: true"), "{says}");
}

#[test]
fn certificates_are_looked_at_and_the_first_to_end_is_told() {
    let root = machine(&[]);
    let lb = at_rest("");
    let authority = Authority::new("lb test");
    let listeners = "    tls: { certificates: [ { cert: a.pem, key: a.key }, { cert: b.pem, key: b.key } ] } } ]";
    let text = yaml(&[([127, 0, 0, 1], 9).into()], "")
        .replace(" } ]\nroutes", &format!(",\n{listeners}\nroutes"));
    rewrite(&lb, &text);
    let (level, says) = said(&lb, root.path(), "certificates");
    assert_eq!(level, "problem", "{says}");
    assert!(says.contains("a.pem"), "{says}");
    for (name, days) in [("a", 90), ("b", 60)] {
        authority.issue_for_days(&[&format!("{name}.example")], days).write(lb.folder(), name);
    }
    let (level, says) = said(&lb, root.path(), "certificates");
    assert_eq!(level, "fine", "{says}");
    let is_first =
        ["59", "60"].iter().any(|days| says.ends_with(&format!("valid for {days} days")));
    assert!(is_first, "{says}");
    authority.issue_for_days(&["b.example"], 5).write(lb.folder(), "b");
    assert_eq!(said(&lb, root.path(), "certificates").0, "warning");
}

#[test]
fn a_certificate_with_a_name_in_its_subject_alone_is_warned_of() {
    let root = machine(&[]);
    let lb = at_rest("");
    let tls = "    tls: { certificates: [ { cert: a.pem, key: a.key } ] } } ]";
    let text = yaml(&[([127, 0, 0, 1], 9).into()], "")
        .replace(" } ]\nroutes", &format!(",\n{tls}\nroutes"));
    rewrite(&lb, &text);
    Authority::new("lb test").issue_for_subject("a.example").write(lb.folder(), "a");
    let checked = outcome(lb.beside(&["-t", "-c", "lb.yaml"]));
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    let says = "a.pem has no subjectAltName, so that clients refuse it";
    assert!(checked.stderr.contains(says), "{}", checked.stderr);
    assert!(checked.stderr.contains("DNS:a.example"), "{}", checked.stderr);
    let (level, said) = said(&lb, root.path(), "certificates");
    assert_eq!(level, "warning", "{said}");
    assert!(said.contains(says), "{said}");
}

#[test]
fn a_certificate_that_is_newer_than_the_one_in_force_is_found() {
    let a = ScriptedBackend::named("a");
    let folder = new_folder();
    let authority = Authority::new("lb test");
    authority.issue(&["a.example"]).write(folder.path(), "a");
    let tls = ",\n    tls: { certificates: [ { cert: a.pem, key: a.key } ] } } ]\nroutes";
    let text = yaml(&[a.address()], "").replace(" } ]\nroutes", tls);
    fs::write(folder.path().join("lb.yaml"), text).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lb"));
    command.args(["-c", "lb.yaml"]);
    let mut lb = LbProcess::spawn(folder, command);
    lb.address();
    let root = machine(&[]);
    assert_eq!(said(&lb, root.path(), "newer file").0, "fine");
    authority.issue(&["a.example"]).write(lb.folder(), "a");
    let (level, says) = said(&lb, root.path(), "newer file");
    assert_eq!(level, "warning", "{says}");
    assert!(says.contains("a.pem") || says.contains("a.key"), "{says}");
}

#[test]
fn files_and_folders_that_the_process_could_not_use_are_found() {
    let root = machine(&[]);
    let settings = "access_log: { path: gone/access.log }\nerror_log: missing/lb.log";
    let lb = at_rest(&yaml(&[([127, 0, 0, 1], 9).into()], settings));
    let all = ask(&lb, root.path(), &["--json"]).stdout;
    let all: Value = serde_json::from_str(&all).unwrap();
    let of_check = |it: &&Value| it["check"] == "permissions";
    let found: Vec<_> = all["findings"].as_array().unwrap().iter().filter(of_check).collect();
    let places: Vec<_> = found.iter().map(|it| it["place"].as_str().unwrap()).collect();
    assert_eq!(places.len(), 2, "{found:?}");
    assert!(places[0].ends_with("gone") && places[1].ends_with("missing"), "{places:?}");
    for (folder, file) in [("gone", "access.log"), ("missing", "lb.log")] {
        fs::create_dir(lb.folder().join(folder)).unwrap();
        assert!(!lb.folder().join(folder).join(file).exists());
    }
    let (level, says) = said(&lb, root.path(), "permissions");
    assert_eq!((&*level, &*says), ("fine", "files and folders that lb can use: 3"));
}

/// Only root can look as another user.
#[test]
fn permissions_are_those_of_the_user_that_the_process_becomes() {
    if !geteuid().is_root() {
        return;
    }
    let root = machine(&[]);
    let settings = "user: nobody\nerror_log: lb.log\naccess_log: { path: logs/access.log }";
    let lb = at_rest(&yaml(&[([127, 0, 0, 1], 9).into()], settings));
    let mode = |path: &str, mode| {
        fs::set_permissions(lb.folder().join(path), Permissions::from_mode(mode)).unwrap();
    };
    fs::write(lb.folder().join("lb.log"), "").unwrap();
    fs::create_dir(lb.folder().join("logs")).unwrap();
    let place = || finding(&lb, root.path(), "permissions")["place"].clone();
    mode(".", 0o755);
    mode("lb.yaml", 0o644);
    mode("lb.log", 0o666);
    mode("logs", 0o777);
    assert_eq!(place(), Value::Null, "all can be used");
    for (path, without, with) in
        [("lb.yaml", 0o600, 0o644), ("lb.log", 0o644, 0o666), ("logs", 0o755, 0o777)]
    {
        mode(path, without);
        let found = finding(&lb, root.path(), "permissions");
        assert!(found["place"].as_str().unwrap().ends_with(path), "{found}");
        assert!(found["mend"].as_str().unwrap().starts_with("chown nobody "), "{found}");
        mode(path, with);
    }
}

/// Relative paths are those of the process, wherever the command is started.
#[test]
fn relative_paths_begin_where_the_process_runs() {
    let root = machine(&[]);
    let a = ScriptedBackend::named("a");
    let tls = ",\n    tls: { certificates: [ { cert: a.pem, key: a.key } ] } } ]\nroutes";
    let text = yaml(&[a.address()], "error_log: error.log").replace(" } ]\nroutes", tls);
    let folder = new_folder();
    Authority::new("lb test").issue_for_days(&["a.example"], 90).write(folder.path(), "a");
    fs::write(folder.path().join("lb.yaml"), text).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lb"));
    command.args(["-c", "lb.yaml"]);
    let mut lb = LbProcess::spawn(folder, command);
    let log = lb.folder().join("error.log");
    let is_up = || fs::read_to_string(&log).is_ok_and(|text| text.contains("serving"));
    eventually(PATIENCE, "it serves", is_up);

    let elsewhere = LbProcess::spawn(new_folder(), std::process::Command::new("true"));
    let file = lb.folder().join("lb.yaml");
    let file = file.to_str().unwrap();
    let ask = || {
        let root = root.path().to_str().unwrap();
        outcome(elsewhere.beside(&["doctor", "-c", file, "--root", root])).stdout
    };
    let said = ask();
    assert!(said.contains("fine     certificates "), "{said}");
    lb.signal(Signal::SIGTERM);
    lb.wait_for_exit(PATIENCE);
    // Without a process they begin where `lb -c` would be started.
    let said = ask();
    let says = "a.pem cannot be read: there is no such file (a relative path begins in the folder that lb is";
    assert!(said.contains(says), "{said}");
    let checked = outcome(elsewhere.beside(&["-t", "-c", file]));
    assert!(checked.stderr.contains(says), "{}", checked.stderr);
}
