//! The configuration as the rest of the crate sees it: complete, resolved, and valid.
//!
//! It is built only by [`super::load`], [`super::parse`] and [`super::from_flags`], which report
//! every problem of the input; nothing behind this type checks a value again. Names are still
//! names here: `discovery` resolves them, because that needs a network.

mod access_log;
mod admin;
mod algorithm;
mod backend;
mod check;
mod endpoint;
mod listener;
mod pool;
mod process;
mod quantity;
mod retry;
mod route;

use std::num::NonZeroUsize;

pub use access_log::{AccessLog, LogFilter, LogFormat, LogTarget, Traceparent};
pub use admin::{Admin, Token};
pub use algorithm::Algorithm;
pub use backend::{BackendAddress, BackendSpec, Host, Weight};
pub use check::{HealthCheck, Probe};
pub use endpoint::{Endpoint, HTTPS_PORT, TlsEndpoint};
pub use listener::{
    AccountKey, Acme, AltSvc, CertificateSource, Challenge, ClientAuth, ClientAuthMode,
    ClientCertStyle, ClientLimits, ExternalAccount, HmacKey, HostClientAuth, ListenAddress,
    Listener, ListenerProtocol, MinRate, PaceLimits, PeerBlock, RedirectToHttps, SocketFile, Tls,
    TlsVersion, UnknownSni,
};
pub use pool::{EjectionRules, Pool, QueueLimits, ResponseTimeout, Timeouts};
pub use process::{Process, Shutdown};
pub use quantity::{Percent, StatusRanges};
pub use retry::{Backoff, Retry, RetryMethods, RetryOn};
pub use route::{HostPattern, PathPrefix, PoolName, Route};

use crate::files::FileVersions;

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
    /// The treatment of a request that is not part of a trace.
    pub traceparent: Traceparent,
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
    /// The other files that it was read from, and the folders that were searched for them, as they were
    /// just before that.
    pub sources: FileVersions,
}
