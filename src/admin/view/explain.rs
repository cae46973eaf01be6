//! Explains how a request would be served now, by the same routing, predicate and algorithm as a
//! real one. It changes nothing.

use std::{net::IpAddr, sync::Arc, time::Instant};

use http::Method;

use super::{
    entrance::{self, Scheme},
    state_reason::StateReason,
};
use crate::admin::view;
use crate::backend::{Address, Eligibility};
use crate::balance::Rehearsal;
use crate::config::{Algorithm, HostPattern, Retry, RetryMethods, Word as _};
use crate::generation::{Current, Generation};
use crate::pool::{BackendView, Pool};
use crate::retry;
use crate::target::Action;

/// The question as the client writes it; a missing part has a default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::admin) struct ExplainQuery {
    pub(in crate::admin) method: Option<String>,
    pub(in crate::admin) host: Option<String>,
    pub(in crate::admin) path: Option<String>,
    pub(in crate::admin) query: Option<String>,
    pub(in crate::admin) scheme: Option<String>,
    pub(in crate::admin) client: Option<String>,
}

/// The request that is to be explained. It was never sent.
#[derive(Debug, Clone)]
pub(in crate::admin) struct SampleRequest {
    pub(super) method: Method,
    pub(super) host: Option<String>,
    /// Without its query.
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) scheme: Option<Scheme>,
    /// The port behind the host.
    pub(super) port: Option<u16>,
    pub(super) client: Option<IpAddr>,
}

impl SampleRequest {
    /// Reads the question. Without a method it is GET, without a path `/`.
    ///
    /// # Errors
    ///
    /// A sentence that says which part is malformed.
    pub(in crate::admin) fn parse(query: &ExplainQuery) -> Result<Self, String> {
        let method = query.method.as_deref().unwrap_or("GET");
        let path = query.path.as_deref().unwrap_or("/");
        if !path.starts_with('/') {
            return Err(format!("path must start with \"/\", found {path:?}"));
        }
        let scheme = query.scheme.as_deref().filter(|scheme| !scheme.is_empty());
        let scheme = scheme.map(Scheme::parse).transpose()?;
        let host = query.host.clone().filter(|host| !host.is_empty());
        let port = host.as_deref().map(entrance::port_behind).transpose()?.flatten();
        let client = query.client.as_deref().filter(|client| !client.is_empty());
        let malformed = |client: &str| format!("client must be an IP address, found {client:?}");
        Ok(Self {
            method: method
                .parse()
                .map_err(|_| format!("method must be an HTTP method, found {method:?}"))?,
            host,
            path: path.to_owned(),
            query: query.query.clone(),
            scheme,
            port,
            client: client
                .map(|client| client.parse().map_err(|_| malformed(client)))
                .transpose()?,
        })
    }
}

/// Explains how the request would be served.
pub(in crate::admin) fn explain(
    current: &Current,
    request: &SampleRequest,
    now: Instant,
) -> view::Explanation {
    let generation = current.pin();
    let mut explanation = view::Explanation {
        listeners: vec![],
        redirects: vec![],
        route: None,
        pool: None,
        repeatable: false,
        client: request.client.map(|client| client.to_string()),
        candidates: vec![],
        chosen: None,
        by_chance: false,
        summary: "no route matches: the answer would be 404".to_owned(),
    };
    let listeners = match entrance::of(&generation.config.listeners, (request.scheme, request.port))
    {
        Ok(listeners) => listeners,
        Err(reason) => return view::Explanation { summary: reason, ..explanation },
    };
    explanation.listeners = listeners.iter().map(|it| it.address.to_string()).collect();
    let https_port = generation.config.https_port();
    let query = request.query.as_ref().map_or_else(String::new, |query| format!("?{query}"));
    let path = format!("{}{query}", request.path);
    let asked = (request.scheme, request.host.as_deref());
    explanation.redirects = entrance::redirects(&listeners, https_port, asked, &path);
    if explanation.redirects.len() == listeners.len() {
        explanation.summary = entrance::sentence(&explanation.redirects);
        return explanation;
    }
    explain_route(&mut explanation, &generation, request, now);
    if !explanation.redirects.is_empty() {
        let redirects = entrance::sentence(&explanation.redirects);
        explanation.summary = format!("{}; but {redirects}", explanation.summary);
    }
    explanation
}

