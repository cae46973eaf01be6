//! What a foreign configuration says, in the terms of `lb`: the translators fill it, and `document`
//! writes it.
//!
//! Values are texts in `lb`'s own spelling, which its reader has accepted.

use super::statement::{Id, Place};

/// A whole configuration.
#[derive(Debug, Default)]
pub(super) struct Site {
    pub(super) listeners: Vec<Listener>,
    pub(super) pools: Vec<Pool>,
    pub(super) process: Process,
    /// The hosts that statements name, for those whose names need no route.
    pub(super) names: Vec<(Id, Host)>,
}

/// Settings of the whole process; `None` for the default.
#[derive(Debug, Default)]
pub(super) struct Process {
    pub(super) threads: Option<String>,
    pub(super) user: Option<String>,
    pub(super) group: Option<String>,
    pub(super) error_log: Option<String>,
    pub(super) access_log: Option<AccessLog>,
    pub(super) trusted_proxies: Vec<String>,
    pub(super) shutdown_delay: Option<String>,
    pub(super) shutdown_timeout: Option<String>,
    /// Whether the admin listener takes the place of a page with statistics.
    pub(super) has_admin: bool,
}

/// The access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AccessLog {
    Off,
    To { format: &'static str, path: String },
}

/// An address, and what is served there.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) address: String,
    pub(super) place: Place,
    /// Of a Unix socket.
    pub(super) mode: Option<String>,
    pub(super) owner: Option<String>,
    pub(super) proxy_protocol: Vec<String>,
    pub(super) tls: Option<Tls>,
    /// Empty for the default.
    pub(super) protocols: Vec<&'static str>,
    pub(super) alt_svc: AltSvc,
    pub(super) redirect_to_https: bool,
    pub(super) client: ClientLimits,
    /// The first rule that matches a request decides.
    pub(super) rules: Vec<Rule>,
}

impl Listener {
    /// Whether clients may speak HTTP/3.
    pub(super) fn has_http3(&self) -> bool {
        self.protocols.contains(&"h3")
    }

    /// Lets clients speak HTTP/3 as well.
    pub(super) fn add_http3(&mut self) {
        self.protocols = protocols(self.protocols.is_empty(), true);
    }
}

/// The address of the listener that takes the connections of this one as well: a socket for all IPv6
/// addresses takes IPv4, so that one for `0.0.0.0` would find its port taken.
pub(super) fn twin(address: &str) -> Option<String> {
    address.strip_prefix("0.0.0.0:").map(|port| format!("[::]:{port}"))
}

/// The listeners without those whose connections another one takes, which gets their HTTP/3.
pub(super) fn without_twins(listeners: Vec<Listener>) -> Vec<Listener> {
    let addresses: Vec<String> = listeners.iter().map(|it| it.address.clone()).collect();
    let is_twin = |it: &Listener| twin(&it.address).is_some_and(|it| addresses.contains(&it));
    let (twins, mut kept): (Vec<_>, Vec<_>) = listeners.into_iter().partition(is_twin);
    for narrow in twins.iter().filter(|it| it.has_http3()) {
        let wide = kept.iter_mut().find(|it| Some(&it.address) == twin(&narrow.address).as_ref());
        if let Some(wide) = wide.filter(|it| it.tls.is_some() && !it.has_http3()) {
            wide.add_http3();
            wide.alt_svc = narrow.alt_svc.clone();
        }
    }
    kept
}

/// The protocols of a listener with TLS; empty for the default, which has no HTTP/3.
pub(super) fn protocols(has_http2: bool, has_http3: bool) -> Vec<&'static str> {
    match (has_http2, has_http3) {
        (true, false) => Vec::new(),
        (false, false) => vec!["http/1.1"],
        (true, true) => vec!["h3", "h2", "http/1.1"],
        (false, true) => vec!["h3", "http/1.1"],
    }
}

/// What to say of an address that has HTTP/3 and no other protocol.
pub(super) const HTTP3_ALONE: &str = "lb takes connections of HTTP/1.1 and HTTP/2 at this port, too: \
     clients learn of HTTP/3 from their answers";

