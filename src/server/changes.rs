//! What another configuration changes, in words for whoever asked for the reload.

use std::collections::HashMap;

use crate::backend::{Address, BackendNames};
use crate::config::{AdminAddress, Config, Pool, PoolName};
use crate::discovery::{Endpoint, ResolvedBackends};

/// One configuration, and what its names resolved to.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) config: &'a Config,
    pub(super) resolved: &'a ResolvedBackends,
}

/// A line for each part that is not as before; none when nothing changes.
///
/// What a reload cannot change is compared with what the process was `started` with, so that it is
/// told until it is done. `in_flight` says how many requests a backend has.
pub(super) fn between(
    started: &Config,
    before: View<'_>,
    after: View<'_>,
    in_flight: impl Fn(&PoolName, &Address) -> usize,
) -> Vec<String> {
    let (old, new) = (before.config, after.config);
    let mut lines = listeners(started, old, new);
    lines.extend(process(started, old, new));
    let find = |config: &'_ Config, name: &PoolName| {
        config.pools.iter().position(|pool| pool.name == *name)
    };
    for pool in &old.pools {
        if find(new, &pool.name).is_none() {
            lines.push(format!("pool {}: removed", pool.name));
        }
    }
    for pool in &new.pools {
        let endpoints = endpoints(after.resolved, &pool.name);
        let Some(known) = find(old, &pool.name) else {
            lines.push(format!("pool {}: new, {}", pool.name, count(endpoints.len())));
            continue;
        };
        let active = |address: &Address| in_flight(&pool.name, address);
        let mut parts = backends(self::endpoints(before.resolved, &pool.name), endpoints, active);
        parts.extend(settings(&old.pools[known], pool));
        if !parts.is_empty() {
            lines.push(format!("pool {}: {}", pool.name, parts.join(", ")));
        }
    }
    lines
}

/// Sockets are opened at the start and closed at the end.
fn listeners(started: &Config, old: &Config, new: &Config) -> Vec<String> {
    let find = |config: &Config, address| {
        config.listeners.iter().find(|it| it.address == address).cloned()
    };
    let mut lines = vec![];
    for listener in &new.listeners {
        let address = listener.address;
        let Some(first) = find(started, address) else {
            lines.push(format!("listener {address} needs an upgrade to be opened"));
            continue;
        };
        if find(old, address).unwrap_or(first) != *listener {
            lines.push(format!("listener {address}: limits changed, for connections from now on"));
        }
    }
    let gone = started.listeners.iter().filter(|known| find(new, known.address).is_none());
    lines.extend(gone.map(|it| format!("listener {} needs an upgrade to be closed", it.address)));
    lines
}

/// What holds for the whole process: some of it is read once, at the start.
fn process(started: &Config, old: &Config, new: &Config) -> Vec<String> {
    let (first, before, after) = (&started.process, &old.process, &new.process);
    let keys = [
        ("threads need an upgrade", started.threads != new.threads),
        ("admin.address needs an upgrade", admin_address(started) != admin_address(new)),
        ("admin: token or hosts changed", is_other_access(old, new)),
        ("daemon needs an upgrade", first.daemon != after.daemon),
        ("pid_file needs an upgrade", first.pid_file != after.pid_file),
        ("upgrade_socket needs an upgrade", first.upgrade_socket != after.upgrade_socket),
        ("user needs an upgrade", first.user != after.user),
        ("group needs an upgrade", first.group != after.group),
        ("routes changed", old.routes != new.routes),
        ("trusted_proxies changed", old.trusted_proxies != new.trusted_proxies),
        ("access_log changed", old.access_log != new.access_log),
        ("traceparent changed", old.traceparent != new.traceparent),
        ("server_timing changed", old.server_timing != new.server_timing),
        ("error_log changed", before.error_log != after.error_log),
        ("shutdown changed", before.shutdown != after.shutdown),
        ("watch changed", before.watch != after.watch),
    ];
    let changed = keys.into_iter().filter(|(_, is_changed)| *is_changed);
    changed.map(|(line, _)| line.to_owned()).collect()
}

fn admin_address(config: &Config) -> Option<&AdminAddress> {
    config.admin.as_ref().map(|admin| &admin.address)
}

/// Whether the admin listener answers others than before.
fn is_other_access(old: &Config, new: &Config) -> bool {
    let both = old.admin.as_ref().zip(new.admin.as_ref());
    both.is_some_and(|(old, new)| (&old.token, &old.hosts) != (&new.token, &new.hosts))
}

fn endpoints<'a>(resolved: &'a ResolvedBackends, pool: &PoolName) -> &'a [Endpoint] {
    resolved.get(pool).map_or(&[], Vec::as_slice)
}

fn count(backends: usize) -> String {
    format!("{backends} backend{}", if backends == 1 { "" } else { "s" })
}

fn backends(
    before: &[Endpoint],
    after: &[Endpoint],
    active: impl Fn(&Address) -> usize,
) -> Vec<String> {
    let (old, new) = (by_address(before), by_address(after));
    let mut parts = vec![];
    let added = after.iter().filter(|it| !old.contains_key(&it.address)).count();
    if added > 0 {
        parts.push(format!("+{}", count(added)));
    }
    let removed: Vec<_> = before.iter().filter(|it| !new.contains_key(&it.address)).collect();
    if !removed.is_empty() {
        let in_flight: usize = removed.iter().map(|it| active(&it.address)).sum();
        parts.push(format!("-{} (draining, {in_flight} in flight)", removed.len()));
    }
    for endpoint in after {
        if let Some(known) = old.get(&endpoint.address) {
            parts.extend(terms(known, endpoint));
        }
    }
    parts
}

