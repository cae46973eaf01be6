//! Why a backend gets no requests, since when, and until when.

use std::time::{Duration, Instant, SystemTime};

use crate::backend::{DrainedBy, EjectionEnd, Eligibility};
use crate::clock;
use crate::pool::BackendView;
use crate::telemetry;

/// Why a backend gets no requests, since when it has been in its state, and until when.
#[derive(Debug, Default)]
pub(super) struct StateReason {
    pub(super) since: Option<String>,
    pub(super) since_ms: Option<u64>,
    pub(super) reason: Option<String>,
    pub(super) until: Option<String>,
    pub(super) for_ms: Option<u64>,
}

impl StateReason {
    pub(super) fn of(seen: &BackendView, now: Instant) -> Self {
        let mut why = Self::default();
        if let Some(since) = seen.since {
            let ago = now.saturating_duration_since(since);
            (why.since, why.since_ms) = (Some(ago_as_time(ago)), Some(whole_millis(ago)));
        }
        match seen.eligibility {
            Eligibility::Eligible => {}
            Eligibility::Draining(says) => {
                let (reason, until) = match says {
                    DrainedBy::Operator => ("an operator drains it", "undrain"),
                    DrainedBy::Configuration => ("the configuration says drain", "undrain"),
                };
                (why.reason, why.until) = (Some(reason.to_owned()), Some(until.to_owned()));
            }
            Eligibility::Unhealthy => {
                let failure = seen.backend.counts().last_check().and_then(|check| check.failure);
                let failure = failure.map(|failure| format!("the check failed: {failure}"));
                why.reason = failure.or_else(|| Some("its checks fail".to_owned()));
                why.until = Some("checks_pass".to_owned());
            }
            Eligibility::Ejected { cause, until } => {
                why.reason = Some(cause.in_words());
                why.until = Some(match until {
                    EjectionEnd::ChecksPass => "checks_pass".to_owned(),
                    EjectionEnd::Probe(at) => {
                        let left = at.saturating_duration_since(now);
                        why.for_ms = Some(whole_millis(left));
                        telemetry::timestamp(clock::wall() + left)
                    }
                });
            }
            Eligibility::HalfOpen { cause } => {
                why.reason = Some(format!("{}; the next request is its probe", cause.in_words()));
                why.until = Some("probe".to_owned());
            }
            Eligibility::Full => {
                let limit = seen.backend.limit().unwrap_or_default();
                why.reason = Some(format!("it has max_connections ({limit}) requests"));
            }
        }
        why
    }
}

/// The instant that was this long ago. The process before may have told any distance.
fn ago_as_time(ago: Duration) -> String {
    let time = clock::wall().checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH);
    telemetry::timestamp(time)
}

pub(super) fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
