//! The process log in a file of its own: at the start, when the file is moved away, and when a
//! reload names another.

use std::fs;

use nix::sys::signal::Signal;

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::get,
    eventually::eventually,
    process::{LbProcess, address_in},
};

use super::{outcome, yaml};

fn config(backend: &ScriptedBackend, settings: &str) -> String {
    let log = "access_log: { format: text, path: access.log }";
    yaml(&[backend.address()], &format!("{log}\n{settings}"))
}

fn start(backend: &ScriptedBackend, settings: &str) -> LbProcess {
    LbProcess::with_config(&config(backend, settings), &[])
}

fn logged(lb: &LbProcess, file: &str) -> String {
    fs::read_to_string(lb.folder().join(file)).unwrap_or_default()
}

#[track_caller]
fn wait_for(lb: &LbProcess, file: &str, marker: &str) {
    eventually(PATIENCE, marker, || logged(lb, file).contains(marker));
}

fn reload(lb: &LbProcess, text: &str) {
    fs::write(lb.folder().join("lb.yaml"), text).unwrap();
    lb.signal(Signal::SIGHUP);
}

#[test]
fn messages_are_in_the_file_and_nowhere_else() {
    let a = ScriptedBackend::named("a");
    let mut lb = start(&a, "error_log: error.log");
    wait_for(&lb, "error.log", " INFO serving pool=web backends=1\n");
    wait_for(&lb, "error.log", " INFO listening address=");
    let log = logged(&lb, "error.log");
    let line = log.lines().find(|line| line.contains(" INFO listening address=")).unwrap();
    assert_eq!(get(address_in(line).unwrap(), "/").text(), "a");
    lb.signal(Signal::SIGTERM);
    assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(0));
    assert!(logged(&lb, "error.log").ends_with(" INFO stopped\n"));
    assert_eq!(lb.stderr(), Vec::<String>::new());
}

#[test]
fn a_file_that_was_moved_away_is_opened_anew() {
    let a = ScriptedBackend::named("a");
    let lb = start(&a, "error_log: error.log");
    wait_for(&lb, "error.log", "serving");
    fs::rename(lb.folder().join("error.log"), lb.folder().join("error.log.1")).unwrap();
    lb.signal(Signal::SIGUSR1);
    eventually(PATIENCE, "it is there again", || lb.folder().join("error.log").exists());
    lb.signal(Signal::SIGHUP);
    wait_for(&lb, "error.log", " INFO reloaded changes=0");
    assert!(!logged(&lb, "error.log.1").contains("reloaded"));
}

#[test]
fn a_reload_moves_it() {
    let a = ScriptedBackend::named("a");
    let mut lb = start(&a, "error_log: error.log");
    wait_for(&lb, "error.log", "serving");
    let to_json = |text: String| text.replace("format: text", "format: json");
    reload(&lb, &to_json(config(&a, "error_log: other.log")));
    wait_for(&lb, "other.log", r#""msg":"reloaded","changes":2"#);
    assert!(logged(&lb, "other.log").contains(r#""msg":"error_log changed""#));
    let old = logged(&lb, "error.log");
    assert!(old.ends_with(" INFO the process log goes on elsewhere to=other.log\n"), "{old}");
    reload(&lb, &config(&a, "error_log: stderr"));
    lb.wait_for_log(" INFO reloaded changes=2");
}

#[test]
fn one_that_cannot_be_opened_is_refused_at_the_start() {
    let a = ScriptedBackend::named("a");
    let outcome = outcome(start(&a, "error_log: no/error.log"));
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""));
    let says = " ERROR cannot open the process log (error_log): no/error.log: No such file";
    assert!(outcome.stderr.contains(says), "{}", outcome.stderr);
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
}

#[test]
fn one_that_cannot_be_opened_is_refused_at_a_reload_and_nothing_changes() {
    let a = ScriptedBackend::named("a");
    let mut lb = start(&a, "");
    let address = lb.address();
    let other =
        config(&a, "error_log: no/error.log").replace("pool: web }", "pool: web, path: /x }");
    reload(&lb, &other);
    let line = lb.wait_for_log("not reloaded, still serving as before");
    assert!(line.contains("cannot open the process log (error_log): no/error.log"), "{line}");
    assert_eq!(get(address, "/").text(), "a", "the routes are as before");
    fs::create_dir(lb.folder().join("no")).unwrap();
    lb.signal(Signal::SIGHUP);
    wait_for(&lb, "no/error.log", "reloaded");
    assert_eq!(get(address, "/").status, 404);
}

#[test]
fn another_one_is_not_used_when_the_rest_of_the_reload_fails() {
    let a = ScriptedBackend::named("a");
    let mut lb = start(&a, "error_log: error.log");
    wait_for(&lb, "error.log", "serving");
    let other = config(&a, "error_log: other.log").replace("access.log", "no/access.log");
    reload(&lb, &other);
    wait_for(&lb, "error.log", "not reloaded, still serving as before: cannot open the access log");
    lb.signal(Signal::SIGTERM);
    assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(0));
    assert!(logged(&lb, "error.log").ends_with(" INFO stopped\n"));
    assert_eq!(logged(&lb, "other.log"), "");
}

#[test]
fn a_failed_start_is_reported_on_standard_error_too() {
    let (a, taken) = (ScriptedBackend::named("a"), ScriptedBackend::named("taken"));
    let text =
        config(&a, "error_log: error.log").replacen("127.0.0.1:0", &taken.address().to_string(), 1);
    let mut lb = LbProcess::with_config(&text, &[]);
    assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(1));
    let says = format!("cannot listen on {} (listeners[0].address): ", taken.address());
    assert!(lb.stderr()[0].starts_with(&says), "{:?}", lb.stderr());
    assert!(logged(&lb, "error.log").contains(&says), "{}", logged(&lb, "error.log"));
}
