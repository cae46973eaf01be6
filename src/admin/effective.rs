//! The configuration that serves, in the shape of its file: every default filled in, no secret
//! shown.
//!
//! Written from the model, key by key, because the model has no keys; what is written here can be
//! loaded again, and a test does.

use std::{fmt::Display, path::Path, time::Duration};

use serde_json::{Map, Value, json};

use crate::config::{
    AccessLog, Admin, Algorithm, BackendSpec, Backoff, BodyLimits, Config, HealthCheck,
    HostPattern, Listener, LogFilter, LogFormat, LogTarget, MinRate, Pool, Probe, ResponseTimeout,
    Retry, RetryMethods, RetryOn, Route, Timeouts, Traceparent, defaults,
};

const OFF: &str = "off";
/// In place of a secret.
const MASK: &str = "***";

/// The whole configuration.
pub(super) fn json(config: &Config) -> Value {
    let process = &config.process;
    let shutdown = process.shutdown;
    let pools: Map<String, Value> =
        config.pools.iter().map(|it| (it.name.to_string(), pool(it))).collect();
    without_nothing(json!({
        "listeners": config.listeners.iter().map(listener).collect::<Vec<_>>(),
        "routes": config.routes.iter().map(route).collect::<Vec<_>>(),
        "pools": pools,
        "access_log": or_off(config.access_log.as_ref().map(access_log)),
        "traceparent": match config.traceparent {
            Traceparent::Start => "start",
            Traceparent::Pass => "pass",
        },
        "server_timing": config.server_timing,
        "trusted_proxies": texts(&config.trusted_proxies),
        "threads": config.threads.map_or(json!("auto"), |threads| json!(threads)),
        "error_log": process.error_log.as_deref().map_or("stderr".to_owned(), path),
        "shutdown": { "delay": length(shutdown.delay), "timeout": length(shutdown.timeout) },
        "watch": process.watch,
        "daemon": process.daemon,
        "pid_file": process.pid_file.as_deref().map(path),
        "upgrade_socket": process.upgrade_socket.as_deref().map(path),
        "user": process.user,
        "group": process.group,
        "admin": or_off(config.admin.as_ref().map(admin)),
    }))
}

fn listener(listener: &Listener) -> Value {
    let client = listener.client;
    json!({
        "address": listener.address,
        "client": {
            "header": length(client.header),
            "keepalive": length(client.keepalive),
            "write": length(client.write),
            "body": body_limits(client.body),
        },
    })
}

fn body_limits(body: BodyLimits) -> Value {
    let MinRate { bytes, after } = body.min_rate.unwrap_or(MinRate {
        bytes: defaults::BODY_MIN_RATE,
        after: defaults::BODY_MIN_RATE_AFTER,
    });
    let rate = body.min_rate.map(|_| json!(format!("{bytes}B/s")));
    json!({
        "idle": or_off(body.idle.map(|idle| json!(length(idle)))),
        "min_rate": or_off(rate),
        "min_rate_after": length(after),
    })
}

fn route(route: &Route) -> Value {
    let host = route.host.as_ref().map(HostPattern::to_string);
    json!({ "host": host, "path": route.path.as_str(), "pool": route.pool.as_str() })
}

fn pool(pool: &Pool) -> Value {
    let ejection = pool.ejection.map(|rules| {
        json!({
            "failures": rules.failures,
            "base": length(rules.base),
            "max": length(rules.max),
        })
    });
    json!({
        "algorithm": match pool.algorithm {
            Algorithm::RoundRobin => "round_robin",
            Algorithm::LeastConn => "least_conn",
            Algorithm::Ewma => "ewma",
        },
        "backends": pool.backends.iter().map(backend).collect::<Vec<_>>(),
        "health_check": or_off(pool.health_check.as_ref().map(health_check)),
        "retry": retry(&pool.retry),
        "timeouts": timeouts(&pool.timeouts),
        "ejection": or_off(ejection),
        "slow_start": or_off(pool.slow_start.map(|it| json!(length(it)))),
        "panic_threshold": or_off(pool.panic_threshold.map(|it| json!(it.to_string()))),
        "queue": { "size": pool.queue.size, "timeout": length(pool.queue.timeout) },
    })
}

fn backend(backend: &BackendSpec) -> Value {
    json!({
        "address": backend.address.to_string(),
        "weight": backend.weight.get(),
        "backup": backend.backup,
        "drain": backend.drain,
        "max_connections": backend.max_connections,
    })
}

fn health_check(check: &HealthCheck) -> Value {
    let mut value = json!({
        "interval": length(check.interval),
        "timeout": length(check.timeout),
        "rise": check.rise,
        "fall": check.fall,
        "port": check.port,
    });
    match &check.probe {
        Probe::Tcp => value["type"] = json!("tcp"),
        Probe::Http { path, host, expect } => {
            value["type"] = json!("http");
            value["path"] = json!(path);
            value["host"] = json!(host);
            value["expect"] = json!(expect.to_string());
        }
    }
    value
}

fn retry(retry: &Retry) -> Value {
    let Backoff { base, max } = retry.backoff;
    let backoff = (!max.is_zero()).then(|| json!({ "base": length(base), "max": length(max) }));
    json!({
        "attempts": retry.attempts,
        "on": retry_on(&retry.on),
        "methods": match retry.methods {
            RetryMethods::Idempotent => "idempotent",
            RetryMethods::All => "all",
        },
        "budget": retry.budget.to_string(),
        "budget_min": retry.budget_min,
        "backoff": or_off(backoff),
    })
}

