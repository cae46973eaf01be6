//! The tries of a request, as its line in the access log tells them.
//!
//! What is known of a try is kept where the request keeps it anyway: the one under way in
//! [`RequestContext::attempt`], those that failed in `tried` and `ended`. They are put together
//! only here, so that the usual request with its one try pays for no list.

use std::sync::Arc;

use pingora_core::Error;

use super::{
    context::{Progress, RequestContext},
    counting,
};
use crate::backend::Backend;
use crate::pool::TriedBackend;
use crate::telemetry::Try;

/// The tries of a request that has ended.
#[derive(Debug)]
pub(super) enum Tries {
    /// Most requests have one at the most.
    Few(Option<Try>),
    Many(Vec<Try>),
}

impl Tries {
    /// Of a request that ended so; `error` is what ended it, if anything did.
    pub(super) fn of(context: &RequestContext, error: Option<&Error>) -> Self {
        if context.tried.is_empty() {
            return Self::Few(last(context, error));
        }
        let failed = context.tried.iter().zip(&context.ended);
        let mut tries: Vec<Try> = Vec::with_capacity(context.attempts as usize);
        let mut counted = 0;
        for (tried, ended) in failed {
            // An answer that was a failure, was passed on all the same and broke off failed twice.
            if ended.number > counted {
                tries.push(failure(tried, ended, context.attempts));
                counted = ended.number;
            }
        }
        if counted < context.attempts {
            tries.extend(last(context, error));
        }
        Self::Many(tries)
    }

    /// In order.
    pub(super) fn as_slice(&self) -> &[Try] {
        match self {
            Self::Few(one) => one.as_slice(),
            Self::Many(tries) => tries,
        }
    }
}

/// The backend of the last attempt.
pub(super) fn last_backend(context: &RequestContext) -> Option<&Backend> {
    let current = context.lease.as_ref().map(|lease| &**lease.backend());
    current.or_else(|| context.tried.last().map(|tried| &*tried.backend))
}

/// The attempt that was the last, where it did not fail.
fn last(context: &RequestContext, error: Option<&Error>) -> Option<Try> {
    let names = last_backend(context)?.names();
    Some(Try {
        backend: Arc::clone(&names.name),
        address: Arc::clone(&names.address),
        connect: context.attempt.connect_time(),
        first_byte: context.attempt.first_byte_time(),
        reused: context.attempt.reused,
        outcome: counting::last_outcome(context, error).word().into(),
        retried: None,
    })
}

fn failure(tried: &TriedBackend, ended: &Progress, attempts: u32) -> Try {
    let was_followed = ended.number < attempts;
    let names = tried.backend.names();
    Try {
        backend: Arc::clone(&names.name),
        address: Arc::clone(&names.address),
        connect: ended.connect_time(),
        first_byte: ended.first_byte_time(),
        reused: ended.reused,
        outcome: tried.failure.word(),
        retried: was_followed.then(|| tried.failure.listed_as()),
    }
}
