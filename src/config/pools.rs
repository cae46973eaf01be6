//! The pools of the file: their backends, and how they are checked, retried, and timed.

use std::time::Duration;

use super::{
    addresses::{BACKEND_ADDRESS, CHECK_HOST, CHECK_PATH, POOL_NAME},
    cursor::{Cursor, Firsts, Section, Setting},
    defaults,
    model::{
        BackendAddress, BackendSpec, HealthCheck, Pool, Probe, Retry, StatusRanges, Timeouts,
        Weight,
    },
    values::{
        ALGORITHM, ATTEMPTS, CHECK_TYPE, CHECKS, CheckType, DURATION, PORT, RESPONSE_TIMEOUT,
        STATUSES, WEIGHT, is_off,
    },
};

/// What to write where there are no pools.
pub(super) const EXAMPLE: &str =
    "write \"pools: { web: { backends: [{ address: 127.0.0.1:9001 }] } }\"";

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
        let hint = "write \"backends: [{ address: 127.0.0.1:9001 }]\"";
        let backends = keys.required("backends", hint);
        Pool {
            name: name.clone(),
            algorithm: keys.setting("algorithm", &ALGORITHM).or(defaults::ALGORITHM),
            backends: backends.map(|cursor| read_backends(&cursor)).unwrap_or_default(),
            health_check: health_check(keys),
            retry: retry(keys),
            timeouts: timeouts(keys),
            ejection: Some(defaults::EJECTION),
            slow_start: Some(defaults::SLOW_START),
            panic_threshold: None,
            queue: defaults::QUEUE,
        }
    };
    let expected = "a mapping such as { backends: [{ address: 127.0.0.1:9001 }] }";
    let pool = cursor.section(expected, read);
    Some(pool.unwrap_or_else(|| Pool::new(name.clone())))
}

fn read_backends(cursor: &Cursor<'_>) -> Vec<BackendSpec> {
    let expected = "a list of backends, each starting with \"- address: 127.0.0.1:9001\"";
    let mut firsts = Firsts::default();
    let items = cursor.filled_list(expected).into_iter().flatten();
    items.filter_map(|item| backend(&item, &mut firsts)).collect()
}

fn backend(item: &Cursor<'_>, firsts: &mut Firsts<BackendAddress>) -> Option<BackendSpec> {
    let read = |keys: &mut Section<'_>| {
        let weight = keys.setting("weight", &WEIGHT).or(Weight::MIN);
        let cursor = keys.required("address", "write \"address: 127.0.0.1:9001\"")?;
        let address = cursor.value(&BACKEND_ADDRESS)?;
        if let Some(first) = firsts.earlier(address.clone(), &cursor) {
            cursor.problem(format!(
                "{address} is already given by {first} (for a greater share, give it a weight)"
            ));
        }
        Some(BackendSpec {
            address,
            weight,
            backup: false,
            drain: false,
            max_connections: None,
            origin: cursor.origin(),
        })
    };
    item.section_with("address", "a backend with its address", read).flatten()
}

/// `None` when checks are off.
fn health_check(keys: &mut Section<'_>) -> Option<HealthCheck> {
    let Some(cursor) = keys.optional("health_check") else { return Some(default_check()) };
    match cursor.text() {
        Some(text) if is_off(text) => None,
        Some("on" | "true" | "yes") => {
            let found = cursor.found();
            cursor.problem(format!(
                "must be off or a mapping, {found} (checks are on by default: remove this line)"
            ));
            None
        }
        _ => cursor.section("off, or a mapping such as { path: /health }", check),
    }
}

fn check(keys: &mut Section<'_>) -> HealthCheck {
    let kind = keys.setting("type", &CHECK_TYPE).or(CheckType::Http);
    let (interval, timeout) =
        (keys.setting("interval", &DURATION), keys.setting("timeout", &DURATION));
    check_order(keys, &interval, &timeout);
    HealthCheck {
        probe: match kind {
            CheckType::Http => http_probe(keys),
            CheckType::Tcp => tcp_probe(keys),
        },
        interval: interval.or(defaults::CHECK_INTERVAL),
        timeout: timeout.or(defaults::CHECK_TIMEOUT),
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

/// A check must end before the next one starts.
fn check_order(keys: &Section<'_>, interval: &Setting<Duration>, timeout: &Setting<Duration>) {
    let length = |setting: &Setting<Duration>, default| match setting {
        Setting::LeftOut => Some(default),
        Setting::Wrong => None,
        Setting::Given(length, _) => Some(*length),
    };
    let lengths =
        (length(interval, defaults::CHECK_INTERVAL), length(timeout, defaults::CHECK_TIMEOUT));
    let (Some(interval_length), Some(timeout_length)) = lengths else { return };
    if timeout_length < interval_length {
        return;
    }
    let shown = humantime::format_duration;
    match (interval.origin(), timeout.origin()) {
        (None, Some(origin)) => keys.problem_at(
            origin,
            format!(
                "must be below the interval, found {} (without \"interval:\" it is {}: give one)",
                shown(timeout_length),
                shown(interval_length)
            ),
        ),
        (Some(origin), None) => keys.problem_at(
            origin,
            format!(
                "must be above the timeout, found {} (without \"timeout:\" it is {}: give one)",
                shown(interval_length),
                shown(timeout_length)
            ),
        ),
        (Some(_), Some(origin)) => keys.problem_at(
            origin,
            format!(
                "must be below the interval of {}, found {} (a check must end before the next one \
                 starts)",
                shown(interval_length),
                shown(timeout_length)
            ),
        ),
        (None, None) => {}
    }
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

fn retry(keys: &mut Section<'_>) -> Retry {
    let default = Retry::default();
    let read = |keys: &mut Section<'_>| Retry {
        attempts: keys.setting("attempts", &ATTEMPTS).or(defaults::RETRY_ATTEMPTS),
        ..Retry::default()
    };
    keys.optional("retry")
        .and_then(|cursor| cursor.section("a mapping such as { attempts: 3 }", read))
        .unwrap_or(default)
}

fn timeouts(keys: &mut Section<'_>) -> Timeouts {
    let read = |keys: &mut Section<'_>| Timeouts {
        connect: keys.setting("connect", &DURATION).or(defaults::TIMEOUTS.connect),
        response: keys.setting("response", &RESPONSE_TIMEOUT).or(defaults::TIMEOUTS.response),
        request: keys.setting("request", &DURATION).or(defaults::TIMEOUTS.request),
        idle: keys.setting("idle", &DURATION).or(defaults::TIMEOUTS.idle),
        keepalive: keys.setting("keepalive", &DURATION).or(defaults::TIMEOUTS.keepalive),
    };
    keys.optional("timeouts")
        .and_then(|cursor| cursor.section("a mapping such as { connect: 2s }", read))
        .unwrap_or(defaults::TIMEOUTS)
}
