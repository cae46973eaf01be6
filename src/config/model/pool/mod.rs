//! A pool: its backends, and all settings that each pool has for itself.
//!
//! It has a file of its own because it is most of the configuration, and the part that changes
//! most.

mod algorithm;
mod check;
mod retry;

use std::{
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

pub use algorithm::Algorithm;
pub use check::{HealthCheck, Probe};
pub use retry::{Backoff, Retry, RetryMethods, RetryOn};

use super::{backend::BackendSpec, quantity::Percent, route::PoolName};

/// The longest learned limit; equal to the default of the fixed one.
const RESPONSE_CEILING: Duration = Duration::from_secs(60);

/// A named group of backends with one algorithm and one health policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Unique among the pools.
    pub name: PoolName,
    /// How the backend for a request is chosen.
    pub algorithm: Algorithm,
    /// The backends as written; never empty, no address twice.
    pub backends: Vec<BackendSpec>,
    /// The health checks; `None` if they are off.
    pub health_check: Option<HealthCheck>,
    /// When a failed request goes to another backend.
    pub retry: Retry,
    /// How long a backend may take.
    pub timeouts: Timeouts,
    /// The rules by which its traffic ejects a backend; `None` if only refused connections eject.
    pub ejection: Option<EjectionRules>,
    /// How long a backend that comes back takes to reach its full share; `None` for no slow start.
    pub slow_start: Option<Duration>,
    /// The share of unhealthy backends above which health is ignored; `None` for never.
    pub panic_threshold: Option<Percent>,
    /// The queue in which requests wait while all backends are full.
    pub queue: QueueLimits,
    /// Bytes of a body that are read before a request gets a backend; `None` for none.
    pub request_buffer: Option<NonZeroUsize>,
}

impl Pool {
    /// Whether it equals another pool apart from the backends, which are compared when their names
    /// are resolved.
    #[must_use]
    pub fn is_as(&self, other: &Self) -> bool {
        let without = |pool: &Self| Self { backends: Vec::new(), ..pool.clone() };
        without(self) == without(other)
    }
}

/// The rules by which traffic ejects a backend, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EjectionRules {
    /// The number of failures in a row that eject.
    pub failures: NonZeroU32,
    /// The length of the first ejection; later ones in quick succession are multiples of it.
    pub base: Duration,
    /// The longest ejection; not below `base`.
    pub max: Duration,
}

/// The queue in which requests wait while all backends are full.
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
    /// The limit for accepting a connection.
    pub connect: Duration,
    /// From the end of the request to the first byte of the response.
    pub response: ResponseTimeout,
    /// From the end of the request to the first byte of the response, over all attempts and all
    /// waits between them.
    pub request: Duration,
    /// The longest time between two reads or writes after that.
    pub idle: Duration,
    /// How long an unused pooled connection is kept.
    pub keepalive: Duration,
}

/// How long a backend may take to the first byte of the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseTimeout {
    /// A limit of this length.
    Fixed(Duration),
    /// A limit learned from the pool's usual times; it applies if a retry can follow.
    Auto,
}

impl ResponseTimeout {
    /// The limit if no shorter one was learned.
    #[must_use]
    pub fn ceiling(self) -> Duration {
        match self {
            Self::Fixed(timeout) => timeout,
            Self::Auto => RESPONSE_CEILING,
        }
    }
}
