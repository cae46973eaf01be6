//! Commands to a process that runs, and a file that it watches.

use std::{fs, net::SocketAddr, os::unix};

use nix::sys::signal::Signal;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::{Connection, get},
    eventually::eventually,
    process::{LbProcess, new_folder},
    reply::Reply,
};

use super::{outcome, rewrite, tell, yaml};

const SETTINGS: &str = "access_log: off";

fn config(backend: &ScriptedBackend, settings: &str) -> String {
    yaml(&[backend.address()], &format!("{SETTINGS}\n{settings}"))
}

fn start(text: &str) -> (LbProcess, SocketAddr) {
    let mut lb = LbProcess::with_config(text, &[]);
    let address = lb.address();
    lb.wait_for_log("serving pool=");
    (lb, address)
}

/// The configuration with a route for this path only.
fn only(text: &str, path: &str) -> String {
    text.replacen("{ pool: web }", &format!("{{ pool: web, path: {path} }}"), 1)
}

#[track_caller]
fn wait_for_route(address: SocketAddr, path: &str) {
    eventually(PATIENCE, path, || {
        get(address, path).status == 200 && get(address, "/nowhere").status == 404
    });
}

#[test]
fn a_reload_reports_its_changes() {
    let (a, b) = (ScriptedBackend::named("a"), ScriptedBackend::named("b"));
    let (lb, address) = start(&config(&a, ""));
    rewrite(&lb, &yaml(&[a.address(), b.address()], &format!("{SETTINGS}\nthreads: 3")));
    let outcome = tell(&lb, "reload");
    let says = "threads need an upgrade\npool web: +1 backend\nreloaded\n";
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), says));
    assert_eq!(outcome.stderr, "");
    // A backend that joins starts with a tenth of its share.
    let answers: Vec<_> = (0..20).map(|_| get(address, "/").text()).collect();
    assert!(answers.contains(&"b".to_owned()), "in force when it is said: {answers:?}");
    assert_eq!(tell(&lb, "reload").stdout, "threads need an upgrade\nreloaded\n");
}

#[test]
fn a_reload_reports_problems_with_their_lines() {
    let a = ScriptedBackend::named("a");
    let (lb, address) = start(&config(&a, ""));
    rewrite(&lb, &config(&a, "adress: 1\nthreads: many"));
    let outcome = tell(&lb, "reload");
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""));
    let lines: Vec<_> = outcome.stderr.lines().collect();
    assert!(lines[0].starts_with("lb.yaml:8: adress: is not a known key"), "{lines:?}");
    assert!(lines[1].starts_with("lb.yaml:9: threads: must be "), "{lines:?}");
    assert_eq!(lines[2..], ["lb.yaml: 2 problems", "not reloaded, still serving as before"]);
    assert_eq!(get(address, "/").text(), "a");
}

/// The command works from any folder, and by any path to the file.
#[test]
fn a_command_finds_the_process_by_the_file() {
    let a = ScriptedBackend::named("a");
    let (lb, _) = start(&config(&a, ""));
    unix::fs::symlink(lb.folder(), lb.folder().join("link")).unwrap();
    fs::write(lb.folder().join("other.yaml"), config(&a, "")).unwrap();
    let absolute = lb.folder().join("lb.yaml");
    for file in [absolute.to_str().unwrap(), "./lb.yaml", "link/lb.yaml"] {
        let outcome = outcome(lb.beside(&["health", "-c", file]));
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), "ready\n"), "{file}");
    }
    for file in ["other.yaml", "none.yaml", "/nowhere/lb.yaml"] {
        let outcome = outcome(lb.beside(&["reload", "-c", file]));
        let says = format!("no lb runs from {file} (start it with: lb -c {file})\n");
        assert_eq!((outcome.code, outcome.stderr), (Some(1), says));
    }
}

#[test]
fn health_is_that_of_the_pools() {
    let a = ScriptedBackend::named("a");
    let (lb, _) = start(&config(&a, ""));
    assert_eq!(tell(&lb, "health").code, Some(0));
    rewrite(&lb, &config(&a, "").replacen("\" }", "\", drain: true }", 1));
    assert_eq!(tell(&lb, "reload").code, Some(0));
    let outcome = tell(&lb, "health");
    let says = "not ready: no eligible backend in pool web\n";
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(1), says));
}

