//! What may happen to a backend, and what it may change: the words between those who see it (checks,
//! attempts, operators), the standing that judges it, and the log.

use std::{
    fmt,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

/// What a backend did that counts against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EjectionCause {
    /// It refused a connection.
    Refused,
    /// It let a connection time out.
    ConnectTimeout,
    /// It could not be reached for another reason.
    ConnectFailure,
    /// It broke a connection.
    Reset,
    /// It sent an answer that cannot be passed on.
    InvalidAnswer,
    /// It did not answer in time.
    Timeout,
    /// It answered 502, 503 or 504.
    Status(u16),
    /// It asked to be left alone for a while.
    RetryAfter,
    /// Nothing: an operator took it out.
    Operator,
}

impl EjectionCause {
    /// One word for each, where all statuses are one.
    pub const WORDS: [&'static str; 9] = [
        "refused",
        "connect_timeout",
        "connect_failure",
        "reset",
        "invalid_answer",
        "timeout",
        "status",
        "retry_after",
        "operator",
    ];

    /// Its place in [`EjectionCause::WORDS`].
    #[must_use]
    pub fn place(self) -> usize {
        match self {
            Self::Refused => 0,
            Self::ConnectTimeout => 1,
            Self::ConnectFailure => 2,
            Self::Reset => 3,
            Self::InvalidAnswer => 4,
            Self::Timeout => 5,
            Self::Status(_) => 6,
            Self::RetryAfter => 7,
            Self::Operator => 8,
        }
    }
}

impl fmt::Display for EjectionCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => status.fmt(f),
            _ => f.write_str(Self::WORDS[self.place()]),
        }
    }
}

/// Who says that a backend is to drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainedBy {
    /// Its key `drain`.
    Configuration,
    /// An operator, while it runs.
    Operator,
}

/// When an ejection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EjectionEnd {
    /// When enough active checks have passed.
    ChecksPass,
    /// When one request has been answered; none is tried before this instant.
    Probe(Instant),
}

/// Something that a check or a request has shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// An active check passed.
    CheckPassed,
    /// An active check failed.
    CheckFailed {
        /// Because the connection was refused.
        refused: bool,
    },
    /// Nobody checks any more, and what checks have said is void.
    ChecksEnded,
    /// An attempt's answer has begun, and it is none that counts against the backend.
    Answered {
        /// The attempt is the one that probes.
        probe: bool,
    },
    /// An answer has come to its end.
    Completed,
    /// An attempt failed.
    AttemptFailed(AttemptFailure),
    /// The probe has ended; if it showed nothing, another follows later.
    ProbeEnded,
    /// It has joined a pool in which others serve already.
    Joined,
    /// The configuration says whether it drains; an operator who has said otherwise is right.
    Drain(bool),
    /// An operator says what is to be done.
    Operator(OperatorAction),
}

/// What an operator can ask of a backend; it holds over reloads and upgrades.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorAction {
    /// Give it nothing new.
    Drain,
    /// Give it requests again, whatever the configuration says.
    Undrain,
    /// Take it out for so long, then probe it.
    Eject(Duration),
    /// End its ejection now.
    Readmit,
    /// Give it this weight; as configured when `None`.
    Weight(Option<u64>),
}

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttemptFailure {
    /// What the backend did.
    pub cause: EjectionCause,
    /// From when on nothing but this failure was seen of it: the beginning of the attempt, or of
    /// a later answer to another.
    pub since: Instant,
    /// In the middle of an answer that had begun well.
    pub midway: bool,
    /// How long the backend asked to be left alone, on a 503.
    pub retry_after: Option<Duration>,
    /// The attempt is the one that probes.
    pub probe: bool,
    /// Drawn at random, from 0 to 1: where in the jitter the term falls.
    pub draw: f64,
}

impl AttemptFailure {
    /// A plain failure, neither a probe's nor in the middle of an answer, with the longest term.
    #[must_use]
    pub fn new(cause: EjectionCause, since: Instant) -> Self {
        Self { cause, since, midway: false, retry_after: None, probe: false, draw: 0.0 }
    }
}

/// What an event changed; each is logged once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendChange {
    /// Checks took it out, after so many failures in a row.
    BecameUnhealthy(u32),
    /// Checks brought it back, after so many passes in a row.
    BecameHealthy(u32),
    /// Traffic took it out, after so many failures in a row.
    Ejected(EjectionCause, EjectionEnd, u32),
    /// An ejection ended.
    Readmitted(ReadmissionCause),
    /// An operator took it out.
    Drained,
    /// An operator put it back.
    Undrained,
    /// An operator gave it this weight, or that of the configuration.
    WeightChanged(Option<u64>),
}

/// Why an ejection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadmissionCause {
    /// So many checks have passed since.
    ChecksPassed(u32),
    /// It answered a probe.
    Probe,
    /// No other backend of the pool can take requests.
    NoOtherBackend,
    /// An operator said so.
    Operator,
}

impl fmt::Display for ReadmissionCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ChecksPassed(_) => "checks_passed",
            Self::Probe => "probe_answered",
            Self::NoOtherBackend => "no_other_backend",
            Self::Operator => "operator",
        })
    }
}
