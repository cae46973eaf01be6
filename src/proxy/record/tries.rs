//! The tries of a request, as its line in the access log tells them.
//!
//! The request keeps its tries anyway: the one under way in [`Routed::attempt`], those that failed
//! in [`Routed::failed`]. They are put together only here, so that the usual request with its one
//! try pays for no list.

use std::sync::Arc;

use pingora_core::Error;

use super::{
    super::context::{Attempt, Routed},
    outcome::last_outcome,
};
use crate::pool::TriedBackend;
use crate::telemetry::Try;

/// The tries of a request that has ended.
#[derive(Debug)]
pub(super) enum Tries {
    /// At most one, as for most requests.
    Few(Option<Try>),
    /// Several.
    Many(Vec<Try>),
}

impl Tries {
    /// The tries of a request; `error` is the error that ended it, if any.
    pub(super) fn of(routed: &Routed, error: Option<&Error>) -> Self {
        if routed.failed.is_empty() {
            return Self::Few(last(routed, error));
        }
        let attempts = routed.attempts();
        let mut tries: Vec<Try> = Vec::with_capacity(attempts as usize);
        tries.extend(failed_once(routed).map(|(tried, attempt)| failure(tried, attempt, attempts)));
        if !routed.has_failed_last() {
            tries.extend(last(routed, error));
        }
        Self::Many(tries)
    }

    /// The tries, in order.
    pub(super) fn as_slice(&self) -> &[Try] {
        match self {
            Self::Few(one) => one.as_slice(),
            Self::Many(tries) => tries,
        }
    }
}

/// The attempts that have failed, each once: an answer that counted as a failure, was passed on all the
/// same, and then broke off has failed twice.
pub(super) fn failed_once(routed: &Routed) -> impl Iterator<Item = (&TriedBackend, &Attempt)> {
    let mut counted = 0;
    routed.failed.iter().filter(move |(_, attempt)| {
        attempt.number > std::mem::replace(&mut counted, attempt.number)
    })
}

/// The last attempt, if it did not fail.
fn last(routed: &Routed, error: Option<&Error>) -> Option<Try> {
    let attempt = routed.attempt?;
    let names = routed.last_backend()?.names();
    Some(Try {
        backend: Arc::clone(&names.name),
        address: Arc::clone(&names.address),
        connect: attempt.connect_time(),
        first_byte: attempt.first_byte_time(),
        reused: attempt.reused,
        outcome: last_outcome(routed, error).word().into(),
        retried: None,
    })
}

fn failure(tried: &TriedBackend, attempt: &Attempt, attempts: u32) -> Try {
    let was_followed = attempt.number < attempts;
    let names = tried.backend.names();
    Try {
        backend: Arc::clone(&names.name),
        address: Arc::clone(&names.address),
        connect: attempt.connect_time(),
        first_byte: attempt.first_byte_time(),
        reused: attempt.reused,
        outcome: tried.failure.word(),
        retried: was_followed.then(|| tried.failure.listed_as()),
    }
}
