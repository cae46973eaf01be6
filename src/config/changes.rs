//! The difference of two configurations, as text for an operator who reloads.
//!
//! The table of keys says which keys a reload can change. The other keys are compared with the
//! configuration that the process was started with, so that a change is reported until an upgrade
//! applies it.

use serde_json::Value;

use super::{
    keys::{Apply, Content, Row, below, keys_of, listeners, pools, tls},
    model::{Config, ListenAddress, Listener, PoolName},
    settings::{self, tree},
};

/// The changes from one configuration to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// A line for each part of the process that has changed.
    pub process: Vec<String>,
    /// The removed pools, then all others in the order of the new configuration.
    pub pools: Vec<PoolChange>,
}

/// The changes of a pool, without its backends, whose names have to be resolved before they can be
/// compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PoolChange {
    /// The pool was removed.
    Removed(PoolName),
    /// The pool was added.
    Added(PoolName),
    /// The pool is in both; the changed settings as text.
    Kept(PoolName, Vec<String>),
}

impl Changes {
    /// Compares the configurations `before` and `after`, for a process that was `started` with
    /// possibly another one.
    #[must_use]
    pub fn between(started: &Config, before: &Config, after: &Config) -> Self {
        let trees = Trees { started: tree(started), before: tree(before), after: tree(after) };
        let mut process = listener_lines(started, before, after);
        process.extend(trees.top_lines());
        Self { process, pools: trees.pool_changes(before, after) }
    }
}

struct Trees {
    started: Value,
    before: Value,
    after: Value,
}

impl Trees {
    /// The lines of all keys at the top of the file except listeners and pools.
    fn top_lines(&self) -> Vec<String> {
        let rows = below("").into_iter().filter(|row| {
            ![listeners::LISTENERS.name(), pools::POOLS.name()].contains(&row.name())
        });
        rows.flat_map(|row| self.lines(row)).collect()
    }

    /// A line for a key, or for each of the keys below it if they are not all changed alike.
    fn lines(&self, row: &dyn Row) -> Vec<String> {
        let path = row.about().path;
        if matches!(row.content(), Content::Group(_)) && !is_reloaded(row) {
            let keys = keys_of(row).into_iter();
            return keys.flat_map(|key| self.lines_below(row, key)).collect();
        }
        let find = |tree: &Value| at(tree, path).cloned();
        match row.about().apply {
            Apply::Upgrade if find(&self.started) != find(&self.after) => {
                // The key "threads" is a plural.
                let need =
                    if path.ends_with('s') && !path.ends_with("ss") { "need" } else { "needs" };
                vec![format!("{path} {need} an upgrade")]
            }
            Apply::Reload if find(&self.before) != find(&self.after) => {
                vec![format!("{path} changed")]
            }
            _ => Vec::new(),
        }
    }

    /// Like [`Trees::lines`], for a key that has no meaning while its group is off.
    fn lines_below(&self, group: &dyn Row, key: &dyn Row) -> Vec<String> {
        let is_on = |tree| at(tree, group.about().path).is_some_and(Value::is_object);
        if is_reloaded(key) && !(is_on(&self.before) && is_on(&self.after)) {
            return Vec::new();
        }
        self.lines(key)
    }

    fn pool_changes(&self, before: &Config, after: &Config) -> Vec<PoolChange> {
        let is_in =
            |config: &Config, name: &PoolName| config.pools.iter().any(|pool| pool.name == *name);
        let gone = before.pools.iter().filter(|pool| !is_in(after, &pool.name));
        let gone = gone.map(|pool| PoolChange::Removed(pool.name.clone()));
        let there = after.pools.iter().map(|pool| {
            let name = pool.name.clone();
            match is_in(before, &name) {
                true => PoolChange::Kept(name, self.settings(pool.name.as_str())),
                false => PoolChange::Added(name),
            }
        });
        gone.chain(there).collect()
    }

    /// The changed keys of a pool, without its backends.
    fn settings(&self, pool: &str) -> Vec<String> {
        let [before, after] = [&self.before, &self.after]
            .map(|tree| at(tree, pools::POOLS.name()).and_then(|pools| pools.get(pool)));
        let is_changed = |name: &&str| {
            let value = |pool: Option<&Value>| pool.and_then(|pool| pool.get(*name)).cloned();
            *name != pools::BACKENDS.name() && value(before) != value(after)
        };
        let names = keys_of(&pools::POOLS).into_iter().map(Row::name);
        names.filter(is_changed).map(|name| format!("{name} changed")).collect()
    }
}

/// Whether a reload is enough for a key and for all keys below it.
fn is_reloaded(row: &dyn Row) -> bool {
    row.about().apply == Apply::Reload && keys_of(row).into_iter().all(is_reloaded)
}

/// The value at a path without items and names.
fn at<'a>(tree: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(tree, |tree, key| tree.get(key))
}

