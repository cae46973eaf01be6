//! Pools: an `upstream`, or the address in a `proxy_pass`, with the settings of the location that uses
//! it.
//!
//! nginx has timeouts and retries for each location, `lb` has them for each pool. So an upstream that
//! two locations use with different settings becomes two pools.

use crate::convert::{
    duration,
    ledger::Ledger,
    pool_name,
    site::{self, Backend, Check, Ejection, Handling, Pool},
    statement::Statement,
};

/// What a reader should know about the checks.
const CHECK: &str = "nginx had no checks; a path that shows whether the backend works is better";

/// The pools so far, and the upstreams that they are made from.
pub(super) struct Draft<'a, 'l> {
    pub(super) ledger: &'l mut Ledger,
    upstreams: Vec<&'a Statement>,
    made: Vec<Pool>,
    /// What each pool was made for.
    keys: Vec<(String, Handling)>,
}

impl<'a, 'l> Draft<'a, 'l> {
    pub(super) fn new(http: &'a [Statement], ledger: &'l mut Ledger) -> Self {
        let upstreams = http.iter().filter(|it| it.name() == "upstream").collect();
        Self { ledger, upstreams, made: Vec::new(), keys: Vec::new() }
    }

    pub(super) fn into_pools(self) -> Vec<Pool> {
        self.made
    }

    /// The pool of a `proxy_pass` to this host, an upstream or an address; `None` if `lb` cannot
    /// connect there. `path` is that of the location, for the name of a second pool.
    pub(super) fn find_or_make(
        &mut self,
        proxy_pass: &Statement,
        (host, path): (&str, &str),
        handling: Handling,
    ) -> Option<usize> {
        let key = (host.to_owned(), handling);
        if let Some(made) = self.keys.iter().position(|other| *other == key) {
            return Some(made);
        }
        let upstream = self.upstreams.iter().find(|it| it.arg(0) == Some(host)).copied();
        let mut pool = match upstream {
            Some(upstream) => of_upstream(upstream, self.ledger),
            None => of_address(proxy_pass, host, self.ledger)?,
        };
        if pool.backends.is_empty() {
            let reason = "lb can use none of the servers of its upstream";
            self.ledger.left_out(proxy_pass, reason);
            return None;
        }
        pool.handling = key.1.clone();
        let is_taken = |name: &str| self.made.iter().any(|pool| pool.name == name);
        pool.name = pool_name::unique(host, path, is_taken);
        self.made.push(pool);
        self.keys.push(key);
        Some(self.made.len() - 1)
    }
}

fn empty(statement: &Statement) -> Pool {
    Pool {
        name: String::new(),
        by: statement.id,
        place: statement.place.clone(),
        algorithm: None,
        backends: Vec::new(),
        check: Check { comment: Some(CHECK), ..Check::default() },
        ejection: None,
        slow_start: None,
        queue_size: None,
        queue_timeout: None,
        keepalive: None,
        handling: Handling::default(),
    }
}

/// A pool of one backend, which the `proxy_pass` itself names.
fn of_address(proxy_pass: &Statement, host: &str, ledger: &mut Ledger) -> Option<Pool> {
    let address = ledger.value(proxy_pass, "pools.*.backends[].address", with_port(host))?;
    let place = proxy_pass.place.clone();
    let backend = Backend {
        address,
        place,
        weight: None,
        backup: false,
        drain: false,
        max_connections: None,
    };
    Some(Pool { backends: vec![backend], ..empty(proxy_pass) })
}

/// The address with a port, which is 80 where none is written.
fn with_port(host: &str) -> String {
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
    if has_port { host.to_owned() } else { format!("{host}:80") }
}

fn of_upstream(upstream: &Statement, ledger: &mut Ledger) -> Pool {
    ledger.translated(upstream);
    let mut pool = empty(upstream);
    let mut limits: Vec<FailureLimits<'_>> = Vec::new();
    for statement in upstream.inner() {
        match statement.name() {
            "server" => limits.extend(server(statement, &mut pool, ledger)),
            _ => setting(statement, &mut pool, ledger),
        }
    }
    ejection(&limits, &mut pool, ledger);
    let queue = upstream.inner().iter().find(|it| it.name() == "queue");
    if let Some(queue) = queue.filter(|_| !pool.has_queue()) {
        ledger.not_needed(queue, site::NO_QUEUE);
    }
    pool
}

/// `max_fails` and `fail_timeout` of one server.
struct FailureLimits<'a> {
    statement: &'a Statement,
    max_fails: Option<&'a str>,
    fail_timeout: Option<&'a str>,
}

