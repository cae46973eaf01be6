//! A reader of standard error that has stopped reading, such as a log collector that hangs.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Stdio},
};

use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};

use crate::support::{
    PATIENCE,
    backend::ScriptedBackend,
    client::get,
    eventually::wait_for,
    process::{address_in, lb},
};

use super::yaml;

/// Far more requests than fill a pipe at `trace`.
const REQUESTS: usize = 200;
/// The capacity of a pipe, in bytes.
const PIPE: usize = 64 * 1024;

/// A process that is killed when dropped, by its own id.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_reader_of_stderr_that_stalls_holds_up_neither_requests_nor_signals() {
    let a = ScriptedBackend::named("a");
    let folder = tempfile::tempdir().unwrap();
    let text = yaml(&[a.address()], "access_log: off");
    std::fs::write(folder.path().join("lb.yaml"), text).unwrap();
    let mut command = lb(&["-c", "lb.yaml"]);
    command.current_dir(folder.path()).env("RUST_LOG", "trace");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut lb = Killed(command.spawn().unwrap());
    let mut stderr = BufReader::new(lb.0.stderr.take().unwrap());
    let mut address = None;
    while address.is_none() {
        let mut line = String::new();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it has ended");
        address = line.contains(" INFO listening ").then(|| address_in(&line)).flatten();
    }
    for _ in 0..REQUESTS {
        assert_eq!(get(address.unwrap(), "/").text(), "a");
    }
    let pid = Pid::from_raw(i32::try_from(lb.0.id()).unwrap());
    signal::kill(pid, Signal::SIGTERM).unwrap();
    let ended = wait_for(PATIENCE, || lb.0.try_wait().unwrap()).expect("it ends");
    assert_eq!(ended.code(), Some(0));
    let mut rest = Vec::new();
    stderr.read_to_end(&mut rest).unwrap();
    assert!(rest.len() >= PIPE / 2, "{} bytes have stalled nothing", rest.len());
}
