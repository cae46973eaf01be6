//! The limit on open files: raised at the start, and logged when it comes near.

use std::{fs, net::TcpStream, process::Command};

use crate::support::{backend::ScriptedBackend, process::LbProcess};

use super::yaml;

/// `lb` from a shell that has set limits.
fn limited(backend: &ScriptedBackend, limits: &str) -> LbProcess {
    let folder = tempfile::tempdir().unwrap();
    let text = yaml(&[backend.address()], "access_log: off\nthreads: 1");
    fs::write(folder.path().join("lb.yaml"), text).unwrap();
    let mut command = Command::new("sh");
    let script = format!("{limits}; exec \"$0\" -c lb.yaml");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_lb")]).env_remove("RUST_LOG");
    LbProcess::spawn(folder, command)
}

#[test]
fn the_soft_limit_is_raised_to_the_hard_one() {
    let a = ScriptedBackend::named("a");
    let mut lb = limited(&a, "ulimit -Sn 200; ulimit -Hn 500");
    lb.wait_for_log(" INFO open files are limited limit=500");
    let limits = fs::read_to_string(format!("/proc/{}/limits", lb.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let values: Vec<&str> = line.split_whitespace().skip(3).take(2).collect();
    assert_eq!(values, ["500", "500"]);
}

#[test]
fn a_limit_that_comes_near_is_logged_and_so_is_its_end() {
    let a = ScriptedBackend::named("a");
    let mut lb = limited(&a, "ulimit -Sn 300; ulimit -Hn 300");
    let address = lb.address();
    // Together with the process's own files the number is near 300, and below.
    let own = fs::read_dir(format!("/proc/{}/fd", lb.pid())).unwrap().count();
    let clients: Vec<_> = (0..280 - own).map(|_| TcpStream::connect(address).unwrap()).collect();
    let line = lb.wait_for_log(" WARN open files come near the limit: ");
    assert!(line.ends_with("limit=300"), "{line}");
    drop(clients);
    lb.wait_for_log(" INFO open files are well below the limit again ");
}
