//! What is kept of routes whatever becomes of the configuration, as rosters keep what is known of
//! backends.
//!
//! A route is known by its host and path. Each kind of filter that has a state has a field of its own
//! in [`RouteState`], so that a state is found by route and filter and has the filter's own type.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use crate::config::{HostPattern, Route};
use crate::count::{Shards, StatusClass, StatusClassCounts};

/// The states of all routes.
#[derive(Debug, Default)]
pub struct RouteRegistry {
    states: Mutex<HashMap<RouteKey, Arc<RouteState>>>,
}

/// What tells one route from another: which requests it is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct RouteKey {
    host: Option<HostPattern>,
    path: String,
}

/// What is kept of one route.
#[derive(Debug, Default)]
pub struct RouteState {
    responses: Shards<StatusClassCounts>,
}

impl RouteRegistry {
    /// The state of this route: the one that is there, or a first one.
    pub fn state(&self, route: &Route) -> Arc<RouteState> {
        Arc::clone(self.states.lock().entry(RouteKey::of(route)).or_default())
    }

    /// Forgets the routes that are not among these.
    pub fn retain(&self, routes: &[Route]) {
        let kept: Vec<_> = routes.iter().map(RouteKey::of).collect();
        self.states.lock().retain(|route, _| kept.contains(route));
    }
}

impl RouteKey {
    fn of(route: &Route) -> Self {
        Self { host: route.host.clone(), path: route.path.as_str().to_owned() }
    }
}

impl RouteState {
    /// Counts a request that has ended.
    pub fn request_ended(&self, answered: StatusClass) {
        self.responses.mine().one(answered);
    }

    /// Requests that have ended, by what the client was answered, in the order of
    /// [`StatusClass::ALL`].
    #[must_use]
    pub fn responses(&self) -> [u64; StatusClass::ALL.len()] {
        StatusClassCounts::sum(self.responses.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{PathPrefix, PoolName};

    fn route(host: Option<&str>, path: &str) -> Route {
        Route {
            host: host.map(|host| HostPattern::Exact(host.into())),
            path: path.parse().unwrap(),
            pool: PoolName::new("web"),
        }
    }

    #[test]
    fn the_state_of_a_route_outlives_its_pool_and_is_its_own() {
        let registry = RouteRegistry::default();
        let before = route(Some("a"), "/");
        registry.state(&before).request_ended(StatusClass::of(200));
        let after = Route { pool: PoolName::new("api"), ..before };
        registry.retain(std::slice::from_ref(&after));
        assert_eq!(registry.state(&after).responses().iter().sum::<u64>(), 1);
        for other in [route(Some("b"), "/"), route(None, "/"), route(Some("a"), "/x")] {
            assert_eq!(registry.state(&other).responses().iter().sum::<u64>(), 0);
        }
    }

    #[test]
    fn a_route_that_left_the_configuration_is_forgotten() {
        let registry = RouteRegistry::default();
        let route = route(None, "/");
        registry.state(&route).request_ended(StatusClass::of(200));
        registry.retain(&[]);
        assert_eq!(registry.state(&route).responses().iter().sum::<u64>(), 0);
    }
}
