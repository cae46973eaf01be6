//! The answers to `lb explain` and to changes, as text for people.

use super::{
    args::ExplainArguments,
    table::{painted, style},
};
use crate::admin::view::{Backend, Candidate, Explanation, Route};
use crate::cli::figures;

/// An explanation: the answer in a sentence, then the facts behind it.
pub(super) fn explanation(asked: &ExplainArguments, answer: &Explanation) -> String {
    let mut text = format!("{}\n\n", figures::sentence(&answer.summary));
    let mut say = |name: &str, value: &str| text.push_str(&format!("  {name:<10}{value}\n"));
    let (method, url) = (&asked.method, &asked.url);
    let query = url.query.as_ref().map_or_else(String::new, |query| format!("?{query}"));
    let (scheme, host) = (url.scheme.unwrap_or("http"), figures::visible(&url.host));
    say("request", &format!("{method} {scheme}://{host}{}{query}", url.path));
    if !answer.listeners.is_empty() {
        say("listeners", &answer.listeners.join(", "));
    }
    for redirect in &answer.redirects {
        let location = redirect.location.as_deref().unwrap_or("no host to redirect to");
        say("redirect", &format!("{}: {} {location}", redirect.listener, redirect.status));
    }
    // A listener that redirects asks for no route.
    if answer.redirects.len() < answer.listeners.len() {
        say("route", &answer.route.as_ref().map_or_else(|| "none matches".to_owned(), route));
    }
    if let Some(pool) = &answer.pool {
        say("pool", pool);
        let retries = if answer.repeatable {
            "on another backend, after any failure before the response begins"
        } else {
            "only if the request certainly did not reach a backend"
        };
        say("retries", retries);
    }
    if let Some(client) = &answer.client {
        say("client", client);
    }
    if !answer.candidates.is_empty() {
        text.push('\n');
    }
    let widest = answer.candidates.iter().map(|one| one.label().len()).max().unwrap_or(0);
    for candidate in &answer.candidates {
        let mark = if answer.chosen.as_ref() == Some(&candidate.address) { "→" } else { " " };
        let label = candidate.label();
        text.push_str(&format!("{mark} {label:<widest$}  {}\n", standing(candidate)));
    }
    if answer.by_chance && answer.chosen.is_some() {
        text.push_str(
            "\nThe algorithm draws at random: the next request may go to another backend.\n",
        );
    }
    text
}

fn route(route: &Route) -> String {
    let host = route.host.as_ref().map_or_else(|| "any host".to_owned(), |it| format!("host {it}"));
    format!("routes[{}]: {host}, path {}", route.index, route.path)
}

fn standing(candidate: &Candidate) -> String {
    let state = painted(style(&candidate.state), &figures::state(&candidate.state));
    let state = match candidate.since_ms.map(figures::age) {
        // An ejection is an event; the other states last.
        Some(age) if candidate.state == "ejected" => format!("{state} {age} ago"),
        Some(age) => format!("{state} for {age}"),
        None => state,
    };
    let until = figures::until(candidate.until.as_deref(), candidate.for_ms);
    let why = [candidate.reason.clone(), until].into_iter().flatten().collect::<Vec<_>>();
    let state = if why.is_empty() { state } else { format!("{state}: {}", why.join(", ")) };
    let score = candidate.score.map(|score| {
        let what = &candidate.score_is;
        let what = if what.is_empty() { String::new() } else { format!(" ({what})") };
        format!("score {}{what}", figures::plain(score))
    });
    let backup = candidate.backup.then(|| "backup".to_owned());
    let active = format!("{} active", candidate.active);
    let weight = format!("weight {}", figures::plain(candidate.weight_in_effect));
    let parts = [Some(state), backup, score, Some(active), Some(weight)];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// A line with the state of a backend after a change.
pub(super) fn changed(backend: &Backend) -> String {
    let Backend { pool, active, .. } = backend;
    let label = backend.label();
    let state = painted(style(&backend.state), &figures::state(&backend.state));
    let remarks = figures::remarks(backend);
    let remarks = if remarks.is_empty() { remarks } else { format!(" ({remarks})") };
    let weight = figures::weight(backend);
    format!("{label} of pool {pool} is {state}{remarks}, {active} active, weight {weight}")
}
