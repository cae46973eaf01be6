//! A configuration as a tree in the shape of its file: every default filled in.
//!
//! The model has no keys, so each value is joined with its definition here. The view of the
//! effective configuration prints the tree, and the difference of two configurations compares two
//! trees.

use serde_json::{Map, Value, json};

mod tls;

use super::{
    keys::{
        Row, access_log as log_keys, admin as admin_keys, below, checks,
        listeners as listener_keys, mapping, path_below, pools as pool_keys, process as top,
        retry as retry_keys,
    },
    model::{
        AccessLog, Admin, BackendSpec, Backoff, Config, HealthCheck, Listener, LogFilter, MinRate,
        PaceLimits, Pool, Probe, Retry, RetryOn, Route, StatusRanges, Timeouts,
    },
    values::{CheckType, Failure},
};

/// The text that replaces a secret.
const MASK: &str = "***";

/// An entry of a mapping.
type Entry = (&'static str, Value);

/// The configuration in the shape of its file, with every default and without secrets.
#[must_use]
pub fn effective(config: &Config) -> Value {
    let mut tree = tree(config);
    mask(&mut tree, "");
    escape(&mut tree);
    tree
}

/// Writes texts so that a file with them has no references.
fn escape(tree: &mut Value) {
    match tree {
        Value::String(text) if text.contains("${") => *text = text.replace("${", "$${"),
        Value::Array(items) => items.iter_mut().for_each(escape),
        Value::Object(entries) => entries.values_mut().for_each(escape),
        _ => {}
    }
}

/// Hides the values of secret keys in the mapping at this path.
fn mask(tree: &mut Value, path: &str) {
    for row in below(path) {
        let Some(value) = tree.get_mut(row.name()) else { continue };
        if row.about().is_secret {
            *value = json!(MASK);
        }
        let path = path_below(row);
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| mask(item, &path)),
            Value::Object(names) if path.ends_with('*') => {
                names.values_mut().for_each(|item| mask(item, &path));
            }
            value => mask(value, &path),
        }
    }
}

/// The configuration in the shape of its file, secrets included.
pub(super) fn tree(config: &Config) -> Value {
    let process = &config.process;
    let pools: Map<String, Value> =
        config.pools.iter().map(|it| (it.name.to_string(), pool(it))).collect();
    mapping([
        (listener_keys::LISTENERS.name(), config.listeners.iter().map(listener).collect()),
        (listener_keys::ROUTES.name(), config.routes.iter().map(route).collect()),
        (pool_keys::POOLS.name(), Value::Object(pools)),
        log_keys::ACCESS_LOG.show_or_off(config.access_log.as_ref().map(access_log)),
        top::TRACE.show(&config.traceparent),
        top::SERVER_TIMING.show(&config.server_timing),
        top::UNAVAILABLE_PAGE.show(config.unavailable_page.as_ref()),
        top::TRUSTED_PROXIES.show(&config.trusted_proxies),
        top::WORKERS.show(&config.threads),
        top::PROCESS_LOG.show(&process.error_log),
        top::SHUTDOWN.show([
            top::SHUTDOWN_DELAY.show(&process.shutdown.delay),
            top::SHUTDOWN_TIMEOUT.show(&process.shutdown.timeout),
        ]),
        top::WATCH.show(&process.watch),
        top::DAEMON.show(&process.daemon),
        top::PID_FILE.show(process.pid_file.as_ref()),
        top::UPGRADE_SOCKET.show(process.upgrade_socket.as_ref()),
        top::STATE_DIR.show(process.state_dir.as_ref()),
        top::PROCESS_USER.show(process.user.as_ref()),
        top::PROCESS_GROUP.show(process.group.as_ref()),
        admin_keys::ADMIN.show_or_off(config.admin.as_ref().map(admin)),
    ])
}

pub(super) fn listener(listener: &Listener) -> Value {
    let client = listener.client;
    mapping([
        listener_keys::ADDRESS.show(Some(&listener.address)),
        listener_keys::SOCKET_MODE.show(listener.file.mode.as_ref()),
        listener_keys::SOCKET_OWNER.show(listener.file.owner.as_ref()),
        listener_keys::PROXY_PROTOCOL.show_or_off(
            listener.proxy_protocol.as_ref().map(|from| [listener_keys::FROM.show(from)]),
        ),
        tls::of_listener(listener.tls.as_ref()),
        listener_keys::PROTOCOLS.show(&listener.protocols),
        listener_keys::ALT_SVC.show(&listener.alt_svc.max_age),
        listener_keys::ALT_SVC_PORT.show(listener.alt_svc.port.as_ref()),
        listener_keys::REDIRECT.show(&listener.redirect_to_https),
        listener_keys::CLIENT.show([
            listener_keys::HEADER.show(&client.header),
            listener_keys::KEEPALIVE.show(&client.keepalive),
            listener_keys::WRITE.show(&client.write),
            body(client.body),
            answer(client.answer),
        ]),
    ])
}

