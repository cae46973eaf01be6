//! The changes by another configuration, as text for the operator.
//!
//! The difference of the two configurations comes from `config`; the resolved addresses and the
//! requests in flight are added here.

use std::collections::HashMap;

use crate::backend::{Address, BackendNames};
use crate::config::{Changes, Config, PoolChange, PoolName};
use crate::discovery::{Endpoint, ResolvedBackends};

/// One configuration, and its resolved names.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) config: &'a Config,
    pub(super) resolved: &'a ResolvedBackends,
}

/// Returns a line for each part that is not as before; no line when nothing changes.
///
/// What a reload cannot change is compared with what the process was `started` with, so that it is
/// reported until it is changed. `in_flight` returns how many requests a backend has.
pub(super) fn between(
    started: &Config,
    before: View<'_>,
    after: View<'_>,
    in_flight: impl Fn(&PoolName, &Address) -> usize,
) -> Vec<String> {
    let changes = Changes::between(started, before.config, after.config);
    let pool = |change| match change {
        PoolChange::Removed(name) => Some(format!("pool {name}: removed")),
        PoolChange::Added(name) => {
            let added = endpoints(after.resolved, &name).len();
            Some(format!("pool {name}: new, {}", count(added)))
        }
        PoolChange::Kept(name, settings) => {
            let (old, new) = (endpoints(before.resolved, &name), endpoints(after.resolved, &name));
            let mut parts = backends(old, new, |address| in_flight(&name, address));
            parts.extend(settings);
            (!parts.is_empty()).then(|| format!("pool {name}: {}", parts.join(", ")))
        }
    };
    let pools: Vec<String> = changes.pools.into_iter().filter_map(pool).collect();
    [changes.process, pools].concat()
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
    fn unchanged_parts_are_not_reported_wherever_they_are_in_the_file() {
        assert!(lines(BEFORE).is_empty());
        assert!(lines(&BEFORE.replace("routes", "\n\nroutes")).is_empty());
    }

    #[test]
    fn each_change_is_reported_once() {
        let after = "
listeners: [ { address: 127.0.0.1:80, client: { header: 3s } }, { address: 127.0.0.1:82 } ]
routes: [ { pool: web, path: /x } ]
threads: 3
trusted_proxies: [ 10.0.0.0/8 ]
access_log: off
traceparent: pass
server_timing: true
unavailable_page: later
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
            "listener 127.0.0.1:80: limits changed, for new connections",
            "listener 127.0.0.1:82 needs an upgrade to be opened",
            "listener 127.0.0.1:81 needs an upgrade to be closed",
            "routes changed",
            "access_log changed",
            "traceparent changed",
            "server_timing changed",
            "unavailable_page changed",
            "trusted_proxies changed",
            "threads need an upgrade",
            "error_log changed",
            "shutdown changed",
            "watch changed",
            "daemon needs an upgrade",
            "pid_file needs an upgrade",
            "upgrade_socket needs an upgrade",
            "user needs an upgrade",
            "group needs an upgrade",
            "admin.address needs an upgrade",
            "pool old: removed",
            "pool web: +1 backend, -1 (draining, 12 in flight), weight 1→3 on 10.0.0.1:1, 10.0.0.1:1 drains, \
             max_connections 5 on 10.0.0.1:1, algorithm changed, timeouts changed",
            "pool new: new, 1 backend",
        ];
        assert_eq!(lines(after), expected);
    }
}
