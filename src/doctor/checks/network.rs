//! The network of the machine: the queue before `accept`, ports towards backends, the firewall's table.

use std::ops::RangeInclusive;

use super::or_fine;
use crate::config::{Config, ListenAddress};
use crate::doctor::{
    facts::Facts,
    finding::Finding,
    machine::{ConnectionTracking, Machine},
};

const BACKLOG: &str = "backlog";
const PORTS: &str = "ports";
const TIME_WAIT: &str = "tcp_tw_reuse";
const TRACKING: &str = "conntrack";
const LOCAL_PORTS: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// A burst of connections is as long as this on a busy site; older systems have 128.
const SHORT_QUEUE: u64 = 1024;
/// Fewer ports are not the default of any system.
const FEW_PORTS: u64 = 16_384;

/// The queue of connections that wait to be accepted. `lb` asks for the longest that the system allows.
pub(super) fn backlog(facts: &Facts) -> Vec<Finding> {
    let Some(length) = facts.machine.backlog else {
        return vec![Finding::skipped(BACKLOG, "the system does not say net.core.somaxconn")];
    };
    let mut found = Vec::new();
    if length < SHORT_QUEUE {
        let says = format!(
            "net.core.somaxconn is {length}: more new connections at a time than that are refused or delayed"
        );
        let mend = "sysctl -w net.core.somaxconn=4096, and start lb again: a listener keeps the length \
                    that it was opened with";
        found.push(Finding::warning(BACKLOG, says, mend).at("/proc/sys/net/core/somaxconn"));
    }
    if let Some(count) = facts.machine.tcp.overflows.filter(|count| *count > 0) {
        let says = format!(
            "{count} connections found a full queue since the machine has started, of lb or of another \
             program"
        );
        let mend = "nstat -az TcpExtListenOverflows shows whether they become more: then more threads, or \
                    a larger net.core.somaxconn";
        found.push(Finding::warning(BACKLOG, says, mend).at("/proc/net/netstat"));
    }
    or_fine(found, || Finding::fine(BACKLOG, format!("net.core.somaxconn is {length}")))
}

/// The ports of connections to backends: each backend address can have one connection from each of them.
pub(super) fn ports(facts: &Facts) -> Vec<Finding> {
    let machine = &facts.machine;
    let Some(range) = &machine.local_ports else {
        return vec![Finding::skipped(
            PORTS,
            "the system does not say net.ipv4.ip_local_port_range",
        )];
    };
    let (first, last, count) = (range.start(), range.end(), size(range));
    let mend = "sysctl -w net.ipv4.ip_local_port_range='10240 65535'";
    let mut found = Vec::new();
    if count < FEW_PORTS {
        let says = format!(
            "net.ipv4.ip_local_port_range is {first} to {last}: at most {count} connections to each backend"
        );
        found.push(Finding::warning(PORTS, says, mend).at(LOCAL_PORTS));
    }
    if let Some(config) = &facts.configuration.config {
        found.extend(too_many_connections(config, count));
        found.extend(listeners_within(config, machine, range));
    }
    or_fine(found, || Finding::fine(PORTS, format!("{count} for connections to each backend")))
}

/// A backend with a limit that no machine with these ports reaches.
fn too_many_connections(config: &Config, ports: u64) -> Option<Finding> {
    let backends = config.pools.iter().flat_map(|pool| &pool.backends);
    let most =
        backends.filter_map(|it| Some((it.max_connections?.get(), it))).max_by_key(|it| it.0)?;
    let (limit, backend) = most;
    (u64::from(limit) > ports).then(|| {
        let says = format!(
            "max_connections of {} is {limit}, and there are {ports} ports for connections to it",
            backend.address
        );
        let mend = "sysctl -w net.ipv4.ip_local_port_range='1024 65535', or another address of the backend";
        Finding::warning(PORTS, says, mend).at(backend.origin.to_string())
    })
}

/// Listeners whose port another program's connection may have when `lb` starts.
fn listeners_within<'a>(
    config: &'a Config,
    machine: &'a Machine,
    range: &'a RangeInclusive<u16>,
) -> impl Iterator<Item = Finding> + 'a {
    let admin = config.admin.iter().map(|admin| ("admin", &admin.address));
    let listeners = config.listeners.iter().map(|listener| ("listeners", &listener.address));
    listeners.chain(admin).filter_map(move |(key, address)| {
        let ListenAddress::Tcp(tcp) = address else { return None };
        let port = tcp.port();
        let is_reserved = machine.reserved_ports.iter().any(|range| range.contains(&port));
        (range.contains(&port) && !is_reserved).then(|| {
            let says = format!(
                "{address} is among the ports of outgoing connections ({} to {}): one of those may have \
                 the port when lb starts",
                range.start(),
                range.end()
            );
            let mend = format!("sysctl -w net.ipv4.ip_local_reserved_ports={port} (it is a list)");
            Finding::warning(PORTS, says, mend).at(key)
        })
    })
}

/// Ports that are not free yet, and whether they may be used again.
pub(super) fn time_wait(facts: &Facts) -> Vec<Finding> {
    let machine = &facts.machine;
    let Some(reuse) = machine.time_wait_reuse else {
        return vec![Finding::skipped(TIME_WAIT, "the system does not say net.ipv4.tcp_tw_reuse")];
    };
    let waiting = machine.tcp.time_wait.unwrap_or(0);
    let ports = machine.local_ports.as_ref().map_or(u64::MAX, size);
    let is_tight = waiting.saturating_mul(4) >= ports;
    if reuse != 1 && is_tight {
        let says = format!(
            "{waiting} closed connections hold their ports, {ports} ports are there for each backend, and \
             net.ipv4.tcp_tw_reuse is {reuse}"
        );
        let mend =
            "sysctl -w net.ipv4.tcp_tw_reuse=1; and see that backends keep connections alive";
        return vec![Finding::warning(TIME_WAIT, says, mend).at("/proc/sys/net/ipv4/tcp_tw_reuse")];
    }
    let says = format!("it is {reuse}, and {waiting} closed connections hold their ports");
    vec![Finding::fine(TIME_WAIT, says)]
}

/// The firewall's table of connections.
pub(super) fn connection_tracking(facts: &Facts) -> Vec<Finding> {
    let Some(ConnectionTracking { count, max }) = facts.machine.connection_tracking else {
        return vec![Finding::fine(TRACKING, "no firewall keeps a table of connections here")];
    };
    let says = format!("the firewall's table has {count} of {max} connections");
    let share = count.saturating_mul(100) / max.max(1);
    if share < 70 {
        return vec![Finding::fine(TRACKING, says)];
    }
    let mend = format!("sysctl -w net.netfilter.nf_conntrack_max={}", max.saturating_mul(2));
    let says = format!("{says}: packets of new ones are dropped when it is full");
    let finding = if share < 90 { Finding::warning } else { Finding::problem };
    vec![finding(TRACKING, says, mend).at("/proc/sys/net/netfilter/nf_conntrack_max")]
}

fn size(range: &RangeInclusive<u16>) -> u64 {
    u64::try_from(range.len()).unwrap_or(u64::MAX)
}
