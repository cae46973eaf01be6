//! The pools of the file: how they are balanced, checked and timed, and what else holds for a pool
//! as a whole.

use std::time::Duration;

use super::{
    addresses::{CHECK_HOST, CHECK_PATH, POOL_NAME},
    backends::{self, OF_A_BACKEND, OF_EJECTION},
    cursor::{Cursor, Section},
    defaults,
    model::{
        BackendSpec, EjectionRules, HealthCheck, Pool, Probe, QueueLimits, ResponseTimeout,
        StatusRanges, Timeouts,
    },
    order::{Order, Side},
    retry::retry,
    values::{
        ALGORITHM, CHECK_TYPE, CHECKS, CheckType, DURATION, FAILURES, PANIC_THRESHOLD, PORT,
        QUEUE_SIZE, RESPONSE_TIMEOUT, SLOW_START, STATUSES,
    },
};

/// What to write where there are no pools.
pub(super) const EXAMPLE: &str =
    "write \"pools: { web: { backends: [{ address: 127.0.0.1:9001 }] } }\"";

const CHECK_ORDER: Order = Order {
    judged: Side {
        key: "timeout",
        default: defaults::CHECK_TIMEOUT,
        rule: "must be below the interval",
    },
    other: Side {
        key: "interval",
        default: defaults::CHECK_INTERVAL,
        rule: "must be above the timeout",
    },
    holds: |timeout, interval| timeout < interval,
    why: "a check must end before the next one starts",
};

const TIMEOUT_ORDER: Order = Order {
    judged: Side {
        key: "request",
        default: defaults::TIMEOUTS.request,
        rule: "must not be below the connect timeout",
    },
    other: Side {
        key: "connect",
        default: defaults::TIMEOUTS.connect,
        rule: "must not be above the request timeout",
    },
    holds: |request, connect| request >= connect,
    why: "it covers all attempts, and each of them connects",
};

const EJECTION_ORDER: Order = Order {
    judged: Side {
        key: "max",
        default: defaults::EJECTION.max,
        rule: "must not be below the base",
    },
    other: Side {
        key: "base",
        default: defaults::EJECTION.base,
        rule: "must not be above the max",
    },
    holds: |max, base| max >= base,
    why: "no ejection is longer than the max",
};

/// All pools that have a name, each with its place.
pub(super) fn read<'a>(cursor: &Cursor<'a>) -> Vec<(Pool, Cursor<'a>)> {
    let expected = "a mapping from the name of each pool to its backends";
    let Some(entries) = cursor.entries(expected) else { return Vec::new() };
    if entries.is_empty() {
        cursor.problem(format!("must have at least one pool ({EXAMPLE})"));
    }
    let pool = |(name, cursor)| Some((pool(name, &cursor)?, cursor));
    entries.into_iter().filter_map(pool).collect()
}

fn pool(name: &str, cursor: &Cursor<'_>) -> Option<Pool> {
    let name = (POOL_NAME.parse)(name)
        .map_err(|message| cursor.problem(format!("the name of a pool {message}")))
        .ok()?;
    let read = |keys: &mut Section<'_>| {
        keys.refuse(&OF_A_BACKEND);
        keys.refuse(&OF_EJECTION);
        let hint = "write \"backends: [{ address: 127.0.0.1:9001 }]\"";
        let backends = keys.required("backends", hint);
        let backends = backends.map(|cursor| backends::read(&cursor)).unwrap_or_default();
        Pool {
            name: name.clone(),
            algorithm: keys.setting("algorithm", &ALGORITHM).or(defaults::ALGORITHM),
            health_check: health_check(keys),
            retry: retry(keys),
            timeouts: timeouts(keys),
            ejection: ejection(keys),
            slow_start: keys.setting("slow_start", &SLOW_START).or(Some(defaults::SLOW_START)),
            panic_threshold: keys.setting("panic_threshold", &PANIC_THRESHOLD).or(None),
            queue: queue(keys, &backends),
            backends,
        }
    };
    let expected = "a mapping such as { backends: [{ address: 127.0.0.1:9001 }] }";
    let pool = cursor.section(expected, read);
    Some(pool.unwrap_or_else(|| Pool::new(name.clone())))
}

/// `None` when checks are off.
fn health_check(keys: &mut Section<'_>) -> Option<HealthCheck> {
    let expected = "off, or a mapping such as { path: /health }";
    keys.switch("health_check", default_check(), expected, check)
}

