//! A pipe (FIFO) where a file is expected. Opening one waits for a process at its other end, which
//! must delay nothing.

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    process::Command,
};

use nix::{
    sys::{signal::Signal, stat::Mode},
    unistd::mkfifo,
};

use crate::support::{PATIENCE, backend::ScriptedBackend, client::get, process::LbProcess};

use super::{outcome, rewrite, serving, yaml};

const UNREAD: &str = "it is a pipe that no process reads: start its reader first";

/// Starts `lb` in a folder in which `pipe` is a pipe.
fn start(text: &str, arguments: &[&str]) -> LbProcess {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("lb.yaml"), text).unwrap();
    mkfifo(&folder.path().join("pipe"), Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    LbProcess::spawn(folder, crate::support::process::lb(arguments))
}

#[test]
fn at_the_start_a_pipe_without_another_end_is_refused() {
    let a = ScriptedBackend::named("a");
    for (settings, says) in [
        (
            "access_log: { path: pipe }",
            format!("cannot open the access log (access_log.path): pipe: {UNREAD}"),
        ),
        ("error_log: pipe", format!("cannot open the process log (error_log): pipe: {UNREAD}")),
        ("pid_file: pipe", format!("cannot write the process's number (pid_file): pipe: {UNREAD}")),
    ] {
        let outcome = outcome(start(&yaml(&[a.address()], settings), &["-c", "lb.yaml"]));
        assert_eq!(outcome.code, Some(1), "{settings}");
        assert!(outcome.stderr.contains(&says), "{settings}: {}", outcome.stderr);
    }
}

#[test]
fn what_is_no_file_is_refused_at_the_start_and_in_a_reload() {
    let a = ScriptedBackend::named("a");
    let text = |settings: &str| yaml(&[a.address()], settings);
    let (mut lb, address) = serving(&text("access_log: off"));
    let in_folder = |name: &str| lb.folder().join(name);
    fs::create_dir(in_folder("folder")).unwrap();
    let _socket = UnixListener::bind(in_folder("socket")).unwrap();
    symlink("pipe", in_folder("link")).unwrap();
    mkfifo(&in_folder("pipe"), Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    symlink("nothing/at/all", in_folder("dangling")).unwrap();
    symlink("loop", in_folder("loop")).unwrap();
    for (name, says) in [
        ("folder", "Is a directory"),
        ("socket", "it is a socket, not a file"),
        ("link", UNREAD),
        ("dangling", "No such file"),
        ("loop", "symbolic links"),
        ("folder/nothing/log", "No such file"),
    ] {
        for settings in [
            format!("access_log: {{ path: {name} }}"),
            format!("access_log: off\nerror_log: {name}"),
        ] {
            rewrite(&lb, &text(&settings));
            let reload = super::tell(&lb, "reload");
            let start = outcome(lb.beside(&["-c", "lb.yaml"]));
            for told in [reload, start] {
                assert_eq!(told.code, Some(1), "{settings}: {}", told.stderr);
                assert!(told.stderr.contains(&format!("{name}: ")), "{settings}: {}", told.stderr);
                assert!(told.stderr.contains(says), "{settings}: {}", told.stderr);
            }
        }
    }
    for (name, says) in [
        ("folder", "it is a directory, not a file"),
        ("socket", "it is a socket, not a file"),
        ("dangling", "there is no such file"),
        ("/dev/zero", "it is larger than 16 MiB"),
        ("/dev/full", "it is larger than 16 MiB"),
    ] {
        let told = outcome(lb.beside(&["-c", name]));
        assert_eq!(told.code, Some(1), "{name}");
        assert!(
            told.stderr.contains(&format!("{name}: cannot be read: {says}")),
            "{}",
            told.stderr
        );
    }
    assert_eq!(get(address, "/").text(), "a");
    lb.signal(Signal::SIGTERM);
    assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(0));
}

#[test]
fn a_configuration_in_a_pipe_that_no_process_writes_to_is_refused() {
    let outcome = outcome(start("", &["-c", "pipe"]));
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.stderr.contains("it is a pipe that no process writes to"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn in_a_reload_it_is_refused_and_the_next_reload_works() {
    let a = ScriptedBackend::named("a");
    let text = |settings: &str| yaml(&[a.address()], settings);
    let (mut lb, address) = serving(&text("access_log: off"));
    mkfifo(&lb.folder().join("pipe"), Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    for settings in ["access_log: { path: pipe }", "access_log: off\nerror_log: pipe"] {
        rewrite(&lb, &text(settings));
        let says = super::tell(&lb, "reload");
        assert_eq!(says.code, Some(1), "{settings}");
        assert!(says.stderr.contains(UNREAD), "{settings}: {}", says.stderr);
    }
    rewrite(&lb, &text("access_log: off"));
    assert_eq!(super::tell(&lb, "reload").code, Some(0));
    assert_eq!(get(address, "/").text(), "a");
    lb.signal(Signal::SIGTERM);
    assert_eq!(lb.wait_for_exit(PATIENCE).code(), Some(0));
}

#[test]
fn a_configuration_in_a_pipe_whose_writer_takes_its_time_is_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("lb.yaml"), yaml(&["127.0.0.1:1".parse().unwrap()], "")).unwrap();
    let mut command = Command::new("sh");
    let script = "(head -c 20 lb.yaml; sleep 0.2; tail -c +21 lb.yaml) | \"$0\" -t -c /dev/stdin";
    command.args(["-c", script, env!("CARGO_BIN_EXE_lb")]);
    let outcome = outcome(LbProcess::spawn(folder, command));
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
}