fn body(limits: PaceLimits) -> Entry {
    // Without a rate this key has no meaning, and is not in the model.
    let after = limits.min_rate.map(|rate| rate.after);
    listener_keys::BODY.show([
        listener_keys::BODY_IDLE.show(&limits.idle),
        listener_keys::BODY_MIN_RATE.show(&limits.min_rate.map(|rate| rate.bytes)),
        listener_keys::BODY_MIN_RATE_AFTER.key.show(after.as_ref()),
    ])
}

fn answer(rate: Option<MinRate>) -> Entry {
    let after = rate.map(|rate| rate.after);
    listener_keys::ANSWER.show([
        listener_keys::ANSWER_MIN_RATE.show(&rate.map(|rate| rate.bytes)),
        listener_keys::ANSWER_MIN_RATE_AFTER.key.show(after.as_ref()),
    ])
}

fn route(route: &Route) -> Value {
    mapping([
        listener_keys::HOST.show(route.host.as_ref()),
        listener_keys::PATH.show(&route.path),
        listener_keys::POOL.show(Some(&route.pool)),
    ])
}

fn pool(pool: &Pool) -> Value {
    let ejection = pool.ejection.map(|rules| {
        [
            pool_keys::EJECTION_FAILURES.show(&rules.failures),
            pool_keys::EJECTION_BASE.show(&rules.base),
            pool_keys::EJECTION_MAX.show(&rules.max),
        ]
    });
    mapping([
        pool_keys::ALGORITHM.show(&pool.algorithm),
        (pool_keys::BACKENDS.name(), pool.backends.iter().map(backend).collect()),
        checks::HEALTH_CHECK.show_or_off(pool.health_check.as_ref().map(health_check)),
        retry(&pool.retry),
        timeouts(&pool.timeouts),
        pool_keys::EJECTION.show_or_off(ejection),
        pool_keys::POOL_SLOW_START.show(&pool.slow_start),
        pool_keys::POOL_PANIC_THRESHOLD.show(&pool.panic_threshold),
        pool_keys::QUEUE.show([
            pool_keys::SIZE.show(&pool.queue.size),
            pool_keys::QUEUE_TIMEOUT.show(&pool.queue.timeout),
        ]),
        pool_keys::REQUEST_BUFFER.show(&pool.request_buffer),
    ])
}

fn backend(backend: &BackendSpec) -> Value {
    mapping([
        pool_keys::ADDRESS.show(Some(&backend.address)),
        pool_keys::BACKEND_WEIGHT.show(&backend.weight),
        pool_keys::BACKUP.show(&backend.backup),
        pool_keys::DRAIN.show(&backend.drain),
        pool_keys::BACKEND_MAX_CONNECTIONS.show(backend.max_connections.as_ref()),
    ])
}

fn health_check(check: &HealthCheck) -> [Entry; 9] {
    let nothing = |row: &dyn Row| (row.name(), Value::Null);
    let [kind, path, expect, host] = match &check.probe {
        Probe::Tcp => [
            checks::TYPE.show(&CheckType::Tcp),
            nothing(&checks::PATH),
            nothing(&checks::EXPECT),
            nothing(&checks::HOST),
        ],
        Probe::Http { path, host, expect } => [
            checks::TYPE.show(&CheckType::Http),
            checks::PATH.show(path),
            (checks::EXPECT.name(), (checks::EXPECT.kind.show)(expect)),
            checks::HOST.show(host.as_ref()),
        ],
    };
    [
        kind,
        path,
        expect,
        host,
        checks::CHECK_PORT.show(check.port.as_ref()),
        checks::INTERVAL.show(&check.interval),
        checks::TIMEOUT.show(&check.timeout),
        checks::RISE.show(&check.rise),
        checks::FALL.show(&check.fall),
    ]
}

fn retry(retry: &Retry) -> Entry {
    let Backoff { base, max } = retry.backoff;
    let backoff =
        (!max.is_zero()).then(|| [retry_keys::BASE.show(&base), retry_keys::MAX.show(&max)]);
    retry_keys::RETRY.show([
        retry_keys::RETRY_ATTEMPTS.show(&retry.attempts),
        retry_keys::ON.show(&failures(&retry.on)),
        retry_keys::RETRY_METHODS.show(&retry.methods),
        retry_keys::RETRY_BUDGET.show(&retry.budget),
        retry_keys::RETRY_BUDGET_MIN.show(&retry.budget_min),
        retry_keys::BACKOFF.show_or_off(backoff),
    ])
}

