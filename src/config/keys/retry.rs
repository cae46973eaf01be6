//! The keys of a pool's retries.

use std::{num::NonZeroU32, time::Duration};

use super::key::{Group, Instead, List, Presence, Preset};
use crate::config::{
    model::{Percent, RetryMethods},
    values::{ATTEMPTS, BUDGET, BUDGET_MIN, DURATION, FAILURE, Failure, METHODS},
};

pub(in crate::config) static RETRY: Group = Group::new(
    "pools.*.retry",
    Presence::Always,
    "a mapping such as { attempts: 3 }",
    "of requests that fail, on a backend that has not failed them",
);

// As in HAProxy: if three backends in a row fail, the request is the more likely cause.
pub(in crate::config) static RETRY_ATTEMPTS: Preset<NonZeroU32> = Preset::new(
    "pools.*.retry.attempts",
    ATTEMPTS,
    || NonZeroU32::MIN.saturating_add(2),
    "tries in all, each on another backend while there is one, and at most 3 on the same; 1 never retries",
);

// The usual meaning of "the backend failed", as Envoy's `gateway-error,reset,connect-failure`.
pub(in crate::config) static ON: List<Failure> = List::new(
    "pools.*.retry.on",
    FAILURE,
    "off, or a list such as [connect_failure, reset, timeout, 503]",
    "the failures that are retried: no connection, a connection that broke before the answer, no \
     answer in time, and answers with these statuses (400 to 599, but not 429), such as 503, 5xx or 502-504; `on: off`, or \
     `on: []`, for none",
)
.or(Instead::OffOrItem, || {
    let statuses = [502, 503, 504].map(Failure::status);
    [Failure::Connect, Failure::Reset, Failure::Timeout].into_iter().chain(statuses).collect()
});

// Whether a request may be executed twice is the application's decision; as in nginx.
pub(in crate::config) static RETRY_METHODS: Preset<RetryMethods> = Preset::new(
    "pools.*.retry.methods",
    METHODS,
    || RetryMethods::Idempotent,
    "or all: executing a request twice does no harm",
);

// As in linkerd and Envoy: enough to hide one failing backend of five, too little to make an outage
// worse.
pub(in crate::config) static RETRY_BUDGET: Preset<Percent> = Preset::new(
    "pools.*.retry.budget",
    BUDGET,
    || Percent(20),
    "share of all requests; limits retries of requests that may have reached a backend",
);

// As in linkerd: a share of little traffic would be no retry at all.
pub(in crate::config) static RETRY_BUDGET_MIN: Preset<u32> = Preset::new(
    "pools.*.retry.budget_min",
    BUDGET_MIN,
    || 10,
    "retries a second that are allowed even if there are few requests",
);

// As in Envoy.
pub(in crate::config) static BACKOFF: Group = Group::new(
    "pools.*.retry.backoff",
    Presence::UnlessOff,
    "off, or a mapping such as { base: 25ms, max: 250ms }",
    "a random wait before a retry; `backoff: off` for none",
);

pub(in crate::config) static BASE: Preset<Duration> = Preset::new(
    "pools.*.retry.backoff.base",
    DURATION,
    || Duration::from_millis(25),
    "the longest wait before the first retry; it doubles with each retry",
);

pub(in crate::config) static MAX: Preset<Duration> = Preset::new(
    "pools.*.retry.backoff.max",
    DURATION,
    || Duration::from_millis(250),
    "the longest wait before any retry",
);