fn retry_on(on: &RetryOn) -> Vec<Value> {
    let words =
        [("connect_failure", on.connect_failure), ("reset", on.reset), ("timeout", on.timeout)];
    let words = words.into_iter().filter(|(_, is_on)| *is_on).map(|(word, _)| json!(word));
    words.chain(on.statuses.iter().map(|status| json!(status))).collect()
}

fn timeouts(timeouts: &Timeouts) -> Value {
    json!({
        "connect": length(timeouts.connect),
        "response": match timeouts.response {
            ResponseTimeout::Fixed(timeout) => length(timeout),
            ResponseTimeout::Auto => "auto".to_owned(),
        },
        "request": length(timeouts.request),
        "idle": length(timeouts.idle),
        "keepalive": length(timeouts.keepalive),
    })
}

fn access_log(log: &AccessLog) -> Value {
    json!({
        "format": match log.format {
            LogFormat::Json => "json",
            LogFormat::Text => "text",
            LogFormat::Combined => "combined",
        },
        "path": match &log.path {
            LogTarget::Stdout => "stdout".to_owned(),
            LogTarget::Stderr => "stderr".to_owned(),
            LogTarget::File(file) => path(file),
        },
        "filter": or_off(log.filter.as_ref().map(filter)),
    })
}

fn filter(filter: &LogFilter) -> Value {
    json!({
        "status": filter.status.as_ref().map(ToString::to_string),
        "min_latency": filter.min_latency.map(length),
        "sample": filter.sample.map(|sample| sample.to_string()),
    })
}

fn admin(admin: &Admin) -> Value {
    json!({
        "address": admin.address.to_string(),
        "token": admin.token.as_ref().map(|_| MASK),
        "hosts": admin.hosts,
    })
}

fn or_off(value: Option<Value>) -> Value {
    value.unwrap_or_else(|| json!(OFF))
}

fn length(length: Duration) -> String {
    humantime::format_duration(length).to_string()
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

fn texts(values: &[impl Display]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// A key that is left out in the file is left out here.
fn without_nothing(value: Value) -> Value {
    match value {
        Value::Object(entries) => {
            let there = entries.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(there.map(|(key, value)| (key, without_nothing(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nothing).collect()),
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use saphyr::{LoadableYamlNode, Yaml};

    use super::*;
    use crate::config::{self, Flags, Origin};

    const REFERENCE: &str =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/conf/reference.yaml"));
    const SECRET: &str = "s3cret-s3cret-s3cret";

    /// The places of backends are not part of what a configuration says, nor is the order of pools.
    fn load(text: &str) -> Config {
        let mut config = config::parse("lb.yaml", text, &Flags::default()).unwrap().config;
        for backend in config.pools.iter_mut().flat_map(|pool| &mut pool.backends) {
            backend.origin = Origin::flag("");
        }
        config.pools.sort_by(|a, b| a.name.cmp(&b.name));
        config
    }

    /// With every key, but the one that names another file.
    fn reference() -> String {
        let lines = REFERENCE.lines().filter(|line| !line.contains("#token_file:"));
        lines
            .map(|line| {
                let text = line.trim_start();
                let is_key = text.starts_with('#') && !text.starts_with("# ");
                if is_key { line.replacen('#', "", 1) + "\n" } else { format!("{line}\n") }
            })
            .collect()
    }

    fn assert_loads_again(text: &str) {
        let config = load(text);
        let shown = json(&config).to_string();
        let secret = config.admin.as_ref().and_then(|admin| admin.token.as_ref());
        let secret = secret.map_or("", |token| token.secret());
        assert!(secret.is_empty() || !shown.contains(secret), "{shown}");
        assert_eq!(load(&shown.replace(MASK, secret)), config, "{shown}");
    }

    #[test]
    fn what_is_shown_is_what_serves() {
        assert_loads_again(REFERENCE);
        assert_loads_again(&reference());
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/valid");
        for entry in fs::read_dir(folder).unwrap() {
            let file = entry.unwrap().path();
            if file.extension().is_some_and(|extension| extension == "yaml") {
                assert_loads_again(&fs::read_to_string(file).unwrap());
            }
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let text = format!("{REFERENCE}\nadmin: {{ address: 127.0.0.1:1, token: {SECRET} }}\n");
        let shown = json(&load(&text)).to_string();
        assert!(!shown.contains(SECRET) && shown.contains(MASK), "{shown}");
    }

    /// Every key, with the name of a pool and the number of an item left out.
    fn keys(yaml: &Yaml<'_>, at: &str, found: &mut BTreeSet<String>) {
        if let Some(mapping) = yaml.as_mapping() {
            for (key, value) in mapping {
                let key = format!("{at}.{}", key.as_str().unwrap());
                keys(value, &key, found);
                found.insert(key);
            }
        }
        for item in yaml.as_sequence().into_iter().flatten() {
            keys(item, at, found);
        }
    }

    #[test]
    fn every_key_of_the_reference_is_shown() {
        let keys_of = |text: &str| {
            let mut found = BTreeSet::new();
            keys(&Yaml::load_from_str(text).unwrap()[0], "", &mut found);
            found
        };
        let shown = json(&load(&reference())).to_string();
        assert_eq!(keys_of(&shown), keys_of(&reference()));
    }
}
