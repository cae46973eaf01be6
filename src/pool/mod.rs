//! Everything about one named group of backends: pick one, lease it, learn from the outcome.
//!
//! A pool is rebuilt whenever its configuration changes; what it knows about its backends lives
//! in the roster and is only borrowed here.

mod counts;
mod lease;
mod memory;
mod outcome;
mod pick;
mod queue;
mod set;
mod supervisor;
mod survey;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use pingora_core::{
    Result,
    upstreams::peer::{HttpPeer, PeerOptions},
};
use pingora_load_balancing::{Backends, LoadBalancer};

pub use counts::{Counts, QueueCounts};
pub use lease::Lease;
pub use memory::Memory;
pub use outcome::{FailedAttempt, is_gateway_error};
pub use pick::{PickRequest, TriedBackend};
pub use queue::Unavailable;
pub use set::Pools;
pub use supervisor::Supervisor;
pub use survey::{BackendView, OrderError};

use crate::backend::{Address, Backend, BackendSettings, Policy, Roster};
use crate::balance::{Selector, SelectorConfig};
use crate::clock;
use crate::config::{self, Algorithm, PoolName, ResponseTimeout, Retry, Timeouts, defaults};
use crate::discovery::{self, Endpoint};
use crate::health::ActiveCheck;
use crate::retry::{Budget, Quantile};
use crate::state_log::{self, ChangeCause};
use queue::Queue;

/// How long Pingora lets a client pause in a request's body. Who is to blame for a pause must be
/// found out before a net closes over it.
const CLIENT_BODY_PAUSE: Duration = Duration::from_secs(60);

/// One named group of backends.
pub struct Pool {
    /// All that it was built from.
    config: config::Pool,
    endpoints: Vec<Endpoint>,
    policy: Policy,
    /// How long a client that found nobody should wait, in whole seconds.
    retry_after: u64,
    balancer: LoadBalancer<Selector>,
    members: HashMap<Address, Arc<Member>>,
    /// Whether any backend may be full.
    has_limits: bool,
    roster: Arc<Roster>,
    queue: Queue,
    /// Backends by state, and when that was so.
    states: Mutex<Option<(Instant, BTreeMap<&'static str, usize>)>>,
    history: Arc<History>,
    /// Whether the algorithm goes by what answers take.
    is_timed: bool,
}

/// What a pool remembers of its requests; outlives its configuration.
#[derive(Debug)]
struct History {
    budget: Budget,
    /// How long the first byte of an answer usually takes.
    first_byte: Quantile,
    counts: Counts,
}

/// A backend of this pool, and how to connect to it under the pool's configuration.
struct Member {
    backend: Arc<Backend>,
    peer: HttpPeer,
}

impl Pool {
    /// A pool over these endpoints, ready to pick. It has taken effect once [`Pool::enlist`] was
    /// called, and its checks run when the [`Supervisor`] runs it. `previous` is the pool of this
    /// name that it follows, whose history goes on.
    ///
    /// # Errors
    ///
    /// Pingora's, when it cannot take the backends over; not known to happen.
    pub async fn build(
        config: &config::Pool,
        endpoints: &[Endpoint],
        roster: Arc<Roster>,
        previous: Option<&Self>,
    ) -> Result<Self> {
        let policy = policy(config);
        let members = endpoints.iter().filter_map(|endpoint| {
            let backend = roster.backend(&endpoint.address);
            let peer = peer(endpoint.address.tcp()?, &config.timeouts);
            Some((endpoint.address.clone(), Arc::new(Member { backend, peer })))
        });
        let members = members.collect();
        let backups = endpoints.iter().filter(|endpoint| endpoint.backup);
        let selection = SelectorConfig {
            algorithm: config.algorithm,
            roster: Arc::clone(&roster),
            backups: Arc::new(backups.map(|endpoint| endpoint.address.clone()).collect()),
            slow_start: config.slow_start.unwrap_or_default(),
            seed: fastrand::u64(..),
        };
        let mut balancer = LoadBalancer::from_backends_with_config(
            Backends::new(discovery::fixed(endpoints)),
            Some(selection),
        );
        let mut retry_after = 1;
        if let Some(check) = &config.health_check {
            let active = ActiveCheck::new(check.clone(), policy, Arc::clone(&roster));
            balancer.set_health_check(Box::new(active));
            balancer.health_check_frequency = Some(check.interval);
            balancer.parallel_health_check = true;
            retry_after = check.interval.as_secs().max(1);
        }
        balancer.update().await?;
        Ok(Self {
            config: config.clone(),
            endpoints: endpoints.to_vec(),
            policy,
            retry_after,
            balancer,
            members,
            has_limits: endpoints.iter().any(|endpoint| endpoint.max_connections.is_some()),
            roster,
            queue: Queue::default(),
            states: Mutex::default(),
            history: previous.map_or_else(Default::default, |pool| Arc::clone(&pool.history)),
            is_timed: config.algorithm == Algorithm::Ewma,
        })
    }