/// The lines of listeners, whose sockets are opened at the start and closed at the end.
fn listener_lines(started: &Config, before: &Config, after: &Config) -> Vec<String> {
    let find = |config: &Config, address: &ListenAddress| -> Option<Listener> {
        config.listeners.iter().find(|it| it.address == *address).cloned()
    };
    let mut lines = vec![];
    for listener in &after.listeners {
        let address = &listener.address;
        let Some(first) = find(started, address) else {
            lines.push(format!("listener {address} needs an upgrade to be opened"));
            continue;
        };
        if first.file != listener.file {
            lines.push(format!("listener {address}: mode and owner need an upgrade"));
        }
        if listener.speaks_http3() && !first.speaks_http3() {
            lines.push(format!("listener {address}: h3 needs an upgrade"));
        }
        let known = find(before, address).unwrap_or(first);
        if known.client != listener.client {
            lines.push(format!("listener {address}: limits changed, for new connections"));
        }
        let (known, now) = (settings::listener(&known), settings::listener(listener));
        let names = [
            listeners::PROXY_PROTOCOL.name(),
            tls::LISTENER.group.name(),
            listeners::PROTOCOLS.name(),
            listeners::ALT_SVC.name(),
            listeners::ALT_SVC_PORT.name(),
            listeners::REDIRECT.name(),
        ];
        for name in names.into_iter().filter(|name| known.get(name) != now.get(name)) {
            lines.push(format!("listener {address}: {name} changed, for new connections"));
        }
    }
    let gone = started.listeners.iter().filter(|known| find(after, &known.address).is_none());
    lines.extend(gone.map(|it| format!("listener {} needs an upgrade to be closed", it.address)));
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{Flags, parse};

    const EVERYTHING: &str = "
        listeners: [{ address: 127.0.0.1:8080 }]
        routes: [{ host: a.example, pool: web }]
        pools:
          web:
            backends: [{ address: 127.0.0.1:9001 }]
        access_log: { filter: { status: 4xx, min_latency: 1s, sample: 1% } }
        pid_file: lb.pid
        upgrade_socket: lb.sock
        state_dir: state
        user: lb
        group: lb
        admin:
          address: 127.0.0.1:9900
          token: 0123456789abcdef
          hosts: [lb.example]
          tls:
            certificates: [{ cert: a.pem }]
            acme:
              email: a@b.example
              hosts: [lb.example]
              directory_ca: ca.pem
              external_account: { key_id: a, hmac_key: zWNDZM6eQGHWpSRTPal5eIUYFTu7EajV }
            local: [localhost]
            client_auth: { ca: a.pem, crl: a.crl }
    ";

    fn everything() -> Config {
        parse("lb.yaml", EVERYTHING, &Flags::default()).unwrap().config
    }

    fn trees(started: &Value, before: &Value, after: &Value) -> Trees {
        let [started, before, after] = [started, before, after].map(Value::clone);
        Trees { started, before, after }
    }

    /// The tree with a different value at this path.
    fn other(tree: &Value, path: &str) -> Value {
        let mut tree = tree.clone();
        let pointer = format!("/{}", path.replace('.', "/"));
        *tree.pointer_mut(&pointer).unwrap() = json!("another");
        tree
    }

    #[test]
    fn each_key_at_the_top_is_reported_and_says_whether_it_needs_an_upgrade() {
        let tree = tree(&everything());
        let leaves = |row: &&&dyn Row| {
            let path = row.about().path;
            let is_top = !path.contains(['[', '*']) && path != "pools" && path != "listeners";
            // Of two of which one is enough.
            // Where values are written is none itself.
            let is_value = !path.ends_with("_file") && at(&tree, path).is_some();
            is_top && keys_of(**row).is_empty() && is_value
        };
        for row in crate::config::keys::TABLE.iter().filter(leaves) {
            let path = row.about().path;
            let after = other(&tree, path);
            let lines = trees(&tree, &tree, &after).top_lines();
            assert_eq!(lines.len(), 1, "{path}: {lines:?}");
            assert!(lines[0].starts_with(path.split('.').next().unwrap()), "{path}: {lines:?}");
            let needs_upgrade = row.about().apply == Apply::Upgrade;
            assert_eq!(lines[0].ends_with("an upgrade"), needs_upgrade, "{path}: {lines:?}");
            // A change that needs an upgrade is reported until there is one; other changes are
            // reported once.
            let lines = trees(&tree, &after, &after).top_lines();
            assert_eq!(lines.is_empty(), !needs_upgrade, "{path}: {lines:?}");
        }
    }

    #[test]
    fn each_setting_of_a_pool_is_reported() {
        let tree = tree(&everything());
        for row in keys_of(&pools::POOLS).iter().filter(|row| row.name() != "backends") {
            let after = other(&tree, &format!("pools.web.{}", row.name()));
            let lines = trees(&tree, &tree, &after).settings("web");
            assert_eq!(lines, [format!("{} changed", row.name())]);
        }
    }

    #[test]
    fn access_to_the_admin_listener_follows_a_reload_unless_there_was_no_listener() {
        let tree = tree(&everything());
        let other = other(&tree, "admin.token");
        assert_eq!(trees(&tree, &tree, &other).top_lines(), ["admin.token changed"]);
        let mut without = tree.clone();
        without["admin"] = json!("off");
        let expected = ["admin.address needs an upgrade"];
        assert_eq!(trees(&tree, &tree, &without).top_lines(), expected);
        assert_eq!(trees(&without, &without, &tree).top_lines(), expected);
    }
}
