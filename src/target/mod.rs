//! The target of a route: filters, which see each request and its answer on the way, and an action,
//! which decides how the request is served.
//!
//! A target is rebuilt with each configuration. State that must outlive a reload belongs to the
//! route and is kept by the [`RouteRegistry`], which keeps nothing from the configuration.

mod filter;
mod registry;
mod server_timing;

use std::sync::Arc;

pub use filter::{Filter, RequestFacts};
pub use registry::{RouteRegistry, RouteState};
pub use server_timing::AnswerTimes;

use crate::http1::Fields;
use crate::pool::Pool;

/// The target of a route.
#[derive(Debug)]
pub struct Target {
    /// The filters, in the order in which they see a request.
    filters: Vec<Filter>,
    action: Action,
    state: Arc<RouteState>,
}

/// How a request is served.
#[derive(Debug)]
pub enum Action {
    /// A backend of this pool answers it.
    Pool(Arc<Pool>),
}

impl Target {
    /// A target with these filters, in the order in which they see a request.
    #[must_use]
    pub fn new(filters: Vec<Filter>, action: Action, state: Arc<RouteState>) -> Self {
        Self { filters, action, state }
    }

    /// How a request is served.
    #[must_use]
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// The state of its route, which outlives reloads.
    #[must_use]
    pub fn state(&self) -> &RouteState {
        &self.state
    }

    /// Passes a request through the filters. Each attempt needs its own copy of the fields as
    /// received, because filters add to it.
    pub fn on_request(&self, sent: &mut Fields, facts: &RequestFacts<'_>) {
        self.filters.iter().for_each(|filter| filter.on_request(sent, facts));
    }

    /// Passes the fields of a final answer through the filters, the last one first.
    pub fn on_response(&self, fields: &mut Fields, times: impl Fn() -> Option<AnswerTimes>) {
        self.filters.iter().rev().for_each(|filter| filter.on_response(fields, &times));
    }
}
