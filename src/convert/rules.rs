//! From rules in order to routes of which the most specific wins.
//!
//! Other balancers ask their rules one after the other, and some have rules for each listener. `lb`
//! has one table for all listeners, in which the host decides before the path. So the rules of a
//! listener are asked for each pair of a host and a path that the table can tell apart, and the
//! answers are its routes. What one table cannot say is a finding.

use std::{cmp::Reverse, collections::BTreeSet};

use super::{
    ledger::Verdict,
    site::{Host, Listener, Pool, Rule, Site},
    statement::{Id, Place},
};

/// A route of `lb`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) host: Host,
    pub(super) path: String,
    /// The index of a pool.
    pub(super) pool: usize,
    /// The statement that it comes from.
    pub(super) by: Id,
    pub(super) place: Place,
}

/// The routes, and what they cannot say, each with the statement that it is about.
pub(super) fn settle(listeners: &[Listener], pools: &[Pool]) -> (Vec<Route>, Vec<(Id, Verdict)>) {
    let tables: Vec<Vec<Answer<'_>>> =
        listeners.iter().map(|listener| answers(&listener.rules)).collect();
    let mut routes: Vec<Route> = Vec::new();
    for answer in tables.iter().flatten() {
        add(&mut routes, answer);
    }
    let mut findings = Vec::new();
    for (listener, table) in listeners.iter().zip(&tables) {
        let serves_nothing = listener.rules.iter().all(|rule| rule.pool.is_none());
        if listener.redirect_to_https || (listener.rules.is_empty() && listeners.len() == 1) {
            continue;
        }
        compare(listener, table, &routes, pools, &mut findings);
        if !serves_nothing || listener.rules.is_empty() {
            reachable_elsewhere(listener, &routes, pools, &mut findings);
        }
    }
    findings.extend(without_route(listeners, &routes, &findings));
    (routes, findings)
}

/// The rules that need no route: of each statement that leads to a pool, has become no route, and about
/// which nothing else is to be said.
fn without_route(
    listeners: &[Listener],
    routes: &[Route],
    findings: &[(Id, Verdict)],
) -> Vec<(Id, Verdict)> {
    let mut known: BTreeSet<Id> = routes.iter().map(|route| route.by).collect();
    known.extend(findings.iter().map(|(id, _)| *id));
    let rules = listeners.iter().flat_map(|listener| &listener.rules);
    let mut found = Vec::new();
    let has_route = |rule: &&Rule| {
        let same = |route: &Route| route.host == rule.host && route.path == rule.path;
        routes.iter().any(|route| same(route) && Some(route.pool) == rule.pool)
    };
    known.extend(rules.clone().filter(has_route).map(|rule| rule.by));
    for rule in rules.filter(|rule| rule.pool.is_some()) {
        if !known.insert(rule.by) {
            continue;
        }
        let route = find(routes, &rule.host, &rule.path);
        let reason = match route.is_some_and(|route| Some(route.pool) == rule.pool) {
            true => "it needs no route of its own: its requests go to this pool anyway",
            false => "no request reaches it: rules before it take them all",
        };
        found.push((rule.by, Verdict::NotNeeded(reason.to_owned())));
    }
    found
}

/// The statements with names that need no route, because requests for these hosts are answered like
/// those for any other.
pub(super) fn without_need(site: &Site, routes: &[Route]) -> Vec<(Id, Verdict)> {
    let of_tls = site.listeners.iter().filter_map(|listener| listener.tls.as_ref());
    let of_tls: BTreeSet<&str> =
        of_tls.flat_map(|tls| &tls.hosts).map(|(host, _)| host.as_str()).collect();
    let is_unused = |host: &Host| {
        let name = host.written();
        name.is_some_and(|name| !of_tls.contains(name.as_str()))
            && !routes.iter().any(|route| route.host == *host)
    };
    let mut ids: Vec<Id> = site.names.iter().map(|(id, _)| *id).collect();
    ids.dedup();
    let verdict = |id: Id| {
        let all: Vec<&Host> =
            site.names.iter().filter(|(other, _)| *other == id).map(|(_, host)| host).collect();
        let unused: Vec<String> =
            all.iter().filter(|host| is_unused(host)).filter_map(|host| host.written()).collect();
        let which = match unused.len() {
            0 => return None,
            number if number == all.len() => String::new(),
            _ => format!("{}: ", unused.join(", ")),
        };
        let it = if unused.len() == 1 { "it" } else { "them" };
        let reason = format!(
            "{which}no route names {it}: requests for {it} are answered like those for any other host"
        );
        Some((id, Verdict::NotNeeded(reason)))
    };
    ids.into_iter().filter_map(verdict).collect()
}

/// What the rules of one listener say about requests for this host below this path.
struct Answer<'a> {
    host: Host,
    path: String,
    rule: &'a Rule,
}

fn answers(rules: &[Rule]) -> Vec<Answer<'_>> {
    let hosts: BTreeSet<&Host> = rules.iter().map(|rule| &rule.host).collect();
    let mut answers = Vec::new();
    // From the least specific host on, so that what a more specific one repeats is seen.
    for host in hosts {
        let about: Vec<&Rule> = rules.iter().filter(|rule| covers(&rule.host, host)).collect();
        let mut paths: Vec<&str> = about.iter().map(|rule| rule.path.as_str()).collect();
        paths.sort_by_key(|path| (path.len(), *path));
        paths.dedup();
        for path in paths {
            let first = about.iter().find(|rule| is_below(&rule.path, path));
            let Some(rule) = first else { continue };
            answers.push(Answer { host: host.clone(), path: path.to_owned(), rule });
        }
    }
    answers
}

