//! Everything about one named group of backends: pick one, lease it, learn from the outcome.
//!
//! A pool is rebuilt whenever its configuration changes; what it knows about its backends lives
//! in the roster and is only borrowed here.

mod lease;
mod set;
mod supervisor;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use pingora_core::{
    Result,
    upstreams::peer::{HttpPeer, PeerOptions},
};
use pingora_load_balancing::{Backends, LoadBalancer};

pub use lease::Lease;
pub use set::Pools;
pub use supervisor::Supervisor;

use crate::backend::{Backend, Policy, Roster};
use crate::balance::{Selector, SelectorConfig};
use crate::config::{self, PoolName, Retry, Timeouts, Weight, defaults};
use crate::discovery;
use crate::health::{self, ActiveCheck};
use crate::retry::Failure;

/// How long Pingora lets a client pause in a request's body. Who is to blame for a pause must be
/// found out before a net closes over it.
const CLIENT_BODY_PAUSE: Duration = Duration::from_secs(60);

/// One named group of backends.
pub struct Pool {
    name: PoolName,
    retry: Retry,
    timeouts: Timeouts,
    policy: Policy,
    /// How long a client that found nobody should wait, in whole seconds.
    retry_after: u64,
    balancer: LoadBalancer<Selector>,
    members: HashMap<SocketAddr, Arc<Member>>,
}

/// A backend of this pool, and how to connect to it under the pool's configuration.
pub(crate) struct Member {
    pub(crate) backend: Arc<Backend>,
    pub(crate) peer: HttpPeer,
}

impl Pool {
    /// A pool over these addresses, ready to pick; its checks run when the [`Supervisor`] runs it.
    ///
    /// # Errors
    ///
    /// Pingora's, when it cannot take the backends over; not known to happen.
    pub async fn build(
        config: &config::Pool,
        addresses: &[(SocketAddr, Weight)],
        roster: Arc<Roster>,
        seed: u64,
    ) -> Result<Self> {
        let policy = policy(config.health_check.as_ref());
        let members = addresses.iter().map(|(address, _)| {
            let backend = roster.backend(*address);
            (*address, Arc::new(Member { backend, peer: peer(*address, &config.timeouts) }))
        });
        let members = members.collect();
        let selection =
            SelectorConfig { algorithm: config.algorithm, roster: Arc::clone(&roster), seed };
        let mut balancer = LoadBalancer::from_backends_with_config(
            Backends::new(discovery::fixed(addresses)),
            Some(selection),
        );
        let mut retry_after = 1;
        if let Some(check) = &config.health_check {
            balancer.set_health_check(Box::new(ActiveCheck::new(check.clone(), policy, roster)));
            balancer.health_check_frequency = Some(check.interval);
            balancer.parallel_health_check = true;
            retry_after = check.interval.as_secs().max(1);
        }
        balancer.update().await?;
        Ok(Self {
            name: config.name.clone(),
            retry: config.retry.clone(),
            timeouts: config.timeouts,
            policy,
            retry_after,
            balancer,
            members,
        })
    }

    /// Its key in the configuration.
    #[must_use]
    pub fn name(&self) -> &PoolName {
        &self.name
    }

    /// When a failed request goes to another backend.
    #[must_use]
    pub fn retry(&self) -> &Retry {
        &self.retry
    }

    /// How long its backends may take.
    #[must_use]
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Seconds after which a client that found nobody may try again.
    #[must_use]
    pub fn retry_after(&self) -> u64 {
        self.retry_after
    }

    /// An eligible backend that is not among `tried`, claimed for one attempt.
    #[must_use]
    pub fn pick(&self, tried: &[SocketAddr]) -> Option<Lease> {
        let chosen =
            self.balancer.select_with(b"", usize::MAX, |candidate, _pingoras_verdict| {
                candidate.addr.as_inet().is_some_and(|address| !tried.contains(address))
            })?;
        self.members.get(chosen.addr.as_inet()?).map(|member| Lease::new(Arc::clone(member)))
    }