fn server<'a>(
    statement: &'a Statement,
    pool: &mut Pool,
    ledger: &mut Ledger,
) -> Option<FailureLimits<'a>> {
    let written = statement.arg(0)?;
    if written.starts_with("unix:") {
        ledger.left_out(statement, "a backend of lb is host:port, not a Unix socket");
        return None;
    }
    let address = ledger.value(statement, "pools.*.backends[].address", with_port(written))?;
    let place = statement.place.clone();
    let mut backend = Backend {
        address,
        place,
        weight: None,
        backup: false,
        drain: false,
        max_connections: None,
    };
    let mut limits = FailureLimits { statement, max_fails: None, fail_timeout: None };
    for parameter in statement.args().iter().skip(1) {
        match parameter.split_once('=').unwrap_or((parameter, "")) {
            ("weight", weight) => {
                let key = "pools.*.backends[].weight";
                let weight = ledger.value(statement, key, weight);
                backend.weight = weight.and_then(|weight| weight.parse().ok());
            }
            ("max_conns", "0") => {}
            ("max_conns", most) => {
                let key = "pools.*.backends[].max_connections";
                backend.max_connections = ledger.value(statement, key, most);
            }
            ("backup", _) => backend.backup = true,
            ("down" | "drain", _) => backend.drain = true,
            ("max_fails", number) => limits.max_fails = Some(number),
            ("fail_timeout", time) => limits.fail_timeout = Some(time),
            ("slow_start", time) => {
                pool.slow_start = duration::read(time, "s").and_then(duration::written);
            }
            ("resolve", _) => ledger.changed(
                statement,
                "lb resolves names at the start and at each reload, not in between",
            ),
            (name, _) => ledger.left_out(statement, format!("lb has no {name} for a backend")),
        }
    }
    ledger.translated(statement);
    add(backend, statement, pool, ledger);
    Some(limits)
}

/// Adds a backend; the same address once more adds to its share.
pub(super) fn add(backend: Backend, statement: &Statement, pool: &mut Pool, ledger: &mut Ledger) {
    let same = pool.backends.iter_mut().find(|other| other.address == backend.address);
    let Some(same) = same else {
        pool.backends.push(backend);
        return;
    };
    same.weight = Some((same.weight.unwrap_or(1) + backend.weight.unwrap_or(1)).min(1000));
    ledger.changed(statement, "the address stands here twice: its weights are added up");
}

/// The limits are those of the pool in `lb`.
fn ejection(limits: &[FailureLimits<'_>], pool: &mut Pool, ledger: &mut Ledger) {
    let is_given = |it: &&FailureLimits<'_>| it.max_fails.is_some() || it.fail_timeout.is_some();
    let Some(first) = limits.iter().find(is_given) else { return };
    let pair = |it: &FailureLimits<'_>| {
        (it.max_fails.map(str::to_owned), it.fail_timeout.map(str::to_owned))
    };
    // A server without limits has nginx's own, which are not those of another one either.
    for other in limits.iter().filter(|it| pair(it) != pair(first)) {
        let reason = format!(
            "max_fails and fail_timeout are those of the whole pool in lb: here those of line {}",
            first.statement.place.line
        );
        ledger.changed(other.statement, reason);
    }
    if first.max_fails == Some("0") {
        pool.ejection = Some(Ejection::Off);
        return;
    }
    let reason = "max_fails is ejection.failures, which are failures in a row, and fail_timeout is \
                  ejection.base";
    ledger.changed(first.statement, reason);
    let failures = first
        .max_fails
        .and_then(|number| ledger.value(first.statement, "pools.*.ejection.failures", number));
    let base = first.fail_timeout.and_then(|time| duration::read(time, "s"));
    // The longest ejection is 5m unless it is set, and no base may be above it.
    let base = base.map(|base| base.min(std::time::Duration::from_secs(300)));
    let base = base.and_then(duration::written);
    if failures.is_some() || base.is_some() {
        pool.ejection = Some(Ejection::After { failures, base });
    }
}

/// A directive of an upstream other than `server`.
fn setting(statement: &Statement, pool: &mut Pool, ledger: &mut Ledger) {
    match (statement.name(), statement.arg(0)) {
        ("least_conn", _) => pool.algorithm = Some("least_conn"),
        ("least_time", _) => {
            pool.algorithm = Some("ewma");
            ledger.changed(
                statement,
                "ewma draws two backends and picks the one with the lower latency",
            );
            return;
        }
        ("random", two) => {
            pool.algorithm = (two == Some("two")).then_some("least_conn");
            ledger.changed(
                statement,
                "lb has no random choice: here round_robin, or least_conn for two",
            );
            return;
        }
        ("ip_hash" | "hash" | "sticky", _) => {
            let reason = "lb binds no client to a backend: requests of one client go to all of them, so \
                          that sessions must be where all backends find them";
            ledger.left_out(statement, reason);
            return;
        }
        ("keepalive_timeout", Some(time)) => {
            pool.keepalive = duration::read(time, "s").and_then(duration::written);
        }
        ("queue", Some(size)) => {
            pool.queue_size = ledger.value(statement, "pools.*.queue.size", size);
            let time = statement.args().iter().find_map(|arg| arg.strip_prefix("timeout="));
            let time = duration::read(time.unwrap_or("60"), "s");
            pool.queue_timeout = time.and_then(duration::written);
        }
        _ => return,
    }
    ledger.translated(statement);
}
