//! The selection of a backend for a request, and of the next one if the caller refuses it.
//!
//! A [`Balancer`] is Pingora's load balancer with selectors of our own: Pingora asks the selector
//! for backends one by one until its caller accepts one. The selector yields each eligible backend
//! at most once and ends only when no other is left; backups come after all primaries. Eligibility
//! is decided by [`crate::backend`]; Pingora's own health verdict is ignored.
//!
//! The first backend comes from the algorithm. If the caller refuses it, because this request has
//! tried it already, the next one depends on the algorithm: with least connections the best of the
//! rest, with expected latency the better of two of them, with round robin one drawn by weight.
//! Taking the next turn instead would give the whole share of a failing backend to its successor in
//! the list.
//!
//! The order of the list is Pingora's, which sorts backends by address; the order of the
//! configuration is not known here.

mod candidates;
mod ewma;
mod least_conn;
mod members;
mod picks;
mod pingora;
mod random;
mod renewed;
mod round_robin;
mod selector;
mod slow_start;
mod snapshot;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

pub use picks::{Picks, Rehearsal};
pub use pingora::{Balancer, Discovered, PingoraSelector, Succession, check_once, discovered};
pub use selector::SelectorConfig;

use crate::backend::Backend;

/// The part of a backend's share that slow start leaves, from 0 to 1; `since` is when it returned.
#[must_use]
pub fn share(since: Option<Instant>, slow_start: Duration, now: Instant) -> f64 {
    slow_start::Share::of(since, slow_start, now).parts as f64 / slow_start::FULL as f64
}

/// The milliseconds that a backend with this weight is expected to take for one more request, as
/// [`Algorithm::Ewma`](crate::config::Algorithm::Ewma) compares them.
#[must_use]
pub fn expected_millis(backend: &Backend, weight: f64, now: Instant) -> f64 {
    let latency = backend.latency().estimate(now).unwrap_or(ewma::USUAL);
    f64::from(latency) / 1000.0 * (backend.active() + 1) as f64 / weight
}
