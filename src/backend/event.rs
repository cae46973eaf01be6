//! The events of a backend and the changes that they cause: the values that checks, attempts and
//! operators pass to its standing, and that the standing passes to the log.

use std::{
    fmt,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

/// The reason why a backend is ejected.
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
    /// It asked for a pause with `Retry-After`.
    RetryAfter,
    /// An operator took it out.
    Operator,
}

impl EjectionCause {
    /// A word for each cause; all statuses share one.
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

    /// The cause as a sentence about the backend.
    #[must_use]
    pub fn in_words(self) -> String {
        match self {
            Self::Refused => "it refused a connection".to_owned(),
            Self::ConnectTimeout => "connections to it timed out".to_owned(),
            Self::ConnectFailure => "it could not be reached".to_owned(),
            Self::Reset => "it broke connections".to_owned(),
            Self::InvalidAnswer => "it sent invalid answers".to_owned(),
            Self::Timeout => "it did not answer in time".to_owned(),
            Self::Status(status) => format!("it answered {status}"),
            Self::RetryAfter => "it sent Retry-After".to_owned(),
            Self::Operator => "an operator ejected it".to_owned(),
        }
    }

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

/// The source of a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainedBy {
    /// The key `drain` of the configuration.
    Configuration,
    /// An operator's command.
    Operator,
}

/// When an ejection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EjectionEnd {
    /// It ends when enough active checks have passed.
    ChecksPass,
    /// It ends when a probe has been answered; the first one is sent at this instant.
    Probe(Instant),
}

/// Something that happens to a backend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// An active check passed.
    CheckPassed,
    /// An active check failed.
    CheckFailed {
        /// Whether the connection was refused.
        refused: bool,
    },
    /// Checks have been switched off, so their results are void.
    ChecksEnded,
    /// An attempt's answer has begun and does not count against the backend.
    Answered {
        /// Whether the attempt was the probe.
        probe: bool,
    },
    /// An answer is complete.
    Completed,
    /// An attempt failed.
    AttemptFailed(AttemptFailure),
    /// The probe has ended; if it showed nothing, another follows later.
    ProbeEnded,
    /// It has joined a pool in which other backends serve already.
    Joined,
    /// The configuration says whether it drains; an operator's order outweighs this.
    Drain(bool),
    /// An operator's order.
    Operator(OperatorAction),
}

/// An operator's order for a backend; it outlives reloads and upgrades.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorAction {
    /// Send it no new requests.
    Drain,
    /// Send it requests again, even if the configuration drains it.
    Undrain,
    /// Take it out for this long, then probe it.
    Eject(Duration),
    /// End its ejection now.
    Readmit,
    /// Give it this weight; `None` restores the configured one.
    Weight(Option<u64>),
}

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttemptFailure {
    /// The cause.
    pub cause: EjectionCause,
    /// Since when the backend has shown nothing else: the beginning of the attempt, or of a later
    /// answer to another request.
    pub since: Instant,
    /// Whether it failed in the middle of an answer that had begun well.
    pub midway: bool,
    /// The pause that the backend asked for in a 503.
    pub retry_after: Option<Duration>,
    /// Whether the attempt was the probe.
    pub probe: bool,
    /// A random number from 0 to 1, which places the term within the jitter.
    pub draw: f64,
}

impl AttemptFailure {
    /// A plain failure, neither a probe's nor in the middle of an answer, with the longest term.
    #[must_use]
    pub fn new(cause: EjectionCause, since: Instant) -> Self {
        Self { cause, since, midway: false, retry_after: None, probe: false, draw: 0.0 }
    }
}

/// A change that an event caused; each is logged once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendChange {
    /// Checks took it out, after this number of failures in a row.
    BecameUnhealthy(u32),
    /// Checks brought it back, after this number of passes in a row.
    BecameHealthy(u32),
    /// Traffic took it out, after this number of failures in a row.
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
    /// This number of checks has passed since.
    ChecksPassed(u32),
    /// It answered a probe.
    Probe,
    /// No other backend of the pool can take requests.
    NoOtherBackend,
    /// An operator readmitted it.
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