#[test]
fn all_commands_at_the_same_time_are_answered() {
    let a = ScriptedBackend::named("a");
    let (lb, address) = start(&config(&a, ""));
    rewrite(&lb, &only(&config(&a, ""), "/x"));
    let commands: Vec<_> = (0..8).map(|_| lb.beside(&["reload", "-c", "lb.yaml"])).collect();
    for command in commands {
        let outcome = outcome(command);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        assert!(outcome.stdout.ends_with("reloaded\n"), "{}", outcome.stdout);
    }
    assert_eq!((get(address, "/").status, get(address, "/x").status), (404, 200));
}

#[test]
fn the_last_of_many_signals_counts() {
    let a = ScriptedBackend::named("a");
    let (lb, address) = start(&config(&a, ""));
    for round in 0..50 {
        rewrite(&lb, &only(&config(&a, ""), &format!("/{round}")));
        lb.signal(Signal::SIGHUP);
    }
    wait_for_route(address, "/49");
}

#[test]
fn a_dry_run_says_what_would_change_and_changes_nothing() {
    let a = ScriptedBackend::named("a");
    let text = config(&a, "");
    let (lb, address) = start(&text);
    let dry_run = || outcome(lb.beside(&["reload", "--dry-run", "-c", "lb.yaml"]));
    let same = dry_run();
    assert_eq!((same.code, same.stdout.as_str()), (Some(0), "a reload would change nothing\n"));
    rewrite(&lb, &only(&text, "/other"));
    let other = dry_run();
    let expected = "routes changed\na reload would change this; nothing has changed\n";
    assert_eq!((other.code, other.stdout.as_str()), (Some(0), expected), "{}", other.stderr);
    assert_eq!(get(address, "/").status, 200);
    rewrite(&lb, "nonsense");
    let wrong = dry_run();
    assert_eq!(wrong.code, Some(1));
    assert!(
        wrong.stderr.ends_with("a reload would fail; nothing has changed\n"),
        "{}",
        wrong.stderr
    );
    assert_eq!(get(address, "/").status, 200);
}

#[test]
fn a_process_that_is_stopped_finishes_its_requests_and_has_ended_when_the_command_returns() {
    let a = ScriptedBackend::named("a");
    a.reply_to("/hang", Reply::hang());
    let (mut lb, address) = start(&config(&a, "shutdown: { timeout: 0s }"));
    let mut busy = Connection::open(address).unwrap();
    busy.send(b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    a.wait_for_requests(1);
    let pid = lb.pid();
    let stopped = tell(&lb, "stop");
    let expected = format!("stopping: 1 request is in flight\nprocess {pid} has ended\n");
    assert_eq!((stopped.code, stopped.stdout), (Some(0), expected), "{}", stopped.stderr);
    assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(1), "a request was cut off");
    let none = tell(&lb, "stop");
    assert_eq!(none.code, Some(1));
    assert!(none.stderr.contains("no lb runs from lb.yaml"), "{}", none.stderr);
}

#[test]
fn another_process_of_the_same_file_says_who_runs() {
    let a = ScriptedBackend::named("a");
    let (lb, address) = start(&config(&a, ""));
    rewrite(&lb, &config(&a, "").replace("127.0.0.1:0", &address.to_string()));
    let second = outcome(lb.beside(&["-c", "lb.yaml"]));
    assert_eq!(second.code, Some(1));
    let expected = format!("process {} runs from lb.yaml already", lb.pid());
    assert!(second.stderr.contains(&expected), "{}", second.stderr);
}

#[test]
fn a_change_of_an_included_file_is_loaded_if_the_file_is_watched() {
    let a = ScriptedBackend::named("a");
    let text = config(&a, "watch: true\ninclude: parts/*.yaml");
    let folder = new_folder();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("parts")).unwrap();
    fs::write(path("lb.yaml"), only(&text, "/first")).unwrap();
    let mut lb = LbProcess::start(&["-c", path("lb.yaml").to_str().unwrap()]);
    let address = lb.address();
    fs::write(path("parts/a.yaml"), "routes: [ { pool: web, path: /a } ]\n").unwrap();
    wait_for_route(address, "/a");
    fs::write(path("path"), "/b\n").unwrap();
    fs::write(path("parts/a.yaml"), "routes: [ { pool: web, path: \"${file:path}\" } ]\n").unwrap();
    wait_for_route(address, "/b");
    fs::write(path("path"), "/c\n").unwrap();
    wait_for_route(address, "/c");
    fs::remove_file(path("parts/a.yaml")).unwrap();
    eventually(PATIENCE, "it is gone", || get(address, "/c").status == 404);
}

