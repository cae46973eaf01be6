//! Reads the routes.

use crate::config::{
    document::{Cursor, Firsts, Section},
    keys::listeners::{HOST, PATH, POOL, ROUTES},
    model::{HostPattern, PathPrefix, Pool, PoolName, Route},
    wording::{nearest, quoted},
};

/// Reads the routes; `pools` has all pools with a name, even if the rest of them is invalid.
pub(super) fn read(cursor: &Cursor<'_>, pools: &[(Pool, Cursor<'_>)]) -> Vec<Route> {
    let Some(items) = cursor.filled_list(ROUTES.expected) else { return Vec::new() };
    let mut firsts = Firsts::default();
    let routes: Vec<Route> =
        items.iter().filter_map(|item| route(item, pools, &mut firsts)).collect();
    for (pool, cursor) in pools {
        if !routes.iter().any(|route| route.pool == pool.name) {
            cursor.warning("no route leads to this pool, so it gets no requests");
        }
    }
    routes
}

fn route(
    item: &Cursor<'_>,
    pools: &[(Pool, Cursor<'_>)],
    firsts: &mut Firsts<(Option<HostPattern>, PathPrefix)>,
) -> Option<Route> {
    let read = |keys: &mut Section<'_>| {
        let host = keys.setting(&HOST);
        let path = keys.setting(&PATH.key);
        let is_wrong = host.is_wrong() || path.is_wrong();
        let (host, path) = (host.given(), path.given().unwrap_or_else(PATH.default));
        if !is_wrong && let Some(first) = firsts.earlier((host.clone(), path.clone()), item) {
            let message = format!(
                "has the same host and path as {first} (the first one would get every request: \
                 remove one, or change its host or path)"
            );
            item.problem(message);
        }
        let pool = keys.required(&POOL, "write \"pool:\" and the name of a pool")?;
        Some(Route { host, path, pool: known_pool(&pool, pools)? })
    };
    item.item((&POOL, |text| format!("pool: {}", text.trim())), "a route with its pool", read)
        .flatten()
}

fn known_pool(cursor: &Cursor<'_>, pools: &[(Pool, Cursor<'_>)]) -> Option<PoolName> {
    let Some(text) = cursor.text() else { return cursor.value(&POOL.kind) };
    let names: Vec<&str> = pools.iter().map(|(pool, _)| pool.name.as_str()).collect();
    // If there is no pool at all, that has been reported already.
    if names.is_empty() || names.contains(&text) {
        return Some(PoolName::new(text));
    }
    let hint = match nearest(text, names.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("the pools are {}", names.join(", ")),
    };
    cursor.problem(format!("no pool is named {} ({hint})", quoted(text)));
    None
}