fn by_address(endpoints: &[Endpoint]) -> HashMap<&Address, &Endpoint> {
    endpoints.iter().map(|endpoint| (&endpoint.address, endpoint)).collect()
}

fn terms(known: &Endpoint, endpoint: &Endpoint) -> Vec<String> {
    let names = BackendNames::new(endpoint.name.clone(), &endpoint.address);
    let mut parts = vec![];
    if known.name != endpoint.name {
        parts.push(format!("{} is called {}", known.name, endpoint.name));
    }
    if known.weight != endpoint.weight {
        let (from, to) = (known.weight.get(), endpoint.weight.get());
        parts.push(format!("weight {from}→{to} on {names}"));
    }
    if known.drain != endpoint.drain {
        parts.push(format!("{names} {}", if endpoint.drain { "drains" } else { "is back" }));
    }
    if known.backup != endpoint.backup {
        parts.push(format!("{names} is {}", if endpoint.backup { "backup" } else { "primary" }));
    }
    if known.max_connections != endpoint.max_connections {
        let limit = endpoint.max_connections.map_or("none".to_owned(), |limit| limit.to_string());
        parts.push(format!("max_connections {limit} on {names}"));
    }
    parts
}

/// The keys of a pool that are not as before.
fn settings(before: &Pool, after: &Pool) -> Vec<String> {
    let keys = [
        ("algorithm", before.algorithm != after.algorithm),
        ("health_check", before.health_check != after.health_check),
        ("retry", before.retry != after.retry),
        ("timeouts", before.timeouts != after.timeouts),
        ("ejection", before.ejection != after.ejection),
        ("slow_start", before.slow_start != after.slow_start),
        ("panic_threshold", before.panic_threshold != after.panic_threshold),
        ("queue", before.queue != after.queue),
    ];
    let changed = keys.into_iter().filter(|(_, is_changed)| *is_changed);
    changed.map(|(key, _)| format!("{key} changed")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Flags};
    use crate::discovery;

    const BEFORE: &str = "
listeners: [ { address: 127.0.0.1:80 }, { address: 127.0.0.1:81 } ]
routes: [ { pool: web } ]
pools:
  web: { backends: [ { address: 10.0.0.1:1 }, { address: 10.0.0.2:1 } ] }
  old: { backends: [ { address: 10.0.0.9:1 } ] }
";

    fn load(yaml: &str) -> (Config, ResolvedBackends) {
        let config = config::parse("lb.yaml", yaml, &Flags::default()).unwrap().config;
        let resolved = discovery::resolve(&config).unwrap();
        (config, resolved)
    }

    fn lines(after: &str) -> Vec<String> {
        let (before, after) = (load(BEFORE), load(after));
        let view = |(config, resolved)| View { config, resolved };
        between(&before.0, view((&before.0, &before.1)), view((&after.0, &after.1)), |_, _| 12)
    }

    #[test]
    fn what_is_as_before_is_not_told_wherever_it_stands_in_the_file() {
        assert!(lines(BEFORE).is_empty());
        assert!(lines(&BEFORE.replace("routes", "\n\nroutes")).is_empty());
    }

    #[test]
    fn each_part_that_changes_is_told_once() {
        let after = "
listeners: [ { address: 127.0.0.1:80, client: { header: 3s } }, { address: 127.0.0.1:82 } ]
routes: [ { pool: web, path: /x } ]
threads: 3
trusted_proxies: [ 10.0.0.0/8 ]
access_log: off
traceparent: pass
server_timing: true
daemon: true
pid_file: lb.pid
upgrade_socket: lb.sock
user: lb
group: lb
error_log: error.log
shutdown: { delay: 1s }
watch: true
admin: { address: 127.0.0.1:9900 }
pools:
  web:
    algorithm: ewma
    timeouts: { connect: 1s }
    backends:
      - { address: 10.0.0.1:1, weight: 3, drain: true, max_connections: 5 }
      - { address: 10.0.0.3:1, backup: true }
  new: { backends: [ { address: 10.0.0.4:1 } ] }
";
        let expected = [
            "listener 127.0.0.1:80: limits changed, for connections from now on",
            "listener 127.0.0.1:82 needs an upgrade to be opened",
            "listener 127.0.0.1:81 needs an upgrade to be closed",
            "threads need an upgrade",
            "admin.address needs an upgrade",
            "daemon needs an upgrade",
            "pid_file needs an upgrade",
            "upgrade_socket needs an upgrade",
            "user needs an upgrade",
            "group needs an upgrade",
            "routes changed",
            "trusted_proxies changed",
            "access_log changed",
            "traceparent changed",
            "server_timing changed",
            "error_log changed",
            "shutdown changed",
            "watch changed",
            "pool old: removed",
            "pool web: +1 backend, -1 (draining, 12 in flight), weight 1→3 on 10.0.0.1:1, 10.0.0.1:1 drains, \
             max_connections 5 on 10.0.0.1:1, algorithm changed, timeouts changed",
            "pool new: new, 1 backend",
        ];
        assert_eq!(lines(after), expected);
    }
}
