//! The configuration as the rest of the crate sees it: complete, resolved, and valid.
//!
//! It is built only by [`super::load`], [`super::parse`] and [`super::from_flags`], which report
//! every problem of the input; nothing behind this type checks a value again. Names are still
//! names here: `discovery` resolves them, because that needs a network.

mod admin;
mod pool;
mod process;

use std::{
    fmt,
    net::SocketAddr,
    num::{NonZeroU64, NonZeroUsize},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use ipnet::IpNet;

pub use admin::{Admin, AdminAddress, Token};
pub use pool::{
    Algorithm, BackendAddress, BackendSpec, Backoff, EjectionRules, HealthCheck, Host, Percent,
    Pool, Probe, QueueLimits, ResponseTimeout, Retry, RetryMethods, RetryOn, StatusRanges,
    Timeouts, Weight,
};
pub use process::{Process, Shutdown};

/// Everything that one configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Addresses we accept on; never empty, no address twice.
    pub listeners: Vec<Listener>,
    /// Host and path to pool, in the order written.
    pub routes: Vec<Route>,
    /// Groups of backends; every route names one of them.
    pub pools: Vec<Pool>,
    /// Where request lines go; `None` for nowhere.
    pub access_log: Option<AccessLog>,
    /// What becomes of a request that is no part of a trace.
    pub traceparent: Traceparent,
    /// Whether answers say in `Server-Timing` where the time went.
    pub server_timing: bool,
    /// Who may tell us about the client in `X-Forwarded-*`.
    pub trusted_proxies: Vec<IpNet>,
    /// Worker threads; `None` is one for each core.
    pub threads: Option<NonZeroUsize>,
    /// Where the process answers about itself; `None` for nowhere.
    pub admin: Option<Admin>,
    /// How the process runs.
    pub process: Process,
}

/// An address we accept on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Where to listen; port 0 lets the system choose.
    pub address: SocketAddr,
    /// Limits towards the clients of this listener.
    pub client: ClientLimits,
}

/// How long a client may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLimits {
    /// From the first byte of a request's header (on a new connection: from accept) to its last.
    pub header: Duration,
    /// An idle connection between two requests.
    pub keepalive: Duration,
    /// A client that takes nothing of what we send.
    pub write: Duration,
    /// The body of a request.
    pub body: BodyLimits,
}

/// How slowly a client may send the body of a request. Only time in which the body was wanted counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimits {
    /// The longest pause without a byte of the body; `None` for any.
    pub idle: Option<Duration>,
    /// The least average rate; `None` for any.
    pub min_rate: Option<MinRate>,
}

/// The least average rate at which a body has to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinRate {
    /// Bytes of the body a second.
    pub bytes: NonZeroU64,
    /// The rate counts only when a body has been waited for longer than this.
    pub after: Duration,
}

/// Host and path to pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Any host when `None`.
    pub host: Option<HostPattern>,
    /// `/` matches every path.
    pub path: PathPrefix,
    /// The name of a pool in [`Config::pools`].
    pub pool: PoolName,
}

/// Which hosts a route is for. Lower case, without port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// This host and no other.
    Exact(Box<str>),
    /// `*.example.com`, held as `.example.com`: any host that ends so, at any depth, but not
    /// `example.com` itself.
    Suffix(Box<str>),
}

/// As the configuration writes it.
impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => f.write_str(host),
            Self::Suffix(suffix) => write!(f, "*{suffix}"),
        }
    }
}

/// A path prefix on segment boundaries: `/v1` matches `/v1` and `/v1/x`, not `/v10`.
///
/// Starts with `/`; has no `/` at its end, except that the root is `/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathPrefix(pub(super) Box<str>);

impl PathPrefix {
    /// The prefix as written, without a closing `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a pool; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolName(pub(super) Arc<str>);

impl PoolName {
    /// A name as a pool's key in the configuration would give it.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A place in the input: a line of the file, or a flag.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The file, as the user named it; `None` for flags.
    pub file: Option<Arc<str>>,
    /// Counted from 1; 0 when there is no line to name.
    pub line: usize,
    /// `pools.web.backends[1].address`, or `--backends`.
    pub key: Arc<str>,
}

/// Where request lines go, and how they look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// How a line looks.
    pub format: LogFormat,
    /// Where it goes.
    pub path: LogTarget,
    /// Which requests have one; `None` for all.
    pub filter: Option<LogFilter>,
}

/// Which requests have a line in the access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter {
    /// Those with such a status.
    pub status: Option<StatusRanges>,
    /// Those that took so long.
    pub min_latency: Option<Duration>,
    /// Of all others, this share. Left out, it is none of them where one of the keys above is
    /// given, and all of them where neither is.
    pub sample: Option<Percent>,
}

/// What becomes of a request that is no part of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traceparent {
    /// It starts one.
    Start,
    /// It stays as it is.
    Pass,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
    /// For what reads the logs of Apache and nginx.
    Combined,
}

/// Where log lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Appended to this file.
    File(PathBuf),
}
