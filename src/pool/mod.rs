//! Everything about one named group of backends: pick one, lease it, learn from the outcome.
//!
//! A [`Pool`] is one configuration of the group, together with a state (`state`) that all later
//! pools of that name take over: the roster of backends, the membership, and the queue of requests.
//! `membership` is the part that changes when backends come and go, with or without a reload.

mod counts;
mod lease;
mod membership;
mod memory;
mod outcome;
mod pick;
mod queue;
mod reasons;
mod request;
mod set;
mod state;
mod survey;
#[cfg(test)]
mod tests;

use std::{
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};

use pingora_core::{Result, server::ShutdownWatch};

pub use counts::{Counts, QueueCounts};
pub use lease::Lease;
pub use memory::Memory;
pub use outcome::{FailedAttempt, is_gateway_error};
pub use request::{PickRequest, TriedBackend, Unavailable};
pub use set::{Pools, PreparedPools, Supervisor};
pub use survey::{BackendView, OrderError};

use crate::backend::{Address, Policy, Roster};
use crate::balance::{Balancer, SelectorConfig, check_once};
use crate::config::{self, Algorithm, PoolName, ResponseTimeout, Retry, Timeouts};
use crate::discovery::Endpoint;
use crate::health::ActiveCheck;
use crate::retry::Budget;
use membership::Membership;
use state::PoolState;

/// One named group of backends, as one configuration has it.
pub struct Pool {
    /// The configuration that it was built from, without the backends.
    config: config::Pool,
    policy: Policy,
    balancer: Arc<Balancer>,
    state: Arc<PoolState>,
}

/// A pool whose configuration has not taken effect yet.
#[derive(Debug)]
pub struct PreparedPool {
    pool: Arc<Pool>,
    membership: Arc<Membership>,
}

impl Pool {
    /// Prepares the pool for a configuration and its endpoints. `previous` is the pool of this name
    /// that serves until then: its state goes on, and if nothing but its backends has changed, it
    /// is the same pool.
    #[must_use]
    pub fn prepare(
        config: &config::Pool,
        endpoints: &[Endpoint],
        roster: Arc<Roster>,
        previous: Option<&Arc<Self>>,
        now: Instant,
    ) -> PreparedPool {
        let same = previous.filter(|previous| previous.config.is_as(config));
        let pool = match same {
            Some(same) => Arc::clone(same),
            None => Arc::new(Self::new(config, roster, previous, now)),
        };
        let membership = pool.membership_at(endpoints);
        PreparedPool { pool, membership }
    }

    fn new(
        config: &config::Pool,
        roster: Arc<Roster>,
        previous: Option<&Arc<Self>>,
        now: Instant,
    ) -> Self {
        let policy = policy(config);
        let mut balancer = Balancer::new(SelectorConfig {
            algorithm: config.algorithm,
            roster: Arc::clone(&roster),
            slow_start: config.slow_start.unwrap_or_default(),
            seed: fastrand::u64(..),
        });
        if let Some(check) = &config.health_check {
            let active = ActiveCheck::new(check.clone(), policy, Arc::clone(&roster));
            balancer = balancer.checked_by(Box::new(active), check.interval);
        }
        let balancer = Arc::new(balancer);
        let first = || {
            let none = Membership::empty(policy, Arc::clone(&balancer));
            Arc::new(PoolState::new(roster, none, now))
        };
        let state = previous.map_or_else(first, |previous| Arc::clone(&previous.state));
        Self { config: config.clone(), policy, balancer, state }
    }

    /// The membership with backends at these endpoints: the current one, if it has exactly these.
    fn membership_at(&self, endpoints: &[Endpoint]) -> Arc<Membership> {
        let current = self.state.membership();
        let has_other_terms = !Arc::ptr_eq(&current.balancer, &self.balancer);
        if !has_other_terms && current.is_at(endpoints) {
            return Arc::clone(&current);
        }
        let empty =
            has_other_terms.then(|| Membership::empty(self.policy, Arc::clone(&self.balancer)));
        Arc::new(Membership::new(
            endpoints,
            empty.as_ref().unwrap_or(&current),
            &self.config.timeouts,
            &self.state.roster,
            &self.state.as_lender(),
        ))
    }

    /// Gives the pool backends at these endpoints instead of those that it has. Backends that stay
    /// keep their state, their checks and their turns. New ones start slowly, if the pool has a
    /// slow start, and are checked at once; those that left get no new requests, and are forgotten
    /// when their last request has ended.
    ///
    /// # Errors
    ///
    /// Pingora's error if it cannot take the backends over; not known to happen.
    pub async fn change_members(&self, endpoints: &[Endpoint], now: Instant) -> Result<()> {
        self.state.change(self.membership_at(endpoints), now).await
    }

