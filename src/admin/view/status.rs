//! The state of the process at this moment, as the types of [`view`].

use std::{
    path::PathBuf,
    process,
    time::{Duration, Instant, SystemTime},
};

use super::certificates::least_days_left;
use super::growth::rounded;
use super::last_minute::{BackendHistory, LastMinute, all_and_errors, millis};
use super::last_serving::Serving;
use super::state_reason::{StateReason, whole_millis};
use crate::acme;
use crate::admin::view;
use crate::backend::{CheckResult, EjectionCause, Eligibility};
use crate::clock;
use crate::config::{HostPattern, Word as _};
use crate::count::{ListenerCounts, StatusClass};
use crate::generation::{Current, FailedReload, Generation};
use crate::in_flight::InFlight;
use crate::pool::{BackendView, Pool};
use crate::readiness::Readiness;
use crate::telemetry;

/// The parts of the process that the status is made from.
#[derive(Debug, Clone, Copy)]
pub(in crate::admin) struct Sources<'a> {
    pub(in crate::admin) identity: &'a Identity,
    pub(in crate::admin) current: &'a Current,
    pub(in crate::admin) readiness: &'a Readiness,
    pub(in crate::admin) in_flight: &'a InFlight,
    pub(in crate::admin) last_minute: &'a LastMinute,
}

/// What tells this process from others, for a person who looks at several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name of the machine.
    pub host: String,
    /// The configuration file; `None` for a process that runs from flags.
    pub file: Option<PathBuf>,
}

/// The whole process.
pub(in crate::admin) fn status(sources: Sources<'_>, now: Instant) -> view::Status {
    let Sources { identity, current, readiness, in_flight, last_minute } = sources;
    let generation = current.pin();
    let ready = readiness.check();
    let uptime = now.saturating_duration_since(current.started());
    let last_reload = current.reloads().last();
    let loaded_ago = since(last_reload.loaded);
    let listeners = current.listeners().iter();
    view::Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: identity.host.clone(),
        file: identity.file.as_ref().map(|file| file.display().to_string()),
        pid: process::id(),
        time: telemetry::timestamp(clock::wall()),
        uptime_ms: whole_millis(uptime),
        generation: generation.number,
        loaded: Some(telemetry::timestamp(last_reload.loaded)),
        loaded_ago_ms: Some(whole_millis(loaded_ago)),
        failed_reload: last_reload.failure.as_ref().map(failed_reload),
        ready: ready.is_ok(),
        unready: ready.err().map(|why| why.to_string()),
        in_flight: in_flight.requests(),
        connections: in_flight.connections(),
        listeners: listeners.map(|one| listener(one, &generation, last_minute)).collect(),
        routes: routes(&generation, last_minute),
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

/// The time since then by the clock of the wall, which may have been set back.
fn since(then: SystemTime) -> Duration {
    clock::wall().duration_since(then).unwrap_or_default()
}

fn failed_reload(failure: &FailedReload) -> view::FailedReload {
    view::FailedReload {
        time: telemetry::timestamp(failure.time),
        ago_ms: whole_millis(since(failure.time)),
        failures: failure.failures,
        problems: failure.problems().into_iter().map(str::to_owned).collect(),
    }
}

fn listener(
    counts: &ListenerCounts,
    generation: &Generation,
    last_minute: &LastMinute,
) -> view::Listener {
    let responses = counts.responses();
    let (requests, errors) = all_and_errors(responses);
    let own = last_minute.listener(counts.address());
    let (rate, error_rate) = own.map(|own| own.rates()).unwrap_or_default();
    let (request_byte_rate, response_byte_rate) =
        own.map(|own| own.byte_rates()).unwrap_or_default();
    view::Listener {
        address: counts.address().to_owned(),
        requests,
        responses: classes(responses),
        errors,
        rate,
        error_rate,
        request_bytes: counts.received(),
        response_bytes: counts.sent(),
        request_byte_rate,
        response_byte_rate,
        connections: counts.connections(),
        certificate_days_left: least_days_left(generation, counts.address(), clock::wall()),
    }
}

fn routes(generation: &Generation, last_minute: &LastMinute) -> Vec<view::RouteTraffic> {
    let routes = generation.targets().enumerate().map(|(index, (route, target))| {
        let responses = target.state().responses();
        let (requests, errors) = all_and_errors(responses);
        let (rate, error_rate) = last_minute.route(route);
        view::RouteTraffic {
            host: route.host.as_ref().map(HostPattern::to_string),
            path: route.path.as_str().to_owned(),
            index,
            pool: route.pool.as_str().to_owned(),
            requests,
            responses: classes(responses),
            errors,
            rate,
            error_rate,
        }
    });
    routes.collect()
}

/// One pool.
pub(super) fn pool(pool: &Pool, last_minute: &LastMinute, now: Instant) -> view::Pool {
    let (requests, errors) = all_and_errors(pool.counts().responses());
    let own = last_minute.pool(pool.name());
    let (rate, error_rate) = own.map(|own| own.rates()).unwrap_or_default();
    let (request_byte_rate, response_byte_rate) =
        own.map(|own| own.byte_rates()).unwrap_or_default();
    let latency = own.map(|own| own.latency(&pool.counts().latency())).unwrap_or_default();
    let mut backends: Vec<_> =
        pool.backends(now).map(|seen| backend(&seen, last_minute, now)).collect();
    let all: f64 = backends.iter().map(|backend| backend.rate).sum();
    let serving = Serving::of(&backends);
    for backend in &mut backends {
        backend.last_serving = serving.last(backend).map(str::to_owned);
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
        request_bytes: backends.iter().map(|backend| backend.request_bytes).sum(),
        response_bytes: backends.iter().map(|backend| backend.response_bytes).sum(),
        request_byte_rate,
        response_byte_rate,
        latency,
        queue: view::Queue { length: pool.queued(), size: pool.config().queue.size },
        retries: pool.counts().retries().iter().sum(),
        budget_exhausted: pool.counts().budget_exhausted.get(),
        panic: pool.roster().is_panic(),
        history: own.map(|own| own.history()).unwrap_or_default(),
        backends,
    }
}

/// One backend; `share` and `last_serving` are set by [`pool`], which knows the whole pool.
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
        since: why.since,
        since_ms: why.since_ms,
        reason: why.reason,
        until: why.until,
        for_ms: why.for_ms,
        last_serving: None,
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
        request_bytes: counts.sent.get(),
        response_bytes: counts.received.get(),
        connections: view::Connections { opened: counts.opened.get(), reused: counts.reused.get() },
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
