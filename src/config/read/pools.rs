//! Reads the pools of the file with all their settings.

use std::time::Duration;

use super::{backends, checks, retry};
use crate::config::{
    document::{Cursor, Order, Section, Side},
    keys::pools::{
        ALGORITHM, BACKENDS, CONNECT, DEFAULTS, EJECTION, EJECTION_BASE, EJECTION_FAILURES,
        EJECTION_MAX, IDLE, KEEPALIVE, POOL_PANIC_THRESHOLD, POOL_SLOW_START, POOLS, QUEUE,
        QUEUE_TIMEOUT, REQUEST, REQUEST_BUFFER, RESPONSE, SIZE, TIMEOUTS,
    },
    model::{BackendSpec, EjectionRules, Pool, PoolName, QueueLimits, ResponseTimeout, Timeouts},
    values::{POOL_NAME, shown_duration},
};

/// The example that is shown if there are no pools.
pub(super) const EXAMPLE: &str =
    "write \"pools: { web: { backends: [{ address: 127.0.0.1:9001 }] } }\"";

const TIMEOUT_ORDER: Order = Order {
    judged: Side { key: &REQUEST, rule: "must not be below the connect timeout" },
    other: Side { key: &CONNECT, rule: "must not be above the request timeout" },
    holds: |request, connect| request >= connect,
    why: "it covers all attempts, and each of them connects",
};

const EJECTION_ORDER: Order = Order {
    judged: Side { key: &EJECTION_MAX, rule: "must not be below the base" },
    other: Side { key: &EJECTION_BASE, rule: "must not be above the max" },
    holds: |max, base| max >= base,
    why: "no ejection is longer than the max",
};

/// All pools that have a name, each with its place.
pub(super) fn read<'a>(cursor: &Cursor<'a>) -> Vec<(Pool, Cursor<'a>)> {
    let Some(entries) = cursor.entries(POOLS.expected) else { return Vec::new() };
    if entries.is_empty() {
        cursor.problem(format!("must have at least one pool ({EXAMPLE})"));
    }
    let mut pools: Vec<(Pool, Cursor<'a>)> = Vec::new();
    let mut entries = entries.into_iter().peekable();
    while let Some((name, cursor)) = entries.next() {
        let mut is_torn = false;
        while let Some((key, below)) = entries.next_if(|(key, it)| it.is_lost_key(&POOLS, key)) {
            below.refuse_lost_key(&POOLS, key, name);
            is_torn = true;
        }
        // What belongs to this pool has been reported.
        let pool = match is_torn && cursor.is_nothing() {
            true => (POOL_NAME.parse)(name).ok().map(Pool::new),
            false => pool(name, &cursor),
        };
        pools.extend(pool.map(|pool| (pool, cursor)));
    }
    pools
}

fn pool(name: &str, cursor: &Cursor<'_>) -> Option<Pool> {
    let name = (POOL_NAME.parse)(name)
        .map_err(|message| cursor.problem(format!("the name of a pool {message}")))
        .ok()?;
    let read = |keys: &mut Section<'_>| {
        let hint = "write \"backends: [{ address: 127.0.0.1:9001 }]\"";
        let backends = keys.required(&BACKENDS, hint);
        let backends = backends.map(|cursor| backends::read(&cursor)).unwrap_or_default();
        settings(keys, name.clone(), backends)
    };
    let expected = "a mapping such as { backends: [{ address: 127.0.0.1:9001 }] }";
    let pool = cursor.section(expected, read);
    Some(pool.unwrap_or_else(|| Pool::new(name.clone())))
}

/// Reads the settings that pools share, to find their problems.
pub(in crate::config) fn defaults(cursor: &Cursor<'_>) {
    cursor.section(DEFAULTS.expected, |keys| {
        if let Some(backends) = keys.optional(&BACKENDS) {
            backends.problem("belongs to a pool: pools share all settings but their backends");
        }
        settings(keys, PoolName::new("defaults"), Vec::new())
    });
}

/// Reads all keys of a pool except the backends.
pub(super) fn settings(keys: &mut Section<'_>, name: PoolName, backends: Vec<BackendSpec>) -> Pool {
    Pool {
        name,
        algorithm: keys.get(&ALGORITHM),
        health_check: checks::read(keys),
        retry: retry::read(keys),
        timeouts: timeouts(keys),
        ejection: keys.switch(&EJECTION, ejection_rules),
        slow_start: keys.get(&POOL_SLOW_START),
        panic_threshold: keys.get(&POOL_PANIC_THRESHOLD),
        queue: queue(keys, &backends),
        request_buffer: keys.get(&REQUEST_BUFFER),
        backends,
    }
}

fn timeouts(keys: &mut Section<'_>) -> Timeouts {
    keys.group(&TIMEOUTS, |keys| {
        let (request, connect) = TIMEOUT_ORDER.read(keys);
        let response = keys.get(&RESPONSE);
        warn_of_no_second_try(keys, response, request);
        Timeouts {
            connect,
            response,
            request,
            idle: keys.get(&IDLE),
            keepalive: keys.get(&KEEPALIVE),
        }
    })
}

/// Warns if `response` is not below `request`, because then the first backend that hangs uses up
/// all of a request's time. A learned limit is short.
fn warn_of_no_second_try(keys: &Section<'_>, response: ResponseTimeout, request: Duration) {
    let ResponseTimeout::Fixed(response) = response else { return };
    if response < request {
        return;
    }
    let shown = |key, length| {
        let note = if keys.has(key) { "" } else { " when left out" };
        format!("{}{note}", shown_duration(length))
    };
    let (response, request) = (shown("response", response), shown("request", request));
    keys.warning(format!(
        "response is not below request ({response} against {request}): a backend that hangs is \
         then cut off by request, which leaves no time for another try"
    ));
}

pub(super) fn ejection_rules(keys: &mut Section<'_>) -> EjectionRules {
    let failures = keys.get(&EJECTION_FAILURES);
    let (max, base) = EJECTION_ORDER.read(keys);
    EjectionRules { failures, base, max }
}

fn queue(keys: &mut Section<'_>, backends: &[BackendSpec]) -> QueueLimits {
    let default = QueueLimits { size: (SIZE.default)(), timeout: (QUEUE_TIMEOUT.default)() };
    let read = |keys: &mut Section<'_>| {
        let queue = QueueLimits { size: keys.get(&SIZE), timeout: keys.get(&QUEUE_TIMEOUT) };
        let is_used = backends.iter().any(|backend| backend.max_connections.is_some());
        // The default, written out, means no more than the default left out.
        if !is_used && queue.size > 0 && queue != default {
            keys.warning("nothing is ever queued: no backend of this pool has max_connections");
        }
        queue
    };
    keys.switch(&QUEUE, read).unwrap_or(QueueLimits { size: 0, ..default })
}