/// Adds a route, unless the routes say the same without it.
fn add(routes: &mut Vec<Route>, answer: &Answer<'_>) {
    let Some(pool) = answer.rule.pool else { return };
    let has_place = |route: &&Route| route.host == answer.host && route.path == answer.path;
    if routes.iter().any(|route| has_place(&route)) {
        return;
    }
    let is_own = answer.rule.host == answer.host && answer.rule.path == answer.path;
    let same = match is_own {
        true => in_host(routes, &answer.host, &answer.path),
        false => find(routes, &answer.host, &answer.path),
    };
    if same.is_some_and(|route| route.pool == pool) {
        return;
    }
    let (host, path) = (answer.host.clone(), answer.path.clone());
    let (by, place) = (answer.rule.by, answer.rule.place.clone());
    routes.push(Route { host, path, pool, by, place });
}

/// Finds what a listener says otherwise than the routes.
fn compare(
    listener: &Listener,
    table: &[Answer<'_>],
    routes: &[Route],
    pools: &[Pool],
    findings: &mut Vec<(Id, Verdict)>,
) {
    let name = |pool: usize| pools.get(pool).map_or("", |pool| pool.name.as_str());
    let hosts: BTreeSet<&Host> = routes.iter().map(|route| &route.host).collect();
    for answer in table {
        let found = find(routes, &answer.host, &answer.path);
        let found = found.map(|route| route.pool);
        if found == answer.rule.pool {
            continue;
        }
        let Some(found) = found else { continue };
        let requests = requests(&answer.host, &answer.path);
        let verdict = match answer.rule.pool {
            Some(pool) => Verdict::LeftOut(format!(
                "on {} {requests} belong to pool {}, and a route of another listener sends them to pool \
                 {}: lb's routes hold for all listeners (run a second lb for this one)",
                listener.address,
                name(pool),
                name(found)
            )),
            None => Verdict::Changed(format!("{requests} go to pool {}", name(found))),
        };
        findings.push((answer.rule.by, verdict));
    }
    // Hosts that only other listeners have take requests from a rule for any host.
    for host in hosts.into_iter().filter(|host| !table.iter().any(|answer| answer.host == **host)) {
        let first = listener.rules.iter().find(|rule| covers(&rule.host, host) && rule.path == "/");
        let taken = routes.iter().find(|route| route.host == *host);
        if let (Some(rule), Some(route)) = (first, taken)
            && rule.pool.is_some_and(|pool| pool != route.pool)
        {
            let requests = requests(host, &route.path);
            let text = format!(
                "on {} {requests} go to pool {} as well: lb's routes hold for all listeners",
                listener.address,
                name(route.pool)
            );
            findings.push((rule.by, Verdict::Changed(text)));
        }
    }
}

/// Finds pools that other listeners serve and this one did not.
fn reachable_elsewhere(
    listener: &Listener,
    routes: &[Route],
    pools: &[Pool],
    findings: &mut Vec<(Id, Verdict)>,
) {
    let Some(by) = listener.rules.first().map(|rule| rule.by) else { return };
    let own: BTreeSet<usize> = listener.rules.iter().filter_map(|rule| rule.pool).collect();
    let all: BTreeSet<usize> = routes.iter().map(|route| route.pool).collect();
    let names: Vec<&str> = all
        .difference(&own)
        .filter_map(|pool| pools.get(*pool))
        .map(|it| it.name.as_str())
        .collect();
    if !names.is_empty() {
        let text = format!(
            "clients of {} reach the pools of other listeners, too: {} (run a second lb if they must \
             not)",
            listener.address,
            names.join(", ")
        );
        findings.push((by, Verdict::Changed(text)));
    }
}

fn requests(host: &Host, path: &str) -> String {
    let below = if path == "/" { String::new() } else { format!(" below {path}") };
    match host {
        Host::Any if path == "/" => "requests for other hosts and paths".to_owned(),
        Host::Any => format!("requests{below}"),
        Host::Suffix(suffix) => format!("requests for *{suffix}{below}"),
        Host::Exact(host) => format!("requests for {host}{below}"),
    }
}

/// The route of a request, as `lb` finds it.
fn find<'a>(routes: &'a [Route], host: &Host, path: &str) -> Option<&'a Route> {
    let mut hosts: Vec<&Host> =
        routes.iter().map(|route| &route.host).filter(|it| covers(it, host)).collect();
    // The most specific one first: an exact host, then the longest suffix.
    hosts.sort_by_key(|it| Reverse(length(it)));
    hosts.into_iter().find_map(|it| in_host(routes, it, path))
}

fn length(host: &Host) -> usize {
    match host {
        Host::Any => 0,
        Host::Suffix(suffix) => suffix.len(),
        // An exact host is as long as no suffix that covers it.
        Host::Exact(host) => 1 + host.len(),
    }
}

/// The route of this host, and of no other, for this path.
fn in_host<'a>(routes: &'a [Route], host: &Host, path: &str) -> Option<&'a Route> {
    let here = routes.iter().filter(|route| route.host == *host && is_below(&route.path, path));
    here.max_by_key(|route| route.path.len())
}

/// Whether all hosts of `inner` are hosts of `outer`.
fn covers(outer: &Host, inner: &Host) -> bool {
    match (outer, inner) {
        (Host::Any, _) => true,
        (Host::Suffix(outer), Host::Suffix(inner) | Host::Exact(inner)) => inner.ends_with(outer),
        (Host::Exact(outer), Host::Exact(inner)) => outer == inner,
        _ => false,
    }
}

/// Whether a path is the prefix or below it.
pub(super) fn is_below(prefix: &str, path: &str) -> bool {
    let rest = path.strip_prefix(prefix);
    prefix == "/" || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
