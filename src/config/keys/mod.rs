//! The table of all keys, in the order of the reference.

pub(super) mod access_log;
pub(super) mod acme;
pub(super) mod admin;
pub(super) mod checks;
mod key;
pub(super) mod listeners;
pub(super) mod pools;
pub(super) mod process;
pub(super) mod retry;
pub(super) mod tls;

pub(super) use key::{
    Absent, Apply, Content, Group, Instead, Key, List, Presence, Preset, Row, mapping,
};

use std::{collections::HashMap, sync::LazyLock};

/// Every key. A group comes before its keys.
pub(super) static TABLE: &[&dyn Row] = &[
    &process::INCLUDE,
    &listeners::LISTENERS,
    &listeners::ADDRESS,
    &listeners::SOCKET_MODE,
    &listeners::SOCKET_OWNER,
    &listeners::PROXY_PROTOCOL,
    &listeners::FROM,
    &tls::LISTENER.group,
    &tls::LISTENER.certificates,
    &tls::LISTENER.cert,
    &tls::LISTENER.key,
    &tls::LISTENER.directory,
    &tls::LISTENER.acme.group,
    &tls::LISTENER.acme.email,
    &tls::LISTENER.acme.hosts,
    &tls::LISTENER.acme.challenge,
    &tls::LISTENER.acme.directory,
    &tls::LISTENER.acme.directory_ca,
    &tls::LISTENER.acme.external_account,
    &tls::LISTENER.acme.key_id,
    &tls::LISTENER.acme.hmac_key,
    &tls::LISTENER.acme.hmac_key_file,
    &tls::LISTENER.local,
    &tls::LISTENER.client_auth.group,
    &tls::LISTENER.client_auth.ca,
    &tls::LISTENER.client_auth.mode,
    &tls::LISTENER.client_auth.crl,
    &tls::FIELDS,
    &tls::HOSTS,
    &tls::HOST,
    &tls::HOST_CLIENT_AUTH.group,
    &tls::HOST_CLIENT_AUTH.ca,
    &tls::HOST_CLIENT_AUTH.mode,
    &tls::HOST_CLIENT_AUTH.crl,
    &tls::HOST_FIELDS,
    &tls::LISTENER.min_version,
    &tls::UNKNOWN,
    &tls::LISTENER.handshake,
    &tls::STRICT_TRANSPORT,
    &listeners::PROTOCOLS,
    &listeners::ALT_SVC,
    &listeners::ALT_SVC_PORT,
    &listeners::REDIRECT,
    &listeners::CLIENT,
    &listeners::HEADER,
    &listeners::KEEPALIVE,
    &listeners::WRITE,
    &listeners::BODY,
    &listeners::BODY_IDLE,
    &listeners::BODY_MIN_RATE,
    &listeners::BODY_MIN_RATE_AFTER,
    &listeners::ANSWER,
    &listeners::ANSWER_MIN_RATE,
    &listeners::ANSWER_MIN_RATE_AFTER,
    &listeners::ROUTES,
    &listeners::POOL,
    &listeners::HOST,
    &listeners::PATH,
    &pools::DEFAULTS,
    &pools::POOLS,
    &pools::ALGORITHM,
    &pools::BACKENDS,
    &pools::ADDRESS,
    &pools::BACKEND_WEIGHT,
    &pools::BACKUP,
    &pools::DRAIN,
    &pools::BACKEND_MAX_CONNECTIONS,
    &checks::HEALTH_CHECK,
    &checks::TYPE,
    &checks::PATH,
    &checks::EXPECT,
    &checks::HOST,
    &checks::CHECK_PORT,
    &checks::INTERVAL,
    &checks::TIMEOUT,
    &checks::RISE,
    &checks::FALL,
    &retry::RETRY,
    &retry::RETRY_ATTEMPTS,
    &retry::ON,
    &retry::RETRY_METHODS,
    &retry::RETRY_BUDGET,
    &retry::RETRY_BUDGET_MIN,
    &retry::BACKOFF,
    &retry::BASE,
    &retry::MAX,
    &pools::TIMEOUTS,
    &pools::CONNECT,
    &pools::RESPONSE,
    &pools::REQUEST,
    &pools::IDLE,
    &pools::KEEPALIVE,
    &pools::EJECTION,
    &pools::EJECTION_FAILURES,
    &pools::EJECTION_BASE,
    &pools::EJECTION_MAX,
    &pools::POOL_SLOW_START,
    &pools::POOL_PANIC_THRESHOLD,
    &pools::QUEUE,
    &pools::SIZE,
    &pools::QUEUE_TIMEOUT,
    &pools::REQUEST_BUFFER,
    &access_log::ACCESS_LOG,
    &access_log::FORMAT,
    &access_log::LOG_PATH,
    &access_log::FILTER,
    &access_log::STATUS,
    &access_log::MIN_LATENCY,
    &access_log::LOG_SAMPLE,
    &process::TRACE,
    &process::SERVER_TIMING,
    &process::UNAVAILABLE_PAGE,
    &process::TRUSTED_PROXIES,
    &process::WORKERS,
    &process::PROCESS_LOG,
    &process::SHUTDOWN,
    &process::SHUTDOWN_DELAY,
    &process::SHUTDOWN_TIMEOUT,
    &process::WATCH,
    &process::DAEMON,
    &process::PID_FILE,
    &process::UPGRADE_SOCKET,
    &process::STATE_DIR,
    &process::PROCESS_USER,
    &process::PROCESS_GROUP,
    &admin::ADMIN,
    &admin::ADDRESS,
    &admin::ADMIN_TOKEN,
    &admin::TOKEN_FILE,
    &admin::HOSTS,
    &tls::ADMIN.group,
    &tls::ADMIN.certificates,
    &tls::ADMIN.cert,
    &tls::ADMIN.key,
    &tls::ADMIN.directory,
    &tls::ADMIN.acme.group,
    &tls::ADMIN.acme.email,
    &tls::ADMIN.acme.hosts,
    &tls::ADMIN.acme.challenge,
    &tls::ADMIN.acme.directory,
    &tls::ADMIN.acme.directory_ca,
    &tls::ADMIN.acme.external_account,
    &tls::ADMIN.acme.key_id,
    &tls::ADMIN.acme.hmac_key,
    &tls::ADMIN.acme.hmac_key_file,
    &tls::ADMIN.local,
    &tls::ADMIN.client_auth.group,
    &tls::ADMIN.client_auth.ca,
    &tls::ADMIN.client_auth.mode,
    &tls::ADMIN.client_auth.crl,
    &tls::ADMIN.min_version,
    &tls::ADMIN.handshake,
];