fn failures(on: &RetryOn) -> Vec<Failure> {
    let kinds = [
        (Failure::Connect, on.connect_failure),
        (Failure::Reset, on.reset),
        (Failure::Timeout, on.timeout),
    ];
    let kinds = kinds.into_iter().filter(|(_, is_on)| *is_on).map(|(failure, _)| failure);
    kinds.chain(runs(&on.statuses).map(Failure::Statuses)).collect()
}

/// Statuses that follow each other are one range, if it is shorter to write.
fn runs(statuses: &[u16]) -> impl Iterator<Item = StatusRanges> {
    let runs = statuses.chunk_by(|before, after| before + 1 == *after);
    runs.flat_map(|run| match run {
        [first, .., last] if run.len() > 3 => vec![(*first, *last)],
        run => run.iter().map(|status| (*status, *status)).collect(),
    })
    .map(|range| StatusRanges(vec![range]))
}

fn timeouts(timeouts: &Timeouts) -> Entry {
    pool_keys::TIMEOUTS.show([
        pool_keys::CONNECT.show(&timeouts.connect),
        pool_keys::RESPONSE.show(&timeouts.response),
        pool_keys::REQUEST.show(&timeouts.request),
        pool_keys::IDLE.show(&timeouts.idle),
        pool_keys::KEEPALIVE.show(&timeouts.keepalive),
    ])
}

fn access_log(log: &AccessLog) -> [Entry; 3] {
    [
        log_keys::FORMAT.show(&log.format),
        log_keys::LOG_PATH.show(&log.path),
        log_keys::FILTER.show_or_off(log.filter.as_ref().map(filter)),
    ]
}

fn filter(filter: &LogFilter) -> [Entry; 3] {
    let status = filter.status.as_ref();
    let status = status.map(|ranges| log_keys::STATUS.show(std::slice::from_ref(ranges)));
    [
        status.unwrap_or((log_keys::STATUS.name(), Value::Null)),
        log_keys::MIN_LATENCY.show(filter.min_latency.as_ref()),
        log_keys::LOG_SAMPLE.show(filter.sample.as_ref()),
    ]
}

fn admin(admin: &Admin) -> [Entry; 4] {
    [
        admin_keys::ADDRESS.show(Some(&admin.address)),
        admin_keys::ADMIN_TOKEN.show(admin.token.as_ref()),
        admin_keys::HOSTS.show(&admin.hosts),
        tls::of_admin(admin.tls.as_ref()),
    ]
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

    /// Loads a text without the places of backends and the order of pools, which are not part of
    /// its meaning.
    fn load(text: &str) -> Config {
        let mut config = config::parse("lb.yaml", text, &Flags::default()).unwrap().config;
        for backend in config.pools.iter_mut().flat_map(|pool| &mut pool.backends) {
            backend.origin = Origin::flag("");
        }
        let tls = config.listeners.iter_mut().filter_map(|listener| listener.tls.as_mut());
        let of_admin = config.admin.iter_mut().filter_map(|admin| admin.tls.as_mut());
        for tls in tls.chain(of_admin) {
            let hosts = tls.hosts.iter_mut().filter_map(|host| host.client_auth.as_mut());
            let rules = tls.client_auth.iter_mut().chain(hosts).map(|rule| &mut rule.origin);
            let sources = tls.certificates.iter_mut().map(|source| &mut source.origin);
            let origins = sources.chain(tls.acme.as_mut().map(|acme| &mut acme.origin));
            rules.chain(origins).for_each(|origin| *origin = Origin::flag(""));
        }
        config.pools.sort_by(|a, b| a.name.cmp(&b.name));
        config
    }

    /// The reference with every key enabled, except one of two of which one is enough.
    fn reference() -> String {
        let one_of_two = ["#include:", "#defaults:", "#token_file:", "#hmac_key:"];
        let is_other = |line: &&str| !one_of_two.iter().any(|key| line.contains(key));
        let lines = REFERENCE.lines().filter(is_other);
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
        let shown = effective(&config).to_string();
        let secret = config.admin.as_ref().and_then(|admin| admin.token.as_ref());
        let secret = secret.map_or("", |token| token.secret());
        assert!(secret.is_empty() || !shown.contains(secret), "{shown}");
        assert_eq!(load(&shown.replace(MASK, secret)), config, "{shown}");
    }

    #[test]
    fn the_shown_configuration_loads_as_the_same() {
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
        let shown = effective(&load(&text)).to_string();
        assert!(!shown.contains(SECRET) && shown.contains(MASK), "{shown}");
    }

    /// Collects every key, without names of pools and numbers of items.
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
        let shown = effective(&load(&reference())).to_string();
        assert_eq!(keys_of(&shown), keys_of(&reference()));
    }
}
