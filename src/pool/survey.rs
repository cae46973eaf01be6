//! A pool as somebody sees it who looks without touching, and what an operator does to it.

use std::{cell::RefCell, sync::Arc, time::Instant};

use super::{Member, Pool};
use crate::backend::{Address, Backend, Eligibility, Event, OperatorAction, Roster};
use crate::balance::{self, REHEARSAL};
use crate::config::{self, Algorithm};
use crate::discovery::Endpoint;
use crate::state_log::{self, ChangeCause};

/// What is to be seen of one backend of a pool at one instant.
#[derive(Debug)]
pub struct BackendView<'a> {
    /// Its live state.
    pub backend: &'a Arc<Backend>,
    /// As configured.
    pub endpoint: &'a Endpoint,
    /// Whether it may get a request.
    pub eligibility: Eligibility,
    /// What slow start leaves of its share, from 0 to 1.
    pub share: f64,
}

impl BackendView<'_> {
    /// As configured, or as an operator has set it.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.backend.weight().unwrap_or_else(|| self.endpoint.weight.get().into())
    }

    /// The same, less what slow start takes from it.
    #[must_use]
    pub fn weight_in_effect(&self) -> f64 {
        self.weight() as f64 * self.share
    }
}

/// Why an order was not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// No backend of the pool has this address.
    #[error("the pool has no such backend")]
    UnknownBackend,
    /// There is no ejection to end.
    #[error("it is not ejected")]
    NotEjected,
    /// It would take out the last backend that can take requests; only a drain may do that.
    #[error("nobody else of its pool can take requests (to take it out all the same, drain it)")]
    LastBackend,
}

impl Pool {
    /// All that it was built from.
    #[must_use]
    pub fn config(&self) -> &config::Pool {
        &self.config
    }

    /// What happens to its backends.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Its backends, in the order of the configuration.
    pub fn backends(&self, now: Instant) -> impl Iterator<Item = BackendView<'_>> {
        let slow_start = self.config.slow_start.unwrap_or_default();
        self.endpoints.iter().filter_map(move |endpoint| {
            let backend = &self.members.get(&endpoint.address)?.backend;
            let eligibility = backend.eligibility(now);
            let share = balance::share(backend.serving_since(), slow_start, now);
            Some(BackendView { backend, endpoint, eligibility, share })
        })
    }

    /// Whom a request would be offered, in this order, if it came now and refused each.
    #[must_use]
    pub fn rehearse(&self) -> Vec<Address> {
        let offered = RefCell::new(vec![]);
        self.balancer.select_with(REHEARSAL, usize::MAX, |candidate, _| {
            offered
                .borrow_mut()
                .extend(candidate.addr.as_inet().map(|address| Address::Tcp(*address)));
            false
        });
        offered.into_inner()
    }

    /// The backend whose probe a request would be, if it came now.
    #[must_use]
    pub fn next_probe(&self, repeatable: bool, now: Instant) -> Option<Address> {
        self.roster.next_probe(repeatable, now)
    }

    /// What its algorithm compares, the lowest first, and what that is; `None` where it takes turns.
    #[must_use]
    pub fn score(&self, seen: &BackendView<'_>, now: Instant) -> Option<f64> {
        let weight = seen.weight_in_effect();
        match self.config.algorithm {
            Algorithm::RoundRobin => None,
            Algorithm::LeastConn => Some(seen.backend.active() as f64 / weight),
            Algorithm::Ewma => Some(balance::expected_millis(seen.backend, weight, now)),
        }
    }

    /// Does as an operator says to the backend at this address. `by` says who asked. What is so
    /// already is no error.
    ///
    /// # Errors
    ///
    /// When there is nothing that it could be done to.
    pub fn order(
        &self,
        address: &Address,
        order: OperatorAction,
        by: &str,
        now: Instant,
    ) -> Result<(), OrderError> {
        let backend = &self.members.get(address).ok_or(OrderError::UnknownBackend)?.backend;
        let is_another = |member: &Arc<Member>| !Arc::ptr_eq(&member.backend, backend);
        let mut others = self.members.values().filter(|member| is_another(member));
        if matches!(order, OperatorAction::Eject(_)) && !others.any(|other| other.backend.is_open())
        {
            return Err(OrderError::LastBackend);
        }
        let changes = self.roster.apply(backend, Event::Operator(order), &self.policy, now);
        if changes.is_empty() && order == OperatorAction::Readmit {
            return Err(OrderError::NotEjected);
        }
        state_log::record(&self.roster, &changes, ChangeCause::Operator(by), now);
        Ok(())
    }
}
