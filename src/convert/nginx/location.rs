//! Locations: which paths go to which pool.

use super::{proxy, scope::Scope, upstream::Draft};
use crate::convert::{
    ledger::{Advice, Ledger},
    paths::{self, Kind, Pattern},
    rules::is_below,
    statement::Statement,
};

/// Where requests below a path go.
#[derive(Debug, Clone)]
pub(super) struct Place<'a> {
    pub(super) path: String,
    pub(super) kind: Kind,
    /// `None` for an answer that no pool gives.
    pub(super) pool: Option<usize>,
    pub(super) statement: &'a Statement,
}

/// The paths of a server, in the order in which nginx prefers them.
pub(super) fn places<'a>(server: &Scope<'a>, draft: &mut Draft<'a, '_>) -> Vec<Place<'a>> {
    let mut found = Vec::new();
    collect(server, server, draft, &mut found);
    // Of exact paths and regular expressions the first, then the longest prefix.
    found.sort_by_key(|place: &Place<'a>| {
        (
            place.kind,
            match place.kind {
                Kind::Prefix => usize::MAX - place.path.len(),
                _ => 0,
            },
        )
    });
    without_wide_exact(found, draft.ledger)
}

fn collect<'a>(
    server: &Scope<'a>,
    scope: &Scope<'a>,
    draft: &mut Draft<'a, '_>,
    found: &mut Vec<Place<'a>>,
) {
    for location in scope.own().iter().filter(|it| it.name() == "location") {
        let inner = scope.within(location.inner());
        let pattern = match paths::of_location(location.args()) {
            Ok(pattern) => {
                let key = "routes[].path";
                let valid = pattern
                    .prefixes
                    .iter()
                    .all(|path| draft.ledger.value(location, key, path).is_some());
                if !valid {
                    continue;
                }
                pattern
            }
            // A named location is settled by the one that leads to it.
            Err(_) if location.arg(0).is_some_and(|name| name.starts_with('@')) => continue,
            Err(reason) => {
                draft.ledger.left_out(location, reason);
                continue;
            }
        };
        let first = pattern.prefixes.first().map_or("/", String::as_str);
        let pool = pool_of(location, server, &inner, first, draft);
        match pool {
            // Whether an exact path can be a prefix is decided when all places are known.
            Some(_) if pattern.kind == Kind::Exact => {}
            Some(_) if pattern.difference.is_empty() => draft.ledger.translated(location),
            Some(_) => draft.ledger.changed(location, pattern.difference.clone()),
            None => {}
        }
        found.extend(of_pattern(&pattern, pool, location));
        collect(server, &inner, draft, found);
    }
}

fn of_pattern<'a>(
    pattern: &Pattern,
    pool: Option<usize>,
    statement: &'a Statement,
) -> Vec<Place<'a>> {
    let place = |path: &String| Place { path: path.clone(), kind: pattern.kind, pool, statement };
    pattern.prefixes.iter().map(place).collect()
}

/// The pool that a location leads to. Without one, the location is left out with the reason.
fn pool_of<'a>(
    location: &'a Statement,
    server: &Scope<'a>,
    scope: &Scope<'a>,
    path: &str,
    draft: &mut Draft<'a, '_>,
) -> Option<usize> {
    if let Some(proxy_pass) = scope.own().iter().find(|it| it.name() == "proxy_pass") {
        let pool = passed(proxy_pass, location, scope, path, draft);
        if pool.is_none() {
            draft.ledger.left_out(location, "its proxy_pass cannot be translated");
        }
        return pool;
    }
    let fallback = scope.own().iter().find(|it| it.name() == "try_files");
    if let Some(try_files) = fallback
        && let Some(name) = try_files.args().last().filter(|name| name.starts_with('@'))
        && let Some(named) =
            server.own().iter().find(|it| it.name() == "location" && it.arg(0) == Some(name))
    {
        let inner = server.within(named.inner());
        let proxy_pass = inner.own().iter().find(|it| it.name() == "proxy_pass")?;
        let pool = passed(proxy_pass, named, &inner, path, draft)?;
        draft.ledger.translated(named);
        draft.ledger.left_out(try_files, format!("lb serves no files: all requests go to {name}"));
        return Some(pool);
    }
    if location.inner().iter().any(|it| it.name() == "location") {
        return None;
    }
    let reason = location.inner().iter().find_map(|it| match super::advice(it) {
        Some(Advice::LeftOut(reason)) => Some(reason),
        _ => None,
    });
    draft.ledger.left_out(location, reason.unwrap_or("it sends no request to a backend"));
    None
}

/// The pool of a `proxy_pass`, in a location for this path.
fn passed<'a>(
    proxy_pass: &'a Statement,
    location: &Statement,
    scope: &Scope<'a>,
    path: &str,
    draft: &mut Draft<'a, '_>,
) -> Option<usize> {
    let written = proxy_pass.arg(0)?;
    let Some(url) = scope.expand(written, draft.ledger) else {
        let reason = "its address is in a variable, which lb does not have (write the address, or an \
                      upstream)";
        draft.ledger.left_out(proxy_pass, reason);
        return None;
    };
    let (host, uri) = match url.split_once("://") {
        Some(("http", rest)) if !rest.starts_with("unix:") => match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        },
        Some(("http", _)) => {
            draft.ledger.left_out(proxy_pass, "a backend of lb is host:port, not a Unix socket");
            return None;
        }
        _ => {
            draft.ledger.left_out(proxy_pass, "lb connects to backends over HTTP without TLS only");
            return None;
        }
    };
    let handling = proxy::handling(scope, draft.ledger);
    let pool = draft.find_or_make(proxy_pass, (host, path), handling)?;
    proxy::fields(scope, proxy_pass, draft.ledger);
    let own = location.args().last().map_or("/", String::as_str);
    if uri.is_empty() || uri == own {
        draft.ledger.translated(proxy_pass);
    } else {
        let reason = format!(
            "lb passes paths on as they came: backends get {own}… and got {uri}… (let them serve \
             below {own})"
        );
        draft.ledger.left_out(proxy_pass, reason);
    }
    Some(pool)
}

/// An exact path is a prefix in `lb`. Where that would take requests from another location, it is left
/// out.
fn without_wide_exact<'a>(places: Vec<Place<'a>>, ledger: &mut Ledger) -> Vec<Place<'a>> {
    let takes = |exact: &Place<'a>| {
        let below = places.iter().filter(|it| it.kind == Kind::Prefix && it.path == exact.path);
        below.map(|other| other.pool).find(|pool| *pool != exact.pool)
    };
    let is_root_alone = |exact: &Place<'a>| {
        exact.path == "/"
            && !places.iter().any(|it| it.kind != Kind::Exact && is_below(&it.path, "/"))
    };
    let mut kept = Vec::new();
    for place in &places {
        let is_exact = place.kind == Kind::Exact;
        if is_exact && (takes(place).is_some() || is_root_alone(place)) {
            let path = &place.path;
            let reason = format!(
                "a path of lb is a prefix: {path} cannot lead elsewhere than what is below it"
            );
            ledger.left_out(place.statement, reason);
        } else {
            if is_exact && place.pool.is_some() {
                ledger.changed(place.statement, paths::exact(&place.path).difference);
            }
            kept.push(place.clone());
        }
    }
    kept
}
