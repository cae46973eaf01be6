//! The state of the process at this moment, as the types of [`view`].

use std::{process, time::Instant};

use super::certificates::least_days_left;
use super::last_minute::{BackendHistory, LastMinute, millis, requests_and_errors, rounded};
use crate::acme;
use crate::admin::view;
use crate::backend::{CheckResult, DrainedBy, EjectionCause, EjectionEnd, Eligibility};
use crate::clock;
use crate::config::Word as _;
use crate::count::{ListenerCounts, StatusClass};
use crate::generation::{Current, Generation};
use crate::in_flight::InFlight;
use crate::pool::{BackendView, Pool};
use crate::readiness::Readiness;
use crate::telemetry;

/// The parts of the process that the status is made from.
#[derive(Debug, Clone, Copy)]
pub(in crate::admin) struct Sources<'a> {
    pub(in crate::admin) current: &'a Current,
    pub(in crate::admin) readiness: &'a Readiness,
    pub(in crate::admin) in_flight: &'a InFlight,
    pub(in crate::admin) last_minute: &'a LastMinute,
}

/// The whole process.
pub(in crate::admin) fn status(sources: Sources<'_>, now: Instant) -> view::Status {
    let Sources { current, readiness, in_flight, last_minute } = sources;
    let generation = current.pin();
    let ready = readiness.check();
    let uptime = now.saturating_duration_since(current.started());
    view::Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: process::id(),
        time: telemetry::timestamp(clock::wall()),
        uptime_ms: whole_millis(uptime),
        generation: generation.number,
        ready: ready.is_ok(),
        unready: ready.err().map(|why| why.to_string()),
        in_flight: in_flight.requests(),
        connections: in_flight.connections(),
        listeners: current.listeners().iter().map(|counts| listener(counts, &generation)).collect(),
        pools: generation.pools().map(|one| pool(one, last_minute, now)).collect(),
        orders: orders(current),
    }
}

fn orders(current: &Current) -> Vec<view::CertificateOrder> {
    let untrusted = current.pin().untrusted_hosts(clock::wall());
    let order = |order: acme::RequestProgress| view::CertificateOrder {
        self_signed: order.hosts.iter().any(|host| untrusted.self_signed.contains(host)),
        expired: order.hosts.iter().any(|host| untrusted.expired.contains(host)),
        hosts: order.hosts.iter().map(ToString::to_string).collect(),
        next: order.next.map(|next| telemetry::timestamp(next.max(clock::wall()))),
        failures: order.failures.as_ref().map_or(0, |failures| failures.count),
        error: order.failures.map(|failures| failures.error),
    };
    current.orders().all().into_iter().map(order).collect()
}

fn listener(counts: &ListenerCounts, generation: &Generation) -> view::Listener {
    let responses = counts.responses();
    view::Listener {
        address: counts.address().to_owned(),
        requests: responses.iter().sum(),
        responses: classes(responses),
        connections: counts.connections(),
        certificate_days_left: least_days_left(generation, counts.address(), clock::wall()),
    }
}

/// One pool.
pub(super) fn pool(pool: &Pool, last_minute: &LastMinute, now: Instant) -> view::Pool {
    let (requests, errors) = requests_and_errors(pool);
    let own = last_minute.pool(pool.name());
    let (rate, error_rate) = own.map(|own| own.rates()).unwrap_or_default();
    let latency = own.map(|own| own.latency(&pool.counts().latency())).unwrap_or_default();
    let mut backends: Vec<_> =
        pool.backends(now).map(|seen| backend(&seen, last_minute, now)).collect();
    let all: f64 = backends.iter().map(|backend| backend.rate).sum();
    for backend in &mut backends {
        backend.share = if all > 0.0 { rounded(backend.rate / all) } else { 0.0 };
    }
    view::Pool {
        name: pool.name().as_str().to_owned(),
        algorithm: pool.config().algorithm.word().to_owned(),
        requests,
        responses: classes(pool.counts().responses()),
        errors,
        active: backends.iter().map(|backend| backend.active).sum(),
        rate,
        error_rate,
        latency,
        queue: view::Queue { length: pool.queued(), size: pool.config().queue.size },
        retries: pool.counts().retries().iter().sum(),
        budget_exhausted: pool.counts().budget_exhausted.get(),
        panic: pool.roster().is_panic(),
        history: own.map(|own| own.history()).unwrap_or_default(),
        backends,
    }
}

