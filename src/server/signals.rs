//! The signals that the process handles, from before it opens anything.
//!
//! | signal  | what happens                                                                       |
//! |---------|------------------------------------------------------------------------------------|
//! | SIGTERM | drain: accept for `shutdown.delay`, finish what is in flight, leave                  |
//! | SIGQUIT | hand the sockets over to the process that waits for them, then drain; or go on serving |
//! | SIGUSR2 | start this program's file as the next process and hand over to it, as `lb upgrade` does |
//! | SIGINT  | leave now                                                                          |
//! | a second SIGTERM or SIGINT | leave now; after a hand-over only SIGINT                           |
//! | SIGHUP  | load the configuration again                                                       |
//! | SIGUSR1 | open the log files again, after they were moved away                               |
//! | SIGALRM, SIGIO, SIGPROF, SIGPWR, SIGSTKFLT, SIGVTALRM, real-time signals | say that it is ignored |
//! | SIGXFSZ | nothing: a file that may not grow any more is the trouble of what writes to it     |
//!
//! The other signals do what the system does: they tell of a fault of the program, end it whatever it does,
//! or mean nothing.
//! A signal that arrives while the process is busy is remembered. The exit code is 0 when no request
//! was cut off, else 1.

use std::io;

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that mean nothing to this process, and of which each would end it with its requests.
const MEANINGLESS: [(Number, &str); 6] = [
    (Number::ALARM, "SIGALRM"),
    (Number::IO, "SIGIO"),
    (Number::PROF, "SIGPROF"),
    (Number::POWER, "SIGPWR"),
    (Number::STKFLT, "SIGSTKFLT"),
    (Number::VTALARM, "SIGVTALRM"),
];
/// Real-time signals, without those that the C library keeps for its own threads. Others may be kept
/// too, by another C library or by a program that this one runs under (valgrind keeps 64).
const REAL_TIME: std::ops::RangeInclusive<i32> = 34..=64;

/// A stream for each signal that the process handles.
#[derive(Debug)]
pub(super) struct Signals {
    pub(super) terminate: Signal,
    pub(super) interrupt: Signal,
    pub(super) quit: Signal,
    pub(super) hangup: Signal,
    pub(super) reopen: Signal,
    pub(super) upgrade: Signal,
}

impl Signals {
    /// Handles the signals from this call on.
    ///
    /// # Errors
    ///
    /// When the system refuses the handler of a signal that has an effect. Those that mean nothing are left
    /// to the system then.
    pub(super) fn listen() -> io::Result<Self> {
        Self::listen_by(signal)
    }

    fn listen_by(handle: impl Fn(SignalKind) -> io::Result<Signal>) -> io::Result<Self> {
        // What is heard once is never again left to the system.
        let _ = handle(SignalKind::from_raw(Number::XFSZ.as_raw()));
        for (number, name) in MEANINGLESS {
            ignore(handle(SignalKind::from_raw(number.as_raw())), name.to_owned());
        }
        for number in REAL_TIME {
            ignore(handle(SignalKind::from_raw(number)), format!("real-time {number}"));
        }
        Ok(Self {
            terminate: handle(SignalKind::terminate())?,
            interrupt: handle(SignalKind::interrupt())?,
            quit: handle(SignalKind::quit())?,
            hangup: handle(SignalKind::hangup())?,
            reopen: handle(SignalKind::user_defined1())?,
            upgrade: handle(SignalKind::user_defined2())?,
        })
    }

    /// Resolves at a signal that makes a process leave at once when it is leaving already.
    pub(super) async fn leave_now(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Resolves at any signal that makes a process leave, now or later.
    pub(super) async fn leave(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.quit.recv() => {}
        }
    }
}

/// Says so each time that this signal arrives. A signal that the system lets no process handle is left to
/// it: no request depends on it.
fn ignore(handled: io::Result<Signal>, name: String) {
    let mut signal = match handled {
        Ok(signal) => signal,
        Err(error) => {
            log::debug!(signal = name.as_str(), error:%; "signal cannot be handled");
            return;
        }
    };
    tokio::spawn(async move {
        while signal.recv().await.is_some() {
            log::warn!(signal = name.as_str(); "signal ignored: it means nothing to this process");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Listens where the system refuses the handlers of these signals.
    async fn without(refused: impl Fn(i32) -> bool) -> io::Result<Signals> {
        Signals::listen_by(|kind| {
            if refused(kind.as_raw_value()) {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            // The test must not take the others from the process that runs it.
            signal(SignalKind::user_defined2())
        })
    }

    #[tokio::test]
    async fn without_those_that_mean_nothing_it_starts() {
        let has_an_effect = [1, 2, 3, 10, 12, 15];
        assert!(without(|number| !has_an_effect.contains(&number)).await.is_ok());
    }

    #[tokio::test]
    async fn without_one_that_has_an_effect_it_does_not_start() {
        for number in [1, 2, 3, 10, 12, 15] {
            assert!(without(|it| it == number).await.is_err(), "{number}");
        }
    }
}
