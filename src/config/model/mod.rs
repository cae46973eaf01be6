//! The configuration as the rest of the crate sees it: complete, resolved, and valid.
//!
//! It is built only by [`super::load`], [`super::parse`] and [`super::from_flags`], which report
//! every problem of the input; nothing behind this type checks a value again. Names are still
//! names here: `discovery` resolves them, because that needs a network.

mod admin;
mod backend;
mod endpoint;
mod listener;
mod logs;
mod pool;
mod process;
mod quantity;
mod route;
mod tracing;

use std::num::NonZeroUsize;

pub use admin::{Admin, Token};
pub use backend::{BackendAddress, BackendSpec, Host, Weight};
pub use endpoint::{Endpoint, HTTPS_PORT, TlsEndpoint};
pub use listener::{
    AccountKey, Acme, AltSvc, CertificateSource, Challenge, ClientAuth, ClientAuthMode,
    ClientCertStyle, ClientLimits, ExternalAccount, HmacKey, HostClientAuth, ListenAddress,
    Listener, ListenerProtocol, MinRate, PaceLimits, PeerBlock, RedirectToHttps, SocketFile, Tls,
    TlsVersion, UnknownSni,
};
pub use logs::{
    AccessLog, ChosenField, Facility, FieldItem, LogDelivery, LogField, LogFilter, LogFormat,
    LogRotation, LogTarget, StandardField, Syslog, SyslogSocket, Traceparent,
};
pub use pool::{
    Algorithm, Backoff, EjectionRules, HealthCheck, Pool, Probe, QueueLimits, ResponseTimeout,
    Retry, RetryMethods, RetryOn, Timeouts,
};
pub use process::{Process, Shutdown};
pub use quantity::{Percent, Share, StatusRanges};
pub use route::{HostPattern, PathPrefix, PoolName, Route};
pub use tracing::{HeaderText, OtlpProtocol, SampledParent, Tracing};

/// One configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The listeners; never empty, no address twice.
    pub listeners: Vec<Listener>,
    /// The routes from host and path to a pool, in the order written.
    pub routes: Vec<Route>,
    /// Groups of backends; every route names one of them.
    pub pools: Vec<Pool>,
    /// The access log; `None` without one.
    pub access_log: Option<AccessLog>,
    /// How lines of both logs get to files and daemons.
    pub log_delivery: LogDelivery,
    /// The treatment of a request that is not part of a trace.
    pub traceparent: Traceparent,
    /// Where spans of requests are sent; `None` if nothing is recorded.
    pub tracing: Option<Tracing>,
    /// Whether answers have a `Server-Timing` header.
    pub server_timing: bool,
    /// The body of the answer to a request that no backend can take; `None` for one line.
    pub unavailable_page: Option<Box<str>>,
    /// Proxies whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<PeerBlock>,
    /// Worker threads; `None` is one for each core.
    pub threads: Option<NonZeroUsize>,
    /// The admin listener; `None` without one.
    pub admin: Option<Admin>,
    /// The settings of the process itself.
    pub process: Process,
}
