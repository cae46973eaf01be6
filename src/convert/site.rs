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
    pub(super) redirect_to_https: bool,
    pub(super) client: ClientLimits,
    /// The first rule that matches a request decides.
    pub(super) rules: Vec<Rule>,
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