    /// Whether it is what this would build.
    #[must_use]
    pub fn is_built_from(&self, config: &config::Pool, endpoints: &[Endpoint]) -> bool {
        self.endpoints == endpoints && self.config.is_as(config)
    }

    /// Takes effect on the backends: who is one, who drains, how much each may have.
    pub fn enlist(&self, now: Instant) {
        let terms =
            self.endpoints.iter().map(|endpoint| (endpoint.address.clone(), terms(endpoint)));
        let changes = self.roster.enlist(&terms.collect(), &self.policy, now);
        state_log::record(&self.roster, &changes, ChangeCause::Implied, now);
    }

    /// Its key in the configuration.
    #[must_use]
    pub fn name(&self) -> &PoolName {
        &self.config.name
    }

    /// When a failed request goes to another backend.
    #[must_use]
    pub fn retry(&self) -> &Retry {
        &self.config.retry
    }

    /// How many retries it can afford.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.history.budget
    }

    /// What is counted of it.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.history.counts
    }

    /// How long its backends may take.
    #[must_use]
    pub fn timeouts(&self) -> &Timeouts {
        &self.config.timeouts
    }

    /// How long the first byte of an answer may take before a retry is the better bet; `None`
    /// where that is not learned.
    #[must_use]
    pub fn learned_limit(&self) -> Option<Duration> {
        let is_learned = self.config.timeouts.response == ResponseTimeout::Auto;
        is_learned.then(|| self.history.first_byte.limit())
    }

    /// Whether a request that came now would find nobody, full or not.
    #[must_use]
    pub fn is_unavailable(&self, now: Instant) -> bool {
        self.roster.has_nobody(now)
    }

    /// Whether the first check of every backend has ended, as it has where checks are off.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        let mut backends = self.members.values().map(|member| &member.backend);
        !self.policy.checked || backends.all(|backend| backend.is_checked())
    }

    /// Requests in flight on the backend at this address.
    #[must_use]
    pub fn active(&self, address: &Address) -> usize {
        self.members.get(address).map_or(0, |member| member.backend.active())
    }

    /// Requests that wait for a backend.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Seconds after which a client that was turned away may try again.
    #[must_use]
    pub fn retry_after(&self, turned: Unavailable) -> u64 {
        match turned {
            Unavailable::NoneEligible => self.retry_after,
            Unavailable::Full | Unavailable::QueueTimeout => 1,
        }
    }
}

impl Default for History {
    fn default() -> Self {
        Self {
            budget: Budget::new(clock::now()),
            first_byte: Quantile::default(),
            counts: Counts::default(),
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("name", &self.config.name).finish_non_exhaustive()
    }
}

fn policy(config: &config::Pool) -> Policy {
    let check = config.health_check.as_ref();
    Policy {
        rise: check.map_or(defaults::CHECK_RISE, |check| check.rise).get(),
        fall: check.map_or(defaults::CHECK_FALL, |check| check.fall).get(),
        checked: check.is_some(),
        ejection: config.ejection,
        panic_threshold: config.panic_threshold,
    }
}

fn terms(endpoint: &Endpoint) -> BackendSettings {
    let limit = endpoint.max_connections.map(|limit| limit.get() as usize);
    let name = Arc::clone(&endpoint.name);
    BackendSettings { name, drain: endpoint.drain, max_connections: limit }
}

/// Built once for each backend and cloned for each attempt.
///
/// Pingora has one read timeout for the first byte, every later read, and the time in which the
/// request is still being sent. The proxy limits these waits itself, each by its own; Pingora's is
/// only a net below them, for the one case in which the proxy's own watch is not asked: a backend
/// that neither takes the request's body nor answers.
fn peer(address: std::net::SocketAddr, timeouts: &Timeouts) -> HttpPeer {
    let mut peer = HttpPeer::new(address, false, String::new());
    peer.options = PeerOptions::new();
    peer.options.connection_timeout = Some(timeouts.connect);
    peer.options.total_connection_timeout = Some(timeouts.connect);
    peer.options.write_timeout = Some(timeouts.idle);
    let net = timeouts.response.ceiling().max(timeouts.idle).max(CLIENT_BODY_PAUSE);
    peer.options.read_timeout = Some(net + Duration::from_secs(1));
    peer.options.idle_timeout = Some(timeouts.keepalive);
    peer
}