/// One backend; `share` is set by the caller, who knows the whole pool.
pub(super) fn backend(seen: &BackendView, last_minute: &LastMinute, now: Instant) -> view::Backend {
    let (own, endpoint) = (&seen.backend, &seen.endpoint);
    let counts = own.counts();
    let (requests, errors) = counts.attempts();
    let recent = last_minute.backend(&own.id().pool, &endpoint.address);
    let (rate, error_rate) = recent.map(BackendHistory::rates).unwrap_or_default();
    let why = StateReason::of(seen, now);
    view::Backend {
        pool: own.id().pool.as_str().to_owned(),
        name: endpoint.name.to_string(),
        address: endpoint.address.clone(),
        state: seen.eligibility.to_string(),
        reason: why.reason,
        until: why.until,
        for_ms: why.for_ms,
        set_by_operator: set_by_operator(seen),
        backup: endpoint.backup,
        weight: seen.weight(),
        weight_in_effect: seen.weight_in_effect(),
        active: own.active(),
        max_connections: own.limit(),
        requests,
        errors,
        responses: classes(counts.responses.get()),
        rate,
        error_rate,
        share: 0.0,
        latency: recent.map(|recent| recent.latency(&counts.latency)).unwrap_or_default(),
        first_byte: recent.map(|recent| recent.first_byte(&counts.first_byte)).unwrap_or_default(),
        check: counts.last_check().map(|last| check(last, now)),
        connections: view::Connections { opened: counts.opened.get(), reused: counts.reused.get() },
    }
}

/// Why a backend gets no requests, and until when.
pub(super) struct StateReason {
    pub(super) reason: Option<String>,
    pub(super) until: Option<String>,
    pub(super) for_ms: Option<u64>,
}

impl StateReason {
    pub(super) fn of(seen: &BackendView, now: Instant) -> Self {
        let mut why = Self { reason: None, until: None, for_ms: None };
        match seen.eligibility {
            Eligibility::Eligible => {}
            Eligibility::Draining(says) => {
                let (who, until) = match says {
                    DrainedBy::Operator => ("an operator drains it", "undrain"),
                    DrainedBy::Configuration => ("the configuration says drain", "undrain"),
                };
                (why.reason, why.until) = (Some(who.to_owned()), Some(until.to_owned()));
            }
            Eligibility::Unhealthy => {
                let failure = seen.backend.counts().last_check().and_then(|check| check.failure);
                let failure = failure.map(|failure| format!("the check failed: {failure}"));
                why.reason = failure.or_else(|| Some("its checks fail".to_owned()));
                why.until = Some("checks_pass".to_owned());
            }
            Eligibility::Ejected { cause, until } => {
                why.reason = Some(cause_in_words(cause));
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
                why.reason =
                    Some(format!("{}; the next request is its probe", cause_in_words(cause)));
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

fn cause_in_words(cause: EjectionCause) -> String {
    match cause {
        EjectionCause::Refused => "it refused a connection".to_owned(),
        EjectionCause::ConnectTimeout => "connections to it timed out".to_owned(),
        EjectionCause::ConnectFailure => "it could not be reached".to_owned(),
        EjectionCause::Reset => "it broke connections".to_owned(),
        EjectionCause::InvalidAnswer => "it sent invalid answers".to_owned(),
        EjectionCause::Timeout => "it did not answer in time".to_owned(),
        EjectionCause::Status(status) => format!("it answered {status}"),
        EjectionCause::RetryAfter => "it sent Retry-After".to_owned(),
        EjectionCause::Operator => "an operator ejected it".to_owned(),
    }
}

fn set_by_operator(seen: &BackendView) -> Vec<String> {
    let drain = seen.backend.ordered_to_drain();
    let drain = drain.map(|drain| if drain { "drained" } else { "undrained" }.to_owned());
    let weight = seen.backend.weight().map(|weight| format!("weight {weight}"));
    let ejected = match seen.eligibility {
        Eligibility::Ejected { cause: EjectionCause::Operator, .. }
        | Eligibility::HalfOpen { cause: EjectionCause::Operator } => Some("ejected".to_owned()),
        _ => None,
    };
    drain.into_iter().chain(weight).chain(ejected).collect()
}

fn check(CheckResult { failure, took, at }: CheckResult, now: Instant) -> view::Check {
    view::Check {
        passed: failure.is_none(),
        reason: failure,
        took_ms: millis(took),
        ago_ms: whole_millis(now.saturating_duration_since(at)),
    }
}

fn classes(counts: [u64; StatusClass::ALL.len()]) -> view::Classes {
    let [none, informational, success, redirection, client_error, server_error] = counts;
    view::Classes { informational, success, redirection, client_error, server_error, none }
}

fn whole_millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
