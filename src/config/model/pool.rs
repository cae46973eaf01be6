//! A pool: its backends, and all that is decided for each pool on its own.
//!
//! Apart from the rest because it is most of the configuration, and most of what changes.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    num::{NonZeroU16, NonZeroU32},
    time::Duration,
};

use super::{Origin, PoolName};

/// A learned limit is never longer; as the fixed one is by default.
const RESPONSE_CEILING: Duration = Duration::from_secs(60);

/// A named group of backends with one algorithm and one health policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Unique among the pools.
    pub name: PoolName,
    /// Who gets the next request.
    pub algorithm: Algorithm,
    /// As written; never empty, no address twice.
    pub backends: Vec<BackendSpec>,
    /// `None` when checks are off.
    pub health_check: Option<HealthCheck>,
    /// When a failed request goes to another backend.
    pub retry: Retry,
    /// How long a backend may take.
    pub timeouts: Timeouts,
    /// When its traffic takes a backend out; `None` when only a refused connection does.
    pub ejection: Option<EjectionRules>,
    /// How long a backend that comes back takes to reach its full share; `None` for at once.
    pub slow_start: Option<Duration>,
    /// Above this share of unhealthy backends, health is not asked; `None` for never.
    pub panic_threshold: Option<Percent>,
    /// Where requests wait while all backends are full.
    pub queue: QueueLimits,
}

impl Pool {
    /// Whether it says the same as another but for its backends, who are compared when their names
    /// are resolved.
    #[must_use]
    pub fn is_as(&self, other: &Self) -> bool {
        let without = |pool: &Self| Self { backends: Vec::new(), ..pool.clone() };
        without(self) == without(other)
    }
}

/// Who gets the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// In turn, by weight, evenly spread.
    RoundRobin,
    /// The fewest requests in flight for its weight.
    LeastConn,
    /// The lower expected latency of two that are drawn.
    Ewma,
}

/// A backend as the configuration names it; a host name becomes one backend for each of its
/// addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendSpec {
    /// Address or name, and port.
    pub address: BackendAddress,
    /// Its share among the backends of the pool.
    pub weight: Weight,
    /// Used only when no other backend is eligible.
    pub backup: bool,
    /// Gets no new requests.
    pub drain: bool,
    /// Requests that it may have at once; `None` for any number.
    pub max_connections: Option<NonZeroU32>,
    /// Where it was written, for messages about a name that does not resolve.
    pub origin: Origin,
}

/// Address or name, and port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BackendAddress {
    /// Who.
    pub host: Host,
    /// Never 0.
    pub port: NonZeroU16,
}

impl fmt::Display for BackendAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(ip) => SocketAddr::new(*ip, self.port.get()).fmt(f),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

/// An address, or a name to be resolved at start.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// Written as an address.
    Ip(IpAddr),
    /// Written as a name, in lower case.
    Name(Box<str>),
}

/// A backend's share, 1 to 1000. Zero cannot be written: draining is a state, not a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(pub(in crate::config) NonZeroU16);

impl Weight {
    /// The least share, and the default.
    pub const MIN: Self = Self(NonZeroU16::MIN);
    /// The greatest share.
    pub const MAX: u16 = 1000;

    /// `None` outside 1 to 1000.
    #[must_use]
    pub fn new(weight: u16) -> Option<Self> {
        NonZeroU16::new(weight).filter(|weight| weight.get() <= Self::MAX).map(Self)
    }

    /// 1 to 1000.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0.get()
    }
}

/// How a pool's backends are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked, and what is a pass.
    pub probe: Probe,
    /// Between the starts of two checks of one backend.
    pub interval: Duration,
    /// For the whole check; below the interval.
    pub timeout: Duration,
    /// Passes in a row before an unhealthy backend is used again.
    pub rise: NonZeroU32,
    /// Failures in a row before a healthy one is dropped.
    pub fall: NonZeroU32,
    /// Checked instead of the backend's own port.
    pub port: Option<NonZeroU16>,
}