/// The keys of each mapping, by its path.
static BELOW: LazyLock<HashMap<&str, Vec<&dyn Row>>> = LazyLock::new(|| {
    let mut below: HashMap<&str, Vec<&dyn Row>> = HashMap::new();
    for row in TABLE {
        let path = row.about().path;
        let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
        below.entry(parent).or_default().push(*row);
    }
    below
});

/// Whether a text is a value of the key at this path, such as `pools.*.backends[].weight`.
///
/// # Errors
///
/// What is wrong with the text, as the reader of a file says it after the key: "must be …, found …"; or that
/// no key has this path.
pub fn check_value(path: &str, text: &str) -> Result<(), String> {
    let row = TABLE.iter().find(|row| row.about().path == path);
    row.map_or_else(|| Err(format!("is not a known key, found {path}")), |row| row.check(text))
}

/// The keys of the mapping at this path, such as `pools.*`, or the empty one of the whole file.
pub(super) fn below(path: &str) -> Vec<&'static dyn Row> {
    BELOW.get(path).cloned().unwrap_or_default()
}

/// Whether the mapping at this path has a key of this name.
pub(super) fn is_known(path: &str, key: &str) -> bool {
    BELOW.get(path).is_some_and(|rows| rows.iter().any(|row| row.name() == key))
}

/// Whether a key is free for the author's own use, such as a place for anchors.
pub(super) fn is_free(key: &str) -> bool {
    key.starts_with("x-")
}

/// The path of the keys below a row: with `[]` for each item of a list, with `.*` for each name.
pub(super) fn path_below(row: &dyn Row) -> String {
    let path = row.about().path;
    match row.content() {
        Content::Items => format!("{path}[]"),
        Content::Names => format!("{path}.*"),
        _ => path.to_owned(),
    }
}

/// The keys of the mappings below a row.
pub(super) fn keys_of(row: &dyn Row) -> Vec<&'static dyn Row> {
    below(&path_below(row))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path};

    use super::*;
    use crate::config::{
        document::{Cursor, Report, read_tree},
        outside::Outside,
        read, reference,
        values::Form,
    };

    /// The reference with every key enabled.
    fn enabled() -> String {
        let enable = |line: &str| {
            let text = line.trim_start();
            let is_key = text.starts_with('#') && !text.starts_with("# ");
            if is_key { line.replacen('#', "", 1) } else { line.to_owned() }
        };
        reference::yaml().lines().map(|line| enable(line) + "\n").collect()
    }

    #[test]
    fn each_key_is_read_by_its_definition_and_is_in_the_table() {
        let report = Report::default();
        let outside = Outside::of(Path::new("reference.yaml"));
        let root = read_tree("reference.yaml", &enabled(), &outside, &report).unwrap();
        // Its token is read later.
        let _ = read::read(&Cursor::root(&root, &report));
        let read = report.read.take();
        assert_eq!(report.into_parts().0, []);
        let table: BTreeSet<&str> = TABLE.iter().map(|row| row.about().path).collect();
        assert_eq!(read, table);
        assert_eq!(table.len(), TABLE.len(), "a path stands there twice");
    }

    #[test]
    fn each_key_is_below_a_group() {
        for row in TABLE {
            let path = row.about().path;
            let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
            let groups = TABLE.iter().map(|group| path_below(*group));
            assert!(parent.is_empty() || groups.into_iter().any(|it| it == parent), "{path}");
        }
    }

    #[test]
    fn a_range_has_the_ends_that_its_parser_has() {
        for (name, parses) in [
            ("weight", parses(&pools::BACKEND_WEIGHT.key)),
            ("max_connections", parses(&pools::BACKEND_MAX_CONNECTIONS)),
            ("rise", parses(&checks::RISE.key)),
            ("port", parses(&checks::CHECK_PORT)),
            ("attempts", parses(&retry::RETRY_ATTEMPTS.key)),
            ("budget_min", parses(&retry::RETRY_BUDGET_MIN.key)),
            ("failures", parses(&pools::EJECTION_FAILURES.key)),
            ("size", parses(&pools::SIZE.key)),
            ("threads", parses(&process::WORKERS.key)),
        ] {
            assert_eq!(parses, [false, true, true, false], "{name}");
        }
    }

    /// Whether the numbers below, at, at, and above the ends of a range are read.
    fn parses<T>(key: &Key<T>) -> [bool; 4] {
        let Form::Number(low, high) = key.kind.shape.form else { panic!("not a number") };
        let below = low.checked_sub(1).map_or("-1".to_owned(), |below| below.to_string());
        [below, low.to_string(), high.to_string(), (high + 1).to_string()]
            .map(|text| (key.kind.parse)(&text).is_ok())
    }
}
