//! Processes that the bench starts, each with its descendants in a process group of its own. They
//! end when their value is dropped, and when the bench is interrupted.
//!
//! The bench has a thread of its own, and the main thread waits for its end or for a signal. So the
//! program ends by returning from `main`, with a status, after all values were dropped.

use std::{
    collections::BTreeMap,
    io, mem,
    os::unix::process::CommandExt as _,
    process::{Child, ChildStdout, Command, ExitCode},
    thread,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use parking_lot::Mutex;
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

/// The running groups, by the number of their first process. The lock is held while a group starts
/// or ends, so that its holder knows all groups.
static RUNNING: Mutex<BTreeMap<u32, Child>> = Mutex::new(BTreeMap::new());

/// A process with all its descendants.
#[derive(Debug)]
pub(crate) struct Group {
    first: u32,
}

impl Group {
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        let mut running = RUNNING.lock();
        let process = command.process_group(0).spawn()?;
        let first = process.id();
        running.insert(first, process);
        Ok(Self { first })
    }

    /// The number of its first process.
    pub(crate) fn pid(&self) -> u32 {
        self.first
    }

    /// The standard output of its first process, once, if it is piped.
    pub(crate) fn stdout(&self) -> Option<ChildStdout> {
        RUNNING.lock().get_mut(&self.first)?.stdout.take()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let mut running = RUNNING.lock();
        if let Some(process) = running.remove(&self.first) {
            end(process);
        }
    }
}

/// Ends a process and its group. Its number is that of the group, and is not reused before the
/// process has been waited for.
fn end(mut process: Child) {
    if let Ok(group) = process.id().try_into() {
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
    let _ = process.wait();
}

/// Runs `bench` to its end or until it is interrupted. No process that it started is left, and no
/// temporary folder, because all of them are in one.
pub(crate) fn run(bench: impl FnOnce() + Send + 'static) -> ExitCode {
    let folder = tempfile::tempdir().expect("a folder");
    tempfile::env::override_temp_dir(folder.path()).expect("the first folder of all");
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).expect("a handler");
        let mut terminate = signal(SignalKind::terminate()).expect("a handler");
        let (ends, ended) = oneshot::channel::<()>();
        let bench = thread::spawn(move || {
            // This is dropped by a panic too.
            let _ends = ends;
            bench();
        });
        let interrupted_by = tokio::select! {
            _ = ended => return ExitCode::from(u8::from(bench.join().is_err())),
            _ = interrupt.recv() => Signal::SIGINT,
            _ = terminate.recv() => Signal::SIGTERM,
        };
        let mut running = RUNNING.lock();
        mem::take(&mut *running).into_values().for_each(end);
        // The lock is never released: the bench's thread is still running and must not start a
        // process.
        mem::forget(running);
        // The code is the one that a shell reports.
        ExitCode::from(128 + interrupted_by as u8)
    })
}