/// How clients learn of HTTP/3; `None` for the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct AltSvc {
    pub(super) max_age: Option<String>,
    pub(super) port: Option<String>,
}

/// Limits towards clients; `None` for the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ClientLimits {
    pub(super) header: Option<String>,
    pub(super) keepalive: Option<String>,
    pub(super) write: Option<String>,
    pub(super) body_idle: Option<String>,
}

/// TLS of a listener.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tls {
    pub(super) certificates: Vec<Certificate>,
    pub(super) client_auth: Option<ClientAuth>,
    /// Hosts with another `client_auth`.
    pub(super) hosts: Vec<(String, ClientAuth)>,
    pub(super) min_version: Option<&'static str>,
    pub(super) refuses_unknown_names: bool,
    pub(super) hsts: Option<String>,
}

/// Where certificates are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Certificate {
    File { cert: String, key: Option<String> },
    Directory(String),
}

/// What clients must show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClientAuth {
    pub(super) ca: String,
    pub(super) is_optional: bool,
    pub(super) crl: Option<String>,
}

/// Hosts that a rule is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Host {
    Any,
    /// With the leading dot, as `.example.com`.
    Suffix(String),
    Exact(String),
}

impl Host {
    /// The host as `lb` writes it; `None` for any host.
    pub(super) fn written(&self) -> Option<String> {
        match self {
            Self::Any => None,
            Self::Suffix(suffix) => Some(format!("*{suffix}")),
            Self::Exact(host) => Some(host.clone()),
        }
    }
}

/// A step of the decision which pool gets a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) host: Host,
    /// A prefix on segment boundaries.
    pub(super) path: String,
    /// The index of a pool; `None` where the request gets something else than a pool.
    pub(super) pool: Option<usize>,
    /// The statement that it comes from.
    pub(super) by: Id,
    pub(super) place: Place,
}

/// Backends, and how requests are treated there.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) name: String,
    /// The statement that it comes from.
    pub(super) by: Id,
    pub(super) place: Place,
    pub(super) algorithm: Option<&'static str>,
    pub(super) backends: Vec<Backend>,
    pub(super) check: Check,
    pub(super) ejection: Option<Ejection>,
    pub(super) slow_start: Option<String>,
    pub(super) queue_size: Option<String>,
    pub(super) queue_timeout: Option<String>,
    pub(super) keepalive: Option<String>,
    pub(super) handling: Handling,
}

/// What to say of a queue without effect.
pub(super) const NO_QUEUE: &str =
    "no request waits in a queue where no backend has a limit (max_connections)";

impl Pool {
    /// Whether requests can wait for a backend.
    pub(super) fn has_queue(&self) -> bool {
        self.backends.iter().any(|backend| backend.max_connections.is_some())
    }
}

/// The part of a pool's settings that other balancers have for each path; `None` for the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Handling {
    pub(super) connect: Option<String>,
    pub(super) response: Option<String>,
    pub(super) request: Option<String>,
    pub(super) idle: Option<String>,
    pub(super) attempts: Option<String>,
    pub(super) retry_on: Option<Vec<String>>,
    pub(super) retries_all_methods: bool,
    pub(super) request_buffer: Option<String>,
}

/// One backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backend {
    pub(super) address: String,
    pub(super) place: Place,
    pub(super) weight: Option<u32>,
    pub(super) backup: bool,
    pub(super) drain: bool,
    pub(super) max_connections: Option<String>,
}

/// How backends are checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Check {
    /// `None` for a check of the connection alone.
    pub(super) http: Option<HttpCheck>,
    pub(super) interval: Option<String>,
    pub(super) timeout: Option<String>,
    pub(super) rise: Option<String>,
    pub(super) fall: Option<String>,
    pub(super) port: Option<String>,
    /// What a reader should know about the choice.
    pub(super) comment: Option<&'static str>,
}

/// The request of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct HttpCheck {
    pub(super) path: Option<String>,
    pub(super) host: Option<String>,
    pub(super) expect: Option<String>,
}

/// When traffic takes a backend out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ejection {
    Off,
    After { failures: Option<String>, base: Option<String> },
}
