//! The outcome of an attempt, and the places that it is reported to: the backend's standing, the
//! estimates that selection and time limits use, and the log.

use std::time::{Duration, Instant};

use super::{Lease, Pool};
use crate::backend::{AttemptFailure, EjectionCause, Event};
use crate::config::ResponseTimeout;
use crate::retry::Failure;

/// An attempt that has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedAttempt {
    /// How it failed.
    pub failure: Failure,
    /// When it began.
    pub began: Instant,
    /// Whether it failed in the middle of an answer that did not count against the backend.
    pub midway: bool,
    /// The pause that the answer asked for.
    pub retry_after: Option<Duration>,
}

impl Pool {
    /// Notes that a backend has answered with an error that is not held against it. An algorithm
    /// that goes by latency must not take a quick refusal for a quick answer.
    pub fn refused_to_answer(&self, lease: &Lease, waited: Option<Duration>, now: Instant) {
        if self.is_timed() {
            lease.backend().latency().failed(waited.unwrap_or_default(), now);
        }
    }

    /// Notes that a backend's answer has begun and does not count against it. `waited` is the time
    /// since the end of the request; `None` if the answer came before that.
    pub fn answered(&self, lease: &Lease, waited: Option<Duration>, now: Instant) {
        let backend = lease.backend();
        backend.note_answer(now);
        if let Some(waited) = waited {
            if self.config.timeouts.response == ResponseTimeout::Auto {
                self.state.first_byte.observe(waited);
            }
            if self.is_timed() {
                backend.latency().observe(waited, now);
            }
        }
        if lease.is_probe() || backend.is_suspect() {
            self.state.apply(backend, Event::Answered { probe: lease.is_probe() }, now);
        }
    }

    /// Notes that a backend's answer is complete.
    pub fn completed(&self, lease: &Lease, now: Instant) {
        if lease.backend().is_suspect() {
            self.state.apply(lease.backend(), Event::Completed, now);
        }
    }

    /// Notes that an attempt has failed.
    pub fn failed(&self, lease: &Lease, attempt: &FailedAttempt, now: Instant) {
        let Some(cause) = cause(attempt.failure) else { return };
        let backend = lease.backend();
        if self.is_timed() {
            let waited = now.saturating_duration_since(attempt.began);
            backend.latency().failed(waited, now);
        }
        // Once it is ejected, attempts that still wait for it say nothing new about the pool.
        if cause == EjectionCause::Timeout && !attempt.midway && backend.is_open() {
            self.state.first_byte.late();
        }
        let failed = AttemptFailure {
            midway: attempt.midway,
            retry_after: attempt.retry_after,
            probe: lease.is_probe(),
            draw: fastrand::f64(),
            ..AttemptFailure::new(cause, backend.since_answer(attempt.began))
        };
        self.state.apply(backend, Event::AttemptFailed(failed), now);
    }
}

/// The cause for which a failure may eject the backend; `None` if it says nothing about the
/// backend.
fn cause(failure: Failure) -> Option<EjectionCause> {
    match failure {
        Failure::Refused => Some(EjectionCause::Refused),
        Failure::ConnectTimeout => Some(EjectionCause::ConnectTimeout),
        Failure::ConnectFailed => Some(EjectionCause::ConnectFailure),
        Failure::Broken => Some(EjectionCause::Reset),
        Failure::InvalidAnswer(_) => Some(EjectionCause::InvalidAnswer),
        Failure::Timeout | Failure::LearnedTimeout => Some(EjectionCause::Timeout),
        Failure::Status(status @ (502..=504)) => Some(EjectionCause::Status(status)),
        Failure::NoSocket | Failure::Status(_) | Failure::OutOfTime => None,
    }
}

/// Whether an answer with this status counts against the backend: a gateway's errors do
/// (RFC 9110 section 15.6).
#[must_use]
pub fn is_gateway_error(status: u16) -> bool {
    cause(Failure::Status(status)).is_some()
}
