//! A pool: its backends, and all that is decided for each pool on its own.
//!
//! Apart from the rest because it is most of the configuration, and most of what changes.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

use super::{
    algorithm::Algorithm, backend::BackendSpec, check::HealthCheck, quantity::Percent,
    retry::Retry, route::PoolName,
};

/// A learned limit is never longer; as the fixed one is by default.
const RESPONSE_CEILING: Duration = Duration::from_secs(60);

/// A named group of backends with one algorithm and one health policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Unique among the pools.
    pub name: PoolName,
    /// How the backend for a request is chosen.
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
    /// Bytes of a body that are read before a request gets a backend; `None` for none.
    pub request_buffer: Option<NonZeroUsize>,
}

impl Pool {
    /// Whether it equals another but for its backends, which are compared when their names are
    /// resolved.
    #[must_use]
    pub fn is_as(&self, other: &Self) -> bool {
        let without = |pool: &Self| Self { backends: Vec::new(), ..pool.clone() };
        without(self) == without(other)
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
    /// A limit of this length.
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
