//! Views of a pool, which do not change it, and orders of an operator, which do.

use std::{sync::Arc, time::Instant};

use super::{Pool, lease::Member};
use crate::backend::{Address, Backend, Eligibility, Event, OperatorAction, Roster};
use crate::balance::{self, Rehearsal};
use crate::config::{self, Algorithm};
use crate::discovery::Endpoint;
use crate::state_log::{self, ChangeCause};

/// The view of one backend of a pool at one instant.
#[derive(Debug)]
pub struct BackendView {
    /// Its live state.
    pub backend: Arc<Backend>,
    /// The endpoint as configured.
    pub endpoint: Endpoint,
    /// Whether it may get a request.
    pub eligibility: Eligibility,
    /// Since when that has been so, if it is known: see [`Backend::state`].
    pub since: Option<Instant>,
    /// The part of its share that slow start leaves, from 0 to 1.
    pub share: f64,
}

impl BackendView {
    /// The weight as configured, or as an operator has set it.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.backend.weight().unwrap_or_else(|| self.endpoint.weight.get().into())
    }

    /// The weight, reduced by slow start.
    #[must_use]
    pub fn weight_in_effect(&self) -> f64 {
        self.weight() as f64 * self.share
    }
}

/// Why an order was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// No backend of the pool has this address.
    #[error("the pool has no such backend")]
    UnknownBackend,
    /// There is no ejection to end.
    #[error("it is not ejected")]
    NotEjected,
    /// The order would take out the last backend that can take requests; only a drain may do that.
    #[error(
        "no other backend of its pool can take requests (to take it out all the same, drain it)"
    )]
    LastBackend,
}

impl Pool {
    /// The configuration that it was built from; its backends may have changed since.
    #[must_use]
    pub fn config(&self) -> &config::Pool {
        &self.config
    }

    /// The roster of its backends.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.state.roster
    }

    /// Its backends, in the order of the configuration.
    pub fn backends(&self, now: Instant) -> impl Iterator<Item = BackendView> + use<> {
        let slow_start = self.config.slow_start.unwrap_or_default();
        let membership = Arc::clone(&self.state.membership());
        (0..membership.members().len()).map(move |place| {
            let Member { backend, endpoint, .. } = &*membership.members()[place];
            let (eligibility, since) = backend.state(now);
            let share = balance::share(backend.serving_since(), slow_start, now);
            BackendView {
                backend: Arc::clone(backend),
                endpoint: endpoint.clone(),
                eligibility,
                since,
                share,
            }
        })
    }

    /// The backends that a request would be offered now. It changes nothing.
    #[must_use]
    pub fn rehearse(&self) -> Rehearsal {
        self.state.membership().balancer.rehearse()
    }

    /// The backend whose probe a request would be, if it came now.
    #[must_use]
    pub fn next_probe(&self, repeatable: bool, now: Instant) -> Option<Address> {
        self.state.roster.next_probe(repeatable, now)
    }

    /// The figure that the algorithm compares, the lowest first; `None` if backends take turns.
    #[must_use]
    pub fn score(&self, view: &BackendView, now: Instant) -> Option<f64> {
        let weight = view.weight_in_effect();
        match self.config.algorithm {
            Algorithm::RoundRobin => None,
            Algorithm::LeastConn => Some(view.backend.active() as f64 / weight),
            Algorithm::Ewma => Some(balance::expected_millis(&view.backend, weight, now)),
        }
    }

    /// Carries out an operator's action on the backend at this address. `by` names the operator. An
    /// action that changes nothing is no error.
    ///
    /// # Errors
    ///
    /// If the order cannot be carried out.
    pub fn order(
        &self,
        address: &Address,
        order: OperatorAction,
        by: &str,
        now: Instant,
    ) -> Result<(), OrderError> {
        let membership = self.state.membership();
        let backend = &membership.get(address).ok_or(OrderError::UnknownBackend)?.backend;
        let is_another = |member: &&Arc<Member>| !Arc::ptr_eq(&member.backend, backend);
        let mut others = membership.members().iter().filter(is_another);
        if matches!(order, OperatorAction::Eject(_)) && !others.any(|other| other.backend.is_open())
        {
            return Err(OrderError::LastBackend);
        }
        let changes = self.state.roster.apply(backend, Event::Operator(order), &self.policy, now);
        if changes.is_empty() && order == OperatorAction::Readmit {
            return Err(OrderError::NotEjected);
        }
        state_log::record(&self.state.roster, &changes, ChangeCause::Operator(by), now);
        Ok(())
    }
}
