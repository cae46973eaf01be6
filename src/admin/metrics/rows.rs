//! What a scrape copies before it writes: a row for each series' labels, with the counts of one moment.

use std::sync::Arc;

use crate::backend::{BackendNames, Eligibility};
use crate::config::{HostPattern, PoolName, Route};
use crate::count::StatusClass;
use crate::generation::{Current, Generation};
use crate::in_flight::InFlight;
use crate::pool::{BackendView, Pool};
use crate::readiness::Readiness;
use crate::target::Target;

/// The process as a whole.
pub(super) struct Process {
    pub(super) current: Arc<Current>,
    pub(super) generation: Arc<Generation>,
    pub(super) readiness: Arc<Readiness>,
    pub(super) in_flight: InFlight,
}

/// A route with the values of its labels, and its counts when the scrape began.
pub(super) struct RouteRow {
    pub(super) host: String,
    pub(super) path: String,
    pub(super) responses: [u64; StatusClass::ALL.len()],
}

impl RouteRow {
    pub(super) fn new(route: &Route, target: &Target) -> Self {
        Self {
            host: route.host.as_ref().map(HostPattern::to_string).unwrap_or_default(),
            path: route.path.as_str().to_owned(),
            responses: target.state().responses(),
        }
    }
}

/// A pool, and the number of its backends in each state.
pub(super) struct PoolView {
    pub(super) pool: Arc<Pool>,
    pub(super) states: [u32; Eligibility::WORDS.len()],
}

impl PoolView {
    pub(super) fn new<'a>(
        pool: Arc<Pool>,
        eligibilities: impl Iterator<Item = &'a Eligibility>,
    ) -> Self {
        let mut states = [0; Eligibility::WORDS.len()];
        for eligibility in eligibilities {
            let state = eligibility.to_string();
            let place = Eligibility::WORDS.iter().position(|word| *word == state);
            if let Some(count) = place.and_then(|place| states.get_mut(place)) {
                *count += 1;
            }
        }
        Self { pool, states }
    }
}

/// A backend with the names for its series.
pub(super) struct BackendRow {
    pub(super) pool: PoolName,
    pub(super) names: Arc<BackendNames>,
    pub(super) view: BackendView,
}