/// What a health check asks, and what is a pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// The connection is accepted.
    Tcp,
    /// `GET path` answers with an expected status.
    Http {
        /// Starts with `/`; may have a query.
        path: Box<str>,
        /// The Host header; the backend's address when `None`.
        host: Option<Box<str>>,
        /// Statuses that pass.
        expect: StatusRanges,
    },
}

/// A set of status codes: `200-399`, `200,204,301-302`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusRanges(pub(in crate::config) Vec<(u16, u16)>);

impl StatusRanges {
    /// Whether the status is in the set.
    #[must_use]
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|(low, high)| (*low..=*high).contains(&status))
    }
}

impl fmt::Display for StatusRanges {
    /// As it is written in the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (low, high)) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            if low == high {
                write!(f, "{comma}{low}")?;
            } else {
                write!(f, "{comma}{low}-{high}")?;
            }
        }
        Ok(())
    }
}

/// When a failed request goes to another backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// Tries in all, each on another backend while there is one; 1 never retries.
    pub attempts: NonZeroU32,
    /// Which failures.
    pub on: RetryOn,
    /// Which requests, once they may have reached a backend.
    pub methods: RetryMethods,
    /// Retries of requests that may have reached a backend, as a share of all requests.
    pub budget: Percent,
    /// Retries a second that are allowed however few requests there are.
    pub budget_min: u32,
    /// How long to wait before a retry.
    pub backoff: Backoff,
}

/// Which failures are retried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryOn {
    /// No connection came about.
    pub connect_failure: bool,
    /// The connection broke before the answer.
    pub reset: bool,
    /// No answer in time.
    pub timeout: bool,
    /// Answers with these statuses; never 429.
    pub statuses: Vec<u16>,
}

/// Which requests are retried once they may have reached a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryMethods {
    /// Idempotent methods (RFC 9110 section 9.2.2), and what carries an `Idempotency-Key`.
    Idempotent,
    /// Every request; the operator says that executing one twice does no harm.
    All,
}

/// How long to wait before a retry: a random part of `base`, doubled each time up to `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Before the first retry.
    pub base: Duration,
    /// Before any; not below `base`.
    pub max: Duration,
}

/// A share, in hundredths; 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(pub(in crate::config) u8);

impl Percent {
    /// `None` above 100.
    #[must_use]
    pub const fn new(percent: u8) -> Option<Self> {
        if percent <= 100 { Some(Self(percent)) } else { None }
    }

    /// 0 to 100.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// When its traffic takes a backend out, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EjectionRules {
    /// Failures in a row.
    pub failures: NonZeroU32,
    /// How long the first time; after ejections in quick succession as often as long.
    pub base: Duration,
    /// The longest; not below `base`.
    pub max: Duration,
}

/// Where requests wait while all backends are full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Requests that may wait at once; 0 for none.
    pub size: usize,
    /// How long each may wait.
    pub timeout: Duration,
}

/// How long a backend may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To accept a connection.
    pub connect: Duration,
    /// From the end of the request to the first byte of the response.
    pub response: ResponseTimeout,
    /// From the end of the request to the first byte of the response, over all attempts and all
    /// waits between them.
    pub request: Duration,
    /// Between two reads or writes after that.
    pub idle: Duration,
    /// An unused pooled connection.
    pub keepalive: Duration,
}

/// How long a backend may take to the first byte of the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseTimeout {
    /// So long.
    Fixed(Duration),
    /// Learned from what the pool usually takes, where a retry can follow.
    Auto,
}

impl ResponseTimeout {
    /// What holds where nothing shorter was learned.
    #[must_use]
    pub fn ceiling(self) -> Duration {
        match self {
            Self::Fixed(timeout) => timeout,
            Self::Auto => RESPONSE_CEILING,
        }
    }
}