fn explain_route(
    explanation: &mut view::Explanation,
    generation: &Generation,
    request: &SampleRequest,
    now: Instant,
) {
    let route = generation.route(request.host.as_deref(), &request.path);
    let Some((index, target)) = route else { return };
    let Action::Pool(pool) = target.action();
    explanation.route = route_at(generation, index);
    explanation.pool = Some(pool.name().as_str().to_owned());
    explanation.repeatable = is_repeatable(request, &pool.config().retry);
    explain_choice(explanation, pool, now);
}

fn route_at(generation: &Generation, index: usize) -> Option<view::Route> {
    let route = generation.config.routes.get(index)?;
    Some(view::Route {
        host: route.host.as_ref().map(HostPattern::to_string),
        path: route.path.as_str().to_owned(),
        index,
    })
}

/// Whether the request would be retried after an attempt that may have reached a backend.
fn is_repeatable(request: &SampleRequest, retry: &Retry) -> bool {
    let may_be = request.method.is_idempotent() || retry.methods == RetryMethods::All;
    let on = &retry.on;
    may_be && retry.attempts.get() > 1 && (on.reset || on.timeout || !on.statuses.is_empty())
}

fn explain_choice(explanation: &mut view::Explanation, pool: &Arc<Pool>, now: Instant) {
    let Rehearsal { offered, by_chance } = pool.rehearse();
    let seen: Vec<_> = pool.backends(now).collect();
    let place =
        |one: &BackendView| offered.iter().position(|address| *address == one.endpoint.address);
    let mut candidates: Vec<_> =
        seen.iter().map(|one| candidate(pool, one, place(one), now)).collect();
    candidates.sort_by_key(|candidate| candidate.backup);
    explanation.candidates = candidates;
    let may_probe = retry::may_probe(&pool.config().retry, 0, explanation.repeatable);
    let probe = pool.next_probe(may_probe, now);
    let is_full = |one: &BackendView| one.eligibility == Eligibility::Full;
    let is_out = |one: &&BackendView| !one.eligibility.is_eligible() && !is_full(one);
    let out = seen.iter().filter(is_out).count();
    let algorithm = pool.config().algorithm;
    explanation.by_chance = by_chance && probe.is_none();
    let waits = pool.queued() > 0 || (offered.is_empty() && seen.iter().any(is_full));
    let has_place = pool.queued() < pool.config().queue.size;
    explanation.chosen = probe.clone().or_else(|| offered.first().cloned()).filter(|_| !waits);
    let name = pool.name();
    let mut of = format!("{out} of {} backends of pool {name} are out", seen.len());
    if pool.roster().is_panic() {
        of += "; panic: too many backends are unhealthy, health checks are ignored";
    }
    let label = |address: &Address| {
        let own = seen.iter().find(|one| one.endpoint.address == *address);
        own.map_or_else(|| address.to_string(), |own| own.backend.names().to_string())
    };
    explanation.summary = match (probe.as_ref().map(label), offered.first().map(label)) {
        _ if waits && has_place => {
            format!("it would wait in the queue, behind {} others; {of}", pool.queued())
        }
        _ if waits => {
            format!("every backend is full, and so is the queue: the answer would be 503; {of}")
        }
        (Some(probe), _) => {
            format!("it would be the probe that shows whether {probe} works again; {of}")
        }
        (None, Some(first)) => {
            format!("it would go to {first}, by {}; {of}", algorithm.word())
        }
        (None, None) => format!("no backend could take it: the answer would be 503; {of}"),
    };
}

fn candidate(
    pool: &Pool,
    seen: &BackendView,
    place: Option<usize>,
    now: Instant,
) -> view::Candidate {
    let why = StateReason::of(seen, now);
    let (score, score_is) = match pool.config().algorithm {
        Algorithm::RoundRobin => {
            (place.map(|place| (place + 1) as f64), "its place in the rotation")
        }
        Algorithm::LeastConn => (pool.score(seen, now), "active / weight"),
        Algorithm::Ewma => (pool.score(seen, now), "expected milliseconds × (active + 1) / weight"),
    };
    view::Candidate {
        name: seen.endpoint.name.to_string(),
        address: seen.endpoint.address.clone(),
        state: seen.eligibility.to_string(),
        since: why.since,
        since_ms: why.since_ms,
        reason: why.reason,
        until: why.until,
        for_ms: why.for_ms,
        backup: seen.endpoint.backup,
        weight_in_effect: seen.weight_in_effect(),
        active: seen.backend.active(),
        score: score.filter(|_| place.is_some()),
        score_is: score_is.to_owned(),
    }
}