    /// Checks the backends until shutdown: all of them at the interval of the configuration, and
    /// new ones once as soon as they come.
    pub(super) async fn run(&self, shutdown: ShutdownWatch) {
        tokio::select! {
            () = self.balancer.run(shutdown) => {}
            () = self.check_new_members() => {}
        }
    }

    async fn check_new_members(&self) {
        let Some(check) = &self.config.health_check else { return std::future::pending().await };
        loop {
            self.state.joined.notified().await;
            let unchecked = self.state.membership().unchecked();
            let roster = Arc::clone(&self.state.roster);
            let check = ActiveCheck::new(check.clone(), self.policy, roster);
            // An error comes only from a source of backends that fails, and this one does not.
            let _ = check_once(Box::new(check), unchecked).await;
        }
    }

    /// The name of the pool: its key in the configuration.
    #[must_use]
    pub fn name(&self) -> &PoolName {
        &self.config.name
    }

    /// When a failed request goes to another backend.
    #[must_use]
    pub fn retry(&self) -> &Retry {
        &self.config.retry
    }

    /// The budget of its retries.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.state.budget
    }

    /// The counts of the pool.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.state.counts
    }

    /// Bytes of a body that are read before its request gets a backend; `None` for none.
    #[must_use]
    pub fn request_buffer(&self) -> Option<NonZeroUsize> {
        self.config.request_buffer
    }

    /// How long its backends may take.
    #[must_use]
    pub fn timeouts(&self) -> &Timeouts {
        &self.config.timeouts
    }

    /// How long the first byte of an answer may take before a retry is the better bet; `None` if no
    /// limit is learned.
    #[must_use]
    pub fn learned_limit(&self) -> Option<Duration> {
        let is_learned = self.config.timeouts.response == ResponseTimeout::Auto;
        is_learned.then(|| self.state.first_byte.limit())
    }

    /// Whether a request that came now would get no backend, even if no backend were full.
    #[must_use]
    pub fn is_unavailable(&self, now: Instant) -> bool {
        self.state.roster.is_unavailable(now)
    }

    /// Whether the first check of every backend has ended, as it has where checks are off.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        self.state.membership().is_checked()
    }

    /// Requests in flight on the backend at this address.
    #[must_use]
    pub fn active(&self, address: &Address) -> usize {
        self.state.membership().get(address).map_or(0, |member| member.backend.active())
    }

    /// Requests that wait for a backend.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.state.queue.len()
    }

    /// Seconds after which a client that was turned away may try again.
    #[must_use]
    pub fn retry_after(&self, unavailable: Unavailable) -> u64 {
        let check = self.config.health_check.as_ref();
        match unavailable {
            Unavailable::NoneEligible => check.map_or(1, |check| check.interval.as_secs().max(1)),
            Unavailable::Full | Unavailable::QueueTimeout => 1,
        }
    }

    /// Picks and claims a backend for an attempt.
    ///
    /// # Errors
    ///
    /// [`Unavailable::NoneEligible`], or [`Unavailable::Full`] if it is worth waiting.
    pub fn pick(&self, request: &PickRequest<'_>, now: Instant) -> Result<Lease, Unavailable> {
        // A new request does not overtake the requests in line.
        if self.queued() > 0 { Err(Unavailable::Full) } else { self.state.pick(request, now) }
    }

    /// Waits in the queue for a free backend; `deadline` may be before the queue's own.
    ///
    /// # Errors
    ///
    /// [`Unavailable::Full`] if the queue is full, [`Unavailable::QueueTimeout`] if the wait was
    /// too long.
    pub async fn wait(
        &self,
        request: PickRequest<'_>,
        deadline: Option<Instant>,
        now: Instant,
    ) -> Result<Lease, Unavailable> {
        let limits = &self.config.queue;
        let until = now + limits.timeout;
        let until = deadline.map_or(until, |deadline| deadline.min(until));
        let wait = self.state.counts.queue.arrived(now);
        let request = request.into_owned();
        let waited = self.state.queue.wait(limits.size, request, until, &*self.state).await;
        wait.ended(&waited);
        waited
    }

    fn is_timed(&self) -> bool {
        self.config.algorithm == Algorithm::Ewma
    }
}

impl PreparedPool {
    /// Applies the configuration to the backends: which exist, which drain, and their limits.
    ///
    /// # Errors
    ///
    /// As for [`Pool::change_members`].
    pub async fn take_effect(self, now: Instant) -> Result<Arc<Pool>> {
        self.pool.state.change(self.membership, now).await?;
        Ok(self.pool)
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("name", &self.config.name).finish_non_exhaustive()
    }
}

fn policy(config: &config::Pool) -> Policy {
    let check = config.health_check.clone().unwrap_or_default();
    Policy {
        rise: check.rise.get(),
        fall: check.fall.get(),
        checked: config.health_check.is_some(),
        ejection: config.ejection,
        panic_threshold: config.panic_threshold,
    }
}
