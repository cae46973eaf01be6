//! The signals that the process listens for, from before it opens anything.
//!
//! | signal  | what happens                                                                       |
//! |---------|------------------------------------------------------------------------------------|
//! | SIGTERM | drain: accept for `shutdown.delay`, finish what is in flight, leave                  |
//! | SIGQUIT | hand the sockets over to the process that waits for them, then drain; or go on serving |
//! | SIGINT  | leave now                                                                          |
//! | a second SIGTERM or SIGINT | leave now; after a hand-over only SIGINT                           |
//! | SIGHUP  | load the configuration anew                                                        |
//! | SIGUSR1 | open log files anew, for whoever has moved them away                               |
//!
//! One that comes while the process is busy is remembered. The exit code is 0 when no request was
//! cut off, else 1.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ears for all of them.
#[derive(Debug)]
pub(super) struct Signals {
    pub(super) terminate: Signal,
    pub(super) interrupt: Signal,
    pub(super) quit: Signal,
    pub(super) hangup: Signal,
    pub(super) reopen: Signal,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    ///
    /// When the system refuses a signal handler.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            reopen: signal(SignalKind::user_defined1())?,
        })
    }

    /// Resolves when somebody wants the process to leave now, or again.
    pub(super) async fn leave_now(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Resolves when somebody wants the process to leave, now or later.
    pub(super) async fn leave(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.quit.recv() => {}
        }
    }
}
