//! The admin listener at a Unix socket: permissions and ownership of its file.

use std::{
    fs,
    io::{Read, Write},
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::Path,
};

use nix::sys::signal::Signal;

use crate::support::{
    PATIENCE,
    eventually::{eventually, wait_for},
    process::{LbProcess, new_folder},
};

use super::{pid_that, tell, yaml};

const SETTINGS: &str = "admin: { address: \"unix:admin.sock\" }\npid_file: lb.pid";

fn text() -> String {
    yaml(&[([127, 0, 0, 1], 9).into()], SETTINGS)
}

fn ask(socket: &Path, request: &str) -> Option<String> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "{request}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[test]
fn its_owner_may_use_any_name_and_no_file_is_left_behind() {
    let mut lb = LbProcess::with_config(&text(), &[]);
    let line = lb.wait_for_log("admin listening");
    assert!(line.contains("unix:admin.sock"), "{line}");
    let socket = lb.folder().join("admin.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    for request in ["GET /live HTTP/1.1", "GET /api/v1/config HTTP/1.1\r\nHost: evil.example"] {
        let answer = ask(&socket, request).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{request}: {answer}");
    }
    let answer = ask(&socket, "POST /api/v1/reload HTTP/1.1\r\nHost: lb").unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    let request = "POST /api/v1/reload HTTP/1.1\r\nHost: lb\r\nX-Requested-With: lb";
    assert!(ask(&socket, request).unwrap().ends_with("\r\n\r\nreloaded\n"));
    lb.signal(Signal::SIGTERM);
    assert!(lb.wait_for_exit(PATIENCE).success());
    assert!(!socket.exists());
}

#[test]
fn a_file_that_a_crash_left_is_replaced_and_one_in_use_is_not() {
    let folder = new_folder();
    fs::write(folder.path().join("lb.yaml"), text()).unwrap();
    let socket = folder.path().join("admin.sock");
    let other = UnixListener::bind(&socket).unwrap();
    let command = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lb"));
        command.args(["-c", "lb.yaml"]).env_remove("RUST_LOG");
        command
    };
    let mut refused = LbProcess::spawn(folder, command());
    assert_eq!(refused.wait_for_exit(PATIENCE).code(), Some(1));
    let expected = "cannot listen on unix:admin.sock (admin.address): ";
    assert!(refused.stderr().iter().any(|it| it.contains(expected)), "{:?}", refused.stderr());
    drop(other);
    let mut lb = refused.spawn_beside(command());
    lb.wait_for_log("admin listening");
    assert!(ask(&socket, "GET /live HTTP/1.1").unwrap().ends_with("live\n"));
}

#[test]
fn the_next_process_answers_at_the_same_file() {
    let mut lb = LbProcess::with_config(&text(), &[]);
    lb.wait_for_log("admin listening");
    let socket = lb.folder().join("admin.sock");
    let first = lb.pid();
    let before = fs::metadata(&socket).unwrap();
    assert_eq!(tell(&lb, "upgrade").code, Some(0));
    let next = pid_that(&lb, |pid| pid != first);
    assert!(lb.wait_for_end(PATIENCE).success());
    let answer = wait_for(PATIENCE, || ask(&socket, "GET /live HTTP/1.1"));
    assert!(answer.is_some_and(|answer| answer.ends_with("live\n")));
    let after = fs::metadata(&socket).unwrap();
    assert_eq!(after.created().ok(), before.created().ok(), "the same file");
    nix::sys::signal::kill(next, Signal::SIGTERM).unwrap();
    eventually(PATIENCE, "it is gone with the last process", || !socket.exists());
}
