//! Servers of a backend.

use super::section::Section;
use crate::convert::{
    duration,
    ledger::Ledger,
    site::{Backend, Pool},
    statement::Statement,
};

/// Parameters that a value follows.
const WITH_VALUE: &str = "
    inter fastinter downinter rise fall weight maxconn minconn maxqueue port addr cookie
    slowstart resolvers resolve-prefer resolve-net resolve-opts init-addr on-error
    on-marked-down on-marked-up observe error-limit track id source verify ca-file crt
    crl-file sni alpn check-alpn check-sni proto check-proto redir pool-max-conn
    pool-purge-delay pool-low-conn max-reuse agent-port agent-inter agent-addr
    agent-send verifyhost ciphers ciphersuites ssl-min-ver ssl-max-ver usesrc interface
    namespace socks4 tcp-ut ws log-proto check-via-socks4 curves
";

/// Parameters that change nothing of what `lb` does.
const NO_MATTER: &str = "
    enabled non-stick id verify ca-file sni alpn verifyhost crt ciphers check-ssl
    check-sni no-check no-ssl no-backup no-send-proxy tfo tcp-ut pool-max-conn
    pool-purge-delay pool-low-conn max-reuse ws no-ssl-reuse ssl-min-ver ssl-max-ver
";

/// Reads the servers of a section into the pool.
pub(super) fn servers(section: &Section<'_>, pool: &mut Pool, ledger: &mut Ledger) {
    let mut defaults: Vec<&Statement> = section.inherited("default-server").collect();
    for statement in section.statement.inner() {
        match statement.name() {
            "default-server" => defaults.push(statement),
            "server" => server(statement, &defaults, (statement.arg(1), 2), (pool, ledger)),
            "server-template" => {
                ledger.changed(
                    statement,
                    "each address of the name becomes a backend, at the start and at each reload",
                );
                server(statement, &defaults, (statement.arg(2), 3), (pool, ledger));
            }
            _ => {}
        }
    }
}

fn server(
    statement: &Statement,
    defaults: &[&Statement],
    (address, skip): (Option<&str>, usize),
    (pool, ledger): (&mut Pool, &mut Ledger),
) {
    let Some(address) = self::address(statement, address.unwrap_or_default(), ledger) else {
        return;
    };
    let place = statement.place.clone();
    let backend = Backend {
        address,
        place,
        weight: None,
        backup: false,
        drain: false,
        max_connections: None,
    };
    defaults.iter().for_each(|default| ledger.translated(default));
    let mut reader = Reader { statement, backend, pool, ledger, has_tls: false };
    let mut idle: Vec<(&Statement, Vec<&str>)> = Vec::new();
    for parameter in parameters(statement, defaults, skip) {
        reader.statement = parameter.by;
        if !NO_MATTER.split_whitespace().any(|it| it == parameter.name) {
            reader.parameter(parameter.name, parameter.value);
            continue;
        }
        match idle.iter_mut().find(|(by, _)| by.id == parameter.by.id) {
            Some((_, names)) => names.push(parameter.name),
            None => idle.push((parameter.by, vec![parameter.name])),
        }
    }
    let Reader { backend, pool, ledger, has_tls, .. } = reader;
    if has_tls {
        ledger.left_out(statement, "lb connects to backends over HTTP without TLS only");
        return;
    }
    for (by, names) in idle {
        let reason = format!("{}: it changes nothing of what lb does", names.join(", "));
        ledger.not_needed(by, reason);
    }
    ledger.translated(statement);
    let same = pool.backends.iter_mut().find(|other| other.address == backend.address);
    match same {
        None => pool.backends.push(backend),
        Some(same) => {
            same.weight = Some((same.weight.unwrap_or(1) + backend.weight.unwrap_or(1)).min(1000));
            ledger.changed(statement, "the address stands here twice: its weights are added up");
        }
    }
}

fn address(statement: &Statement, written: &str, ledger: &mut Ledger) -> Option<String> {
    let plain =
        ["ipv4@", "ipv6@", "tcp4@", "tcp6@", "tcp@"].iter().find_map(|it| written.strip_prefix(it));
    let written = plain.unwrap_or(written);
    if written.starts_with('/') || written.contains('@') {
        ledger.left_out(statement, "a backend of lb is host:port, not a socket of another kind");
        return None;
    }
    let (host, port) = written.rsplit_once(':').unwrap_or((written, ""));
    if port.is_empty() || port.starts_with(['+', '-']) {
        ledger.left_out(statement, "a backend of lb needs a port: write that of the listener");
        return None;
    }
    // An IPv6 address stands without brackets in HAProxy.
    let address = match host.contains(':') && !host.starts_with('[') {
        true => format!("[{host}]:{port}"),
        false => written.to_owned(),
    };
    ledger.value(statement, "pools.*.backends[].address", address)
}

