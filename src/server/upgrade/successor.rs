//! Handing over to the process that is to serve next.
//!
//! The sockets stay open here until the next process has said that it serves, and for a moment
//! longer, so that a failure before that changes nothing.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::task::JoinHandle;

use super::memory::Memory;
use crate::generation::Current;
use crate::process::{
    background::{BackgroundProcess, Output},
    handover,
    meeting_socket::MeetingSocket,
};
use crate::readiness::Readiness;
use crate::server::listeners::Sockets;

/// The next process must say within this time whether it can take over.
const START_LIMIT: Duration = Duration::from_secs(120);

const STOPPING: &str = "this process is stopping";

/// The program that a hand-over starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server) enum NextProgram {
    /// None: a process waits for the sockets already.
    Waits,
    /// The file that this process was started from, which may have been replaced since.
    Own,
    /// This file.
    At(PathBuf),
}

/// Hands over to the process that serves next.
#[derive(Debug)]
pub(in crate::server) struct Successor {
    /// Where the next process waits for the sockets.
    socket: MeetingSocket,
    /// This program's file, by the name that it had at the start: its new version has that name.
    program: Option<PathBuf>,
    /// Arguments that make the program start the process that takes over.
    again: Vec<OsString>,
    current: Arc<Current>,
    readiness: Arc<Readiness>,
    /// Dropped when this process stops accepting.
    sockets: Mutex<Option<Sockets>>,
    /// Set when this process is stopping; from then on nothing is handed over.
    is_over: AtomicBool,
}

impl Successor {
    /// A successor has yet to come; it will be given these sockets.
    pub(in crate::server) fn new(
        socket: MeetingSocket,
        again: Vec<OsString>,
        current: Arc<Current>,
        readiness: Arc<Readiness>,
        sockets: Sockets,
    ) -> Self {
        Self {
            socket,
            program: env::current_exe().ok(),
            again,
            current,
            readiness,
            sockets: Mutex::new(Some(sockets)),
            is_over: AtomicBool::new(false),
        }
    }

    /// Hands over to the process that waits, or to a program that is started for it. Returns the
    /// number of the process that serves, or why this one still does.
    pub(in crate::server) fn hand_over(
        self: &Arc<Self>,
        program: NextProgram,
    ) -> JoinHandle<Result<u32, String>> {
        let this = Arc::clone(self);
        tokio::task::spawn_blocking(move || match (program, &this.program) {
            (NextProgram::Waits, _) => this.give(),
            (NextProgram::At(program), _) => this.start_and_give(&program),
            (NextProgram::Own, Some(program)) => this.start_and_give(program),
            (NextProgram::Own, None) => Err("the system does not say where this program's file \
                is: upgrade with `lb upgrade -c FILE` of the new version instead"
                .to_owned()),
        })
    }

    /// Nothing is handed over from this call on.
    pub(in crate::server) fn refuse(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    /// Does what [`Successor::refuse`] does, and closes this process's copies of the sockets.
    pub(in crate::server) fn end(&self) {
        self.refuse();
        self.sockets.lock().take();
    }

    fn start_and_give(&self, program: &Path) -> Result<u32, String> {
        if std::process::id() == 1 {
            return Err(
                "this process is the first one of its container, which would end with it: \
                        replace the container instead"
                    .to_owned(),
            );
        }
        if self.is_over.load(Ordering::SeqCst) {
            return Err(STOPPING.to_owned());
        }
        log::info!(program:% = program.display(); "starting the next process");
        let mut next = BackgroundProcess::start(program, &self.again, Output::Inherited)
            .map_err(|error| format!("{} cannot be started: {error}", program.display()))?;
        let started = next.outcome(Some(START_LIMIT));
        // It has started the process that is to serve, which is then no child of this one, and ends.
        next.wait();
        started.and_then(|()| self.give())
    }

    fn give(&self) -> Result<u32, String> {
        let sockets = self.sockets.lock().as_ref().map(Sockets::duplicate).transpose();
        let sockets = sockets.map_err(|error| format!("the sockets cannot be copied: {error}"))?;
        let Some(sockets) = sockets else { return Err(STOPPING.to_owned()) };
        // The successor would not learn what an operator orders from here on.
        self.readiness.set_handing_over(true);
        let memory = serde_json::to_value(Memory::of(&self.current));
        let may_go_on = || !self.is_over.load(Ordering::SeqCst);
        let given = memory.map_err(|error| error.to_string()).and_then(|memory| {
            handover::give(&self.socket, &sockets.into_all(), memory, may_go_on)
        });
        self.readiness.set_handing_over(given.is_ok());
        given
    }
}
