//! How a request would be served.

use serde::{Deserialize, Serialize};

use super::backend::label;
use crate::backend::Address;

/// How a request would be served: the answer of `GET /api/v1/explain`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The listeners that may take it, by the scheme and port of the URL; a route is for all of them.
    pub listeners: Vec<String>,
    /// Those of them that answer with a redirect, before a route is looked for.
    #[serde(default)]
    pub redirects: Vec<Redirect>,
    /// The first route that matches; `null` if none does, or if every listener answers with a redirect.
    pub route: Option<Route>,
    /// The pool of that route.
    pub pool: Option<String>,
    /// Whether it would be tried again after it may have been executed.
    pub repeatable: bool,
    /// The address that the request would be said to come from.
    pub client: Option<String>,
    /// Every backend of the pool, primaries first.
    pub candidates: Vec<Candidate>,
    /// The backend that would get it now. An algorithm that draws at random may choose another one for the
    /// next request; then `by_chance` is set.
    pub chosen: Option<Address>,
    /// See `chosen`.
    pub by_chance: bool,
    /// The answer in a sentence.
    pub summary: String,
}

/// The redirect of a listener to the same host and path over TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirect {
    /// The address of the listener.
    pub listener: String,
    /// The status: 308, or 400 for a request without a host.
    pub status: u16,
    /// Where it leads; `null` without a host.
    pub location: Option<String>,
}

/// A route, as configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The host; `null` for any.
    pub host: Option<String>,
    /// The path prefix.
    pub path: String,
    /// Its place in the configuration, from 0.
    pub index: usize,
}

/// A backend that might get the request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// As [`super::Backend::name`].
    pub name: String,
    /// As [`super::Backend::address`].
    pub address: Address,
    /// As [`super::Backend::state`].
    pub state: String,
    /// As [`super::Backend::since`].
    #[serde(default)]
    pub since: Option<String>,
    /// As [`super::Backend::since_ms`].
    #[serde(default)]
    pub since_ms: Option<u64>,
    /// As [`super::Backend::reason`].
    pub reason: Option<String>,
    /// As [`super::Backend::until`].
    pub until: Option<String>,
    /// As [`super::Backend::for_ms`].
    pub for_ms: Option<u64>,
    /// As [`super::Backend::backup`].
    pub backup: bool,
    /// As [`super::Backend::weight_in_effect`].
    pub weight_in_effect: f64,
    /// As [`super::Backend::active`].
    pub active: usize,
    /// The figure that the algorithm compares, the lowest first; `null` if the backend is not in
    /// service.
    pub score: Option<f64>,
    /// The meaning of the score.
    pub score_is: String,
}

impl Candidate {
    /// The same text as [`super::Backend::label`].
    #[must_use]
    pub fn label(&self) -> String {
        label(&self.name, &self.address)
    }
}