struct Reader<'r> {
    statement: &'r Statement,
    backend: Backend,
    pool: &'r mut Pool,
    ledger: &'r mut Ledger,
    has_tls: bool,
}

/// A parameter of a server, and the line that gives it.
struct Parameter<'a> {
    by: &'a Statement,
    name: &'a str,
    value: &'a str,
}

/// The parameters of a server with those of the defaults, the farthest first, of which a later line
/// replaces those with a value.
fn parameters<'a>(
    statement: &'a Statement,
    defaults: &[&'a Statement],
    skip: usize,
) -> Vec<Parameter<'a>> {
    let mut parameters: Vec<Parameter<'_>> = Vec::new();
    let own = (statement, statement.args().get(skip..).unwrap_or_default());
    for (by, words) in defaults.iter().map(|it| (*it, it.args())).chain([own]) {
        let mut rest = words.iter();
        while let Some(name) = rest.next() {
            let has_value = takes_value(name);
            let value = if has_value { rest.next().map_or("", String::as_str) } else { "" };
            parameters.retain(|it| !has_value || it.name != name || it.by.id == by.id);
            parameters.push(Parameter { by, name, value });
        }
    }
    parameters
}

impl Reader<'_> {
    fn parameter(&mut self, name: &str, value: &str) {
        match name {
            "weight" if value == "0" => self.backend.drain = true,
            "weight" => {
                let weight = self.value("pools.*.backends[].weight", value);
                self.backend.weight = weight.and_then(|weight| weight.parse().ok());
            }
            "maxconn" if value == "0" => {}
            "maxconn" => {
                self.backend.max_connections =
                    self.value("pools.*.backends[].max_connections", value);
            }
            "backup" => self.backend.backup = true,
            "disabled" => self.backend.drain = true,
            "slowstart" => {
                self.pool.slow_start = duration::read(value, "ms").and_then(duration::written);
            }
            "check" => self.pool.check.comment = None,
            "inter" => {
                let interval = duration::read(value, "ms").and_then(duration::written);
                self.check(interval, "inter", |check| &mut check.interval);
            }
            "rise" => {
                let rise = self.value("pools.*.health_check.rise", value);
                self.check(rise, "rise", |check| &mut check.rise);
            }
            "fall" => {
                let fall = self.value("pools.*.health_check.fall", value);
                self.check(fall, "fall", |check| &mut check.fall);
            }
            "port" => {
                let port = self.value("pools.*.health_check.port", value);
                self.check(port, "port", |check| &mut check.port);
            }
            "ssl" => self.has_tls = true,
            _ => self.other(name),
        }
    }

    fn value(&mut self, key: &str, value: &str) -> Option<String> {
        self.ledger.value(self.statement, key, value)
    }

    /// Sets a setting of the pool's checks, which each server has for itself in HAProxy.
    fn check(
        &mut self,
        value: Option<String>,
        name: &str,
        setting: fn(&mut crate::convert::site::Check) -> &mut Option<String>,
    ) {
        let Some(value) = value else { return };
        let setting = setting(&mut self.pool.check);
        match setting {
            Some(first) if *first != value => {
                let reason = format!("{name} is that of the whole pool in lb: here {first}");
                self.ledger.changed(self.statement, reason);
            }
            _ => *setting = Some(value),
        }
    }

    /// Parameters that `lb` has no setting for.
    fn other(&mut self, name: &str) {
        let (statement, ledger) = (self.statement, &mut *self.ledger);
        match name {
            "fastinter" | "downinter" => {
                ledger.changed(
                    statement,
                    format!("{name}: lb checks at one interval in every state"),
                );
            }
            "cookie" | "stick" => {
                ledger.left_out(statement, format!("{name}: lb binds no client to a backend"));
            }
            "resolvers" | "init-addr" | "resolve-prefer" | "resolve-net" | "resolve-opts" => {
                let reason =
                    "lb resolves names by the system's rules, at the start and at each reload";
                ledger.changed(statement, reason);
            }
            "observe" | "error-limit" | "on-error" => {
                ledger.not_needed(statement, format!("{name}: traffic ejects a backend by itself"));
            }
            "send-proxy" | "send-proxy-v2" | "send-proxy-v2-ssl" | "send-proxy-v2-ssl-cn" => {
                let reason =
                    "lb sends no PROXY header: a backend that expects it must be told not to";
                ledger.left_out(statement, reason);
            }
            "proto" => ledger.left_out(statement, "proto: lb speaks HTTP/1 with backends"),
            _ => ledger.left_out(statement, format!("{name}: lb has no such setting of a backend")),
        }
    }
}

fn takes_value(name: &str) -> bool {
    WITH_VALUE.split_whitespace().any(|it| it == name)
}