/// What a load has looked at and not found is watched, too, and so is what a failed load has looked at.
#[test]
fn a_file_that_comes_later_mends_a_reload_that_failed_without_it() {
    let a = ScriptedBackend::named("a");
    let text = config(&a, "watch: true");
    let (mut lb, address) = start(&text);
    let at = |path: &str| format!("routes: [ {{ pool: web, path: {path} }} ]\n");
    let failed = "not reloaded, still serving as before";
    rewrite(&lb, &only(&text, "\"${file:path}\""));
    lb.wait_for_logs(failed, 1);
    fs::write(lb.folder().join("path"), "/from-file").unwrap();
    wait_for_route(address, "/from-file");
    rewrite(&lb, &format!("{}\ninclude: part.yaml\n", only(&text, "/first")));
    lb.wait_for_logs(failed, 2);
    fs::write(lb.folder().join("part.yaml"), "routes: nonsense\n").unwrap();
    lb.wait_for_logs(failed, 3);
    fs::write(lb.folder().join("part.yaml"), at("/part")).unwrap();
    wait_for_route(address, "/part");
    let admin = "admin: { address: 127.0.0.1:0, token_file: token }";
    rewrite(&lb, &format!("{}\n{admin}\n", only(&text, "/second")));
    lb.wait_for_logs(failed, 4);
    fs::write(lb.folder().join("token"), "a-token-that-is-long-enough-for-this").unwrap();
    wait_for_route(address, "/second");
}

#[test]
fn a_file_that_is_watched_is_loaded_when_it_changes() {
    let a = ScriptedBackend::named("a");
    let text = config(&a, "watch: true");
    let (mut lb, address) = start(&text);
    let other = lb.folder().join("other.yaml");
    fs::write(&other, config(&a, "")).unwrap();
    let mut unwatched = lb.beside(&["-c", "other.yaml"]);
    let of_unwatched = unwatched.address();
    fs::write(&other, only(&config(&a, ""), "/other")).unwrap();
    rewrite(&lb, &only(&text, "/in-place"));
    wait_for_route(address, "/in-place");
    rewrite(&lb, "nonsense");
    lb.wait_for_log("not reloaded, still serving as before");
    assert_eq!(get(address, "/in-place").status, 200);
    let next = lb.folder().join("next.yaml");
    fs::write(&next, only(&text, "/replaced")).unwrap();
    fs::rename(&next, lb.folder().join("lb.yaml")).unwrap();
    wait_for_route(address, "/replaced");
    assert_eq!(get(of_unwatched, "/").status, 200, "it is not to watch");
}

/// Kubernetes mounts a ConfigMap like this: the file is a link through `..data`, and that link
/// changes.
#[test]
fn a_link_that_leads_elsewhere_is_a_change() {
    let a = ScriptedBackend::named("a");
    let text = config(&a, "watch: true");
    let folder = new_folder();
    let publish = |version: &str, text: &str| {
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path(version)).unwrap();
        fs::write(path(version).join("lb.yaml"), text).unwrap();
        unix::fs::symlink(version, path("..tmp")).unwrap();
        fs::rename(path("..tmp"), path("..data")).unwrap();
    };
    publish("..v1", &text);
    unix::fs::symlink("..data/lb.yaml", folder.path().join("lb.yaml")).unwrap();
    let file = folder.path().join("lb.yaml");
    let mut lb = LbProcess::start(&["-c", file.to_str().unwrap()]);
    let address = lb.address();
    publish("..v2", &only(&text, "/next"));
    wait_for_route(address, "/next");
    let health = outcome(lb.beside(&["health", "-c", file.to_str().unwrap()]));
    assert_eq!(health.code, Some(0), "{}", health.stderr);
}
