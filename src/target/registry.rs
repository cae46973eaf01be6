//! The state of routes that outlives the configuration, as rosters do for backends.
//!
//! A route is identified by its host and path. Each kind of filter with state has a field of its
//! own in [`RouteState`], so that the state is found by route and filter and has the filter's own
//! type.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::config::{HostPattern, Route};
use crate::count::{Shards, StatusClass, StatusClassCounts};

/// The states of all routes.
#[derive(Debug, Default)]
pub struct RouteRegistry {
    states: Mutex<HashMap<RouteKey, Arc<RouteState>>>,
}

/// The key of a route: the requests that it is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct RouteKey {
    host: Option<HostPattern>,
    path: String,
}

/// The state of one route.
#[derive(Debug, Default)]
pub struct RouteState {
    responses: Shards<StatusClassCounts>,
}

impl RouteRegistry {
    /// The state of this route; it is created if there is none.
    pub fn state(&self, route: &Route) -> Arc<RouteState> {
        self.state_of(RouteKey::of(route))
    }

    fn state_of(&self, route: RouteKey) -> Arc<RouteState> {
        Arc::clone(self.states.lock().entry(route).or_default())
    }

    /// Forgets the routes that are not among these.
    pub fn retain(&self, routes: &[Route]) {
        self.retain_only(&routes.iter().map(RouteKey::of).collect());
    }

    fn retain_only(&self, routes: &HashSet<RouteKey>) {
        self.states.lock().retain(|route, _| routes.contains(route));
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

    /// Requests that have ended, by the class of their status, in the order of
    /// [`StatusClass::ALL`].
    #[must_use]
    pub fn responses(&self) -> [u64; StatusClass::ALL.len()] {
        StatusClassCounts::sum(self.responses.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(host: Option<&str>, path: &str) -> RouteKey {
        RouteKey { host: host.map(|host| HostPattern::Exact(host.into())), path: path.to_owned() }
    }

    fn count(registry: &RouteRegistry, route: RouteKey) -> u64 {
        registry.state_of(route).responses().iter().sum()
    }

    #[test]
    fn the_state_of_a_route_outlives_its_configuration_and_is_its_own() {
        let registry = RouteRegistry::default();
        registry.state_of(route(Some("a"), "/")).request_ended(StatusClass::of(200));
        registry.retain_only(&HashSet::from([route(Some("a"), "/"), route(None, "/")]));
        assert_eq!(count(&registry, route(Some("a"), "/")), 1);
        for other in [route(Some("b"), "/"), route(None, "/"), route(Some("a"), "/x")] {
            assert_eq!(count(&registry, other), 0);
        }
    }

    #[test]
    fn a_route_that_left_the_configuration_is_forgotten() {
        let registry = RouteRegistry::default();
        registry.state_of(route(None, "/")).request_ended(StatusClass::of(200));
        registry.retain_only(&HashSet::new());
        assert_eq!(count(&registry, route(None, "/")), 0);
    }
}
