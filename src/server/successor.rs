//! Handing over to the process that is to serve next.
//!
//! The sockets stay open here until the next process has said that it serves, and for a moment
//! longer, so that whatever fails before changes nothing.

use std::{
    ffi::OsString,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::task::JoinHandle;

use super::listeners::Sockets;
use crate::admin::Readiness;
use crate::clock;
use crate::generation::Current;
use crate::process::{
    background::{BackgroundProcess, Output},
    handover,
    meeting_socket::MeetingSocket,
};

/// Until it is known whether the next process can take over.
const START_LIMIT: Duration = Duration::from_secs(120);

const STOPPING: &str = "this process is stopping";

/// What it takes to hand over.
#[derive(Debug)]
pub(super) struct Successor {
    /// Where the next process waits for the sockets.
    pub(super) place: MeetingSocket,
    /// Arguments that make this program start the process that takes over.
    pub(super) again: Vec<OsString>,
    pub(super) current: Arc<Current>,
    pub(super) readiness: Arc<Readiness>,
    /// Dropped when this process stops accepting.
    pub(super) sockets: Mutex<Option<Sockets>>,
    /// This process is stopping; nothing is handed over any more.
    pub(super) is_over: AtomicBool,
}

impl Successor {
    /// Hands over to whoever waits, or to this program, started now. Ends with the process number
    /// of who serves.
    pub(super) fn hand_over(
        self: &Arc<Self>,
        program: Option<&Path>,
    ) -> JoinHandle<Result<u32, String>> {
        let this = Arc::clone(self);
        let program = program.map(Path::to_owned);
        tokio::task::spawn_blocking(move || match program {
            Some(program) => this.start_and_give(&program),
            None => this.give(),
        })
    }

    /// Nothing is handed over from now on.
    pub(super) fn refuse(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    /// As that, and this process holds the sockets no longer.
    pub(super) fn end(&self) {
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
        // It has started the process that is to serve, and ends; that one is nobody's child.
        next.wait();
        started.and_then(|()| self.give())
    }

    fn give(&self) -> Result<u32, String> {
        let sockets = self.sockets.lock().as_ref().map(Sockets::duplicate).transpose();
        let sockets = sockets.map_err(|error| format!("the sockets cannot be copied: {error}"))?;
        let Some(sockets) = sockets else { return Err(STOPPING.to_owned()) };
        // What an operator says from here on would be lost.
        self.readiness.set_handing_over(true);
        let memory = serde_json::to_value(self.current.remember(clock::now()));
        let may_go_on = || !self.is_over.load(Ordering::SeqCst);
        let given = memory
            .map_err(|error| error.to_string())
            .and_then(|memory| handover::give(&self.place, &sockets.into_all(), memory, may_go_on));
        self.readiness.set_handing_over(given.is_ok());
        given
    }
}