fn check(keys: &mut Section<'_>) -> HealthCheck {
    let kind = keys.setting("type", &CHECK_TYPE).or(CheckType::Http);
    let (timeout, interval) = CHECK_ORDER.read(keys);
    HealthCheck {
        probe: match kind {
            CheckType::Http => http_probe(keys),
            CheckType::Tcp => tcp_probe(keys),
        },
        interval,
        timeout,
        rise: keys.setting("rise", &CHECKS).or(defaults::CHECK_RISE),
        fall: keys.setting("fall", &CHECKS).or(defaults::CHECK_FALL),
        port: keys.setting("port", &PORT).given(),
    }
}

fn http_probe(keys: &mut Section<'_>) -> Probe {
    let (low, high) = defaults::CHECK_EXPECT;
    Probe::Http {
        path: keys.setting("path", &CHECK_PATH).or(defaults::CHECK_PATH.into()),
        expect: keys.setting("expect", &STATUSES).or(StatusRanges(vec![(low, high)])),
        host: keys.setting("host", &CHECK_HOST).given(),
    }
}

fn tcp_probe(keys: &mut Section<'_>) -> Probe {
    for key in ["path", "expect", "host"] {
        if let Some(cursor) = keys.optional(key) {
            cursor.problem(
                "belongs to checks of type http, and this one is tcp (remove it, or write \
                 type: http)",
            );
        }
    }
    Probe::Tcp
}

/// What holds where nothing is said about checks.
pub(super) fn default_check() -> HealthCheck {
    let (low, high) = defaults::CHECK_EXPECT;
    HealthCheck {
        probe: Probe::Http {
            path: defaults::CHECK_PATH.into(),
            host: None,
            expect: StatusRanges(vec![(low, high)]),
        },
        interval: defaults::CHECK_INTERVAL,
        timeout: defaults::CHECK_TIMEOUT,
        rise: defaults::CHECK_RISE,
        fall: defaults::CHECK_FALL,
        port: None,
    }
}

fn timeouts(keys: &mut Section<'_>) -> Timeouts {
    let read = |keys: &mut Section<'_>| {
        let (request, connect) = TIMEOUT_ORDER.read(keys);
        let response = keys.setting("response", &RESPONSE_TIMEOUT).or(defaults::TIMEOUTS.response);
        warn_of_no_second_try(keys, response, request);
        Timeouts {
            connect,
            response,
            request,
            idle: keys.setting("idle", &DURATION).or(defaults::TIMEOUTS.idle),
            keepalive: keys.setting("keepalive", &DURATION).or(defaults::TIMEOUTS.keepalive),
        }
    };
    keys.optional("timeouts")
        .and_then(|cursor| cursor.section("a mapping such as { connect: 2s }", read))
        .unwrap_or(defaults::TIMEOUTS)
}

/// Then the first backend that hangs uses up all of a request's time. What is learned is short.
fn warn_of_no_second_try(keys: &Section<'_>, response: ResponseTimeout, request: Duration) {
    let ResponseTimeout::Fixed(response) = response else { return };
    if response < request {
        return;
    }
    let shown = |key, length| {
        let note = if keys.has(key) { "" } else { " when left out" };
        format!("{}{note}", humantime::format_duration(length))
    };
    let (response, request) = (shown("response", response), shown("request", request));
    keys.warning(format!(
        "response is not below request ({response} against {request}): a backend that hangs is \
         then cut off by request, which leaves no time for another try"
    ));
}

fn ejection(keys: &mut Section<'_>) -> Option<EjectionRules> {
    let read = |keys: &mut Section<'_>| {
        let failures = keys.setting("failures", &FAILURES).or(defaults::EJECTION.failures);
        let (max, base) = EJECTION_ORDER.read(keys);
        EjectionRules { failures, base, max }
    };
    let expected = "off, or a mapping such as { failures: 5, base: 30s, max: 300s }";
    keys.switch("ejection", defaults::EJECTION, expected, read)
}

fn queue(keys: &mut Section<'_>, backends: &[BackendSpec]) -> QueueLimits {
    let read = |keys: &mut Section<'_>| {
        let queue = QueueLimits {
            size: keys.setting("size", &QUEUE_SIZE).or(defaults::QUEUE.size),
            timeout: keys.setting("timeout", &DURATION).or(defaults::QUEUE.timeout),
        };
        let is_used = backends.iter().any(|backend| backend.max_connections.is_some());
        // Who writes the default expects no more of it than who leaves it out.
        if !is_used && queue.size > 0 && queue != defaults::QUEUE {
            keys.warning("nothing is ever queued: no backend of this pool has max_connections");
        }
        queue
    };
    let expected = "off, or a mapping such as { size: 100, timeout: 1s }";
    let off = QueueLimits { size: 0, ..defaults::QUEUE };
    keys.switch("queue", defaults::QUEUE, expected, read).unwrap_or(off)
}
