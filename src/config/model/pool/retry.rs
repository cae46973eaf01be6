//! The settings of retries.

use std::{num::NonZeroU32, time::Duration};

use crate::config::{model::quantity::Percent, word::Word};

/// When a failed request goes to another backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// Tries in all, each on another backend while there is one, and at most 3 on the same; 1 never retries.
    pub attempts: NonZeroU32,
    /// The failures that are retried.
    pub on: RetryOn,
    /// The requests that are retried once they may have reached a backend.
    pub methods: RetryMethods,
    /// Retries of requests that may have reached a backend, as a share of all requests.
    pub budget: Percent,
    /// Retries a second that are allowed however few requests there are.
    pub budget_min: u32,
    /// How long to wait before a retry.
    pub backoff: Backoff,
}

/// Which failures are retried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryOn {
    /// No connection was made.
    pub connect_failure: bool,
    /// The connection broke before the answer.
    pub reset: bool,
    /// No answer in time.
    pub timeout: bool,
    /// Answers with these statuses; never 429.
    pub statuses: Vec<u16>,
}

/// Which requests are retried once they may have reached a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryMethods {
    /// Idempotent methods (RFC 9110 section 9.2.2), and requests with an `Idempotency-Key`.
    Idempotent,
    /// Every request; the operator says that executing one twice does no harm.
    All,
}

/// How long to wait before a retry: a random part of `base`, doubled each time up to `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait before the first retry.
    pub base: Duration,
    /// The longest wait before any retry; not below `base`.
    pub max: Duration,
}

impl Word for RetryMethods {
    const ALL: &'static [Self] = &[Self::Idempotent, Self::All];

    fn word(self) -> &'static str {
        match self {
            Self::Idempotent => "idempotent",
            Self::All => "all",
        }
    }
}