    /// An attempt on this backend failed.
    pub fn failed(&self, backend: &Backend, failure: Failure, now: Instant) {
        let policy = &self.policy;
        let change = backend.observe(now, |standing| match failure {
            Failure::Refused => standing.refused(policy, now),
            Failure::ConnectTimeout => standing.connect_timed_out(policy, now),
            Failure::ConnectFailed | Failure::Broken | Failure::Timeout | Failure::Status(_) => {
                None
            }
        });
        if let Some(change) = change {
            health::report(backend, change, None, now);
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("name", &self.name).finish_non_exhaustive()
    }
}

fn policy(check: Option<&config::HealthCheck>) -> Policy {
    Policy {
        rise: check.map_or(defaults::CHECK_RISE, |check| check.rise).get(),
        fall: check.map_or(defaults::CHECK_FALL, |check| check.fall).get(),
        checked: check.is_some(),
    }
}

/// Built once for each backend and cloned for each attempt.
///
/// Pingora has one read timeout for the first byte, every later read, and the time in which the
/// request is still being sent. The proxy limits these waits itself, each by its own; Pingora's is
/// only a net below them, for the one case in which the proxy's own watch is not asked: a backend
/// that neither takes the request's body nor answers.
fn peer(address: SocketAddr, timeouts: &Timeouts) -> HttpPeer {
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

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::clock;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn pool(ports: &[u16]) -> Pool {
        let name = PoolName::new("web");
        let config = config::Pool::new(name.clone());
        let addresses: Vec<_> = ports.iter().map(|port| (address(*port), Weight::MIN)).collect();
        let roster = Arc::new(Roster::new(name, clock::now()));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(Pool::build(&config, &addresses, roster, 0)).unwrap()
    }

    #[test]
    fn a_lease_counts_until_it_is_dropped() {
        let pool = pool(&[1]);
        let first = pool.pick(&[]).unwrap();
        let second = pool.pick(&[]).unwrap();
        let backend = Arc::clone(first.backend());
        assert_eq!(backend.active(), 2);
        drop(first);
        drop(second);
        assert_eq!(backend.active(), 0);
    }

    #[test]
    fn a_lease_is_given_back_by_a_panic() {
        let pool = pool(&[1]);
        let backend = Arc::clone(pool.pick(&[]).unwrap().backend());
        let panics = || {
            let _lease = pool.pick(&[]).unwrap();
            assert_eq!(backend.active(), 1);
            panic!("in the middle of a request");
        };
        catch_unwind(AssertUnwindSafe(panics)).unwrap_err();
        assert_eq!(backend.active(), 0);
    }

    #[test]
    fn who_was_tried_is_not_picked_and_nobody_is_when_all_were() {
        let pool = pool(&[1, 2]);
        for _ in 0..4 {
            let lease = pool.pick(&[address(1)]).unwrap();
            assert_eq!(lease.backend().id().address, address(2));
        }
        assert!(pool.pick(&[address(1), address(2)]).is_none());
    }

    #[test]
    fn who_refused_is_not_picked() {
        let pool = pool(&[1, 2]);
        let refused = Arc::clone(pool.pick(&[address(2)]).unwrap().backend());
        pool.failed(&refused, Failure::Refused, clock::now());
        for _ in 0..4 {
            assert_eq!(pool.pick(&[]).unwrap().backend().id().address, address(2));
        }
    }

    #[test]
    fn a_broken_answer_or_a_503_does_not_eject() {
        let pool = pool(&[1]);
        let backend = Arc::clone(pool.pick(&[]).unwrap().backend());
        for failure in [Failure::Broken, Failure::Timeout, Failure::Status(503)] {
            pool.failed(&backend, failure, clock::now());
        }
        assert!(pool.pick(&[]).is_some());
    }
}
