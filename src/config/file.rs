//! The top of the file: listeners, routes, and what holds for the whole process.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;

use super::{
    access_log,
    addresses::{BLOCK, HOST_PATTERN, PATH_PREFIX, POOL_NAME, listen_on},
    admin,
    cursor::{Cursor, Firsts, Section},
    defaults,
    model::{
        BodyLimits, ClientLimits, Config, HostPattern, Listener, MinRate, PathPrefix, Pool,
        PoolName, Route,
    },
    pools, process,
    rate::RATE,
    values::{DURATION, PAUSE, THREADS, TRACEPARENT, TRUTH},
    wording::{nearest, quoted},
};

/// Stands in for a listener's address that is wrong.
const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Reads the whole tree. Beside it comes the admin listener, which is not in the configuration
/// before its token is known.
pub(super) fn read(root: &Cursor<'_>) -> (Config, Option<admin::Written>) {
    let expected = "a mapping with listeners, routes and pools";
    root.section(expected, config).unwrap_or_else(|| (nothing(), None))
}

fn nothing() -> Config {
    Config {
        listeners: Vec::new(),
        routes: Vec::new(),
        pools: Vec::new(),
        access_log: None,
        traceparent: defaults::TRACEPARENT,
        server_timing: defaults::SERVER_TIMING,
        trusted_proxies: Vec::new(),
        threads: None,
        admin: None,
        process: defaults::PROCESS,
    }
}

fn config(top: &mut Section<'_>) -> (Config, Option<admin::Written>) {
    let listeners = top.required("listeners", "write \"listeners: [{ address: 0.0.0.0:8080 }]\"");
    // Pools before routes: what is missing in one is told by the names in the other.
    let routes = top.optional("routes");
    let pools = top.required("pools", pools::EXAMPLE);
    let pools = pools.map(|cursor| pools::read(&cursor)).unwrap_or_default();
    if routes.is_none() {
        let name = pools.first().map_or("web", |(pool, _)| pool.name.as_str());
        top.required("routes", &format!("write \"routes: [{{ pool: {name} }}]\""));
    }
    let mut taken = Firsts::default();
    let listeners = listeners.map(|cursor| read_listeners(&cursor, &mut taken));
    let access_log = access_log::read(top);
    let admin = admin::read(top, &mut taken);
    let config = Config {
        listeners: listeners.unwrap_or_default(),
        routes: routes.map(|cursor| read_routes(&cursor, &pools)).unwrap_or_default(),
        pools: pools.into_iter().map(|(pool, _)| pool).collect(),
        admin: None,
        process: process::read(top, access_log.as_ref()),
        access_log,
        traceparent: top.setting("traceparent", &TRACEPARENT).or(defaults::TRACEPARENT),
        server_timing: top.setting("server_timing", &TRUTH).or(defaults::SERVER_TIMING),
        trusted_proxies: trusted_proxies(top),
        threads: top.setting("threads", &THREADS).or(None),
    };
    (config, admin)
}

fn read_listeners(cursor: &Cursor<'_>, taken: &mut Firsts<SocketAddr>) -> Vec<Listener> {
    let expected = "a list of listeners, each starting with \"- address: 0.0.0.0:8080\"";
    let items = cursor.filled_list(expected).into_iter().flatten();
    items.filter_map(|item| listener(&item, taken)).collect()
}

fn listener(item: &Cursor<'_>, taken: &mut Firsts<SocketAddr>) -> Option<Listener> {
    item.section_with("address", "a listener with its address", |keys| {
        let address = keys.required("address", "write \"address: 0.0.0.0:8080\"");
        let address = address.and_then(|cursor| listen_on(&cursor, taken));
        Listener { address: address.unwrap_or(ANYWHERE), client: client_limits(keys) }
    })
}

fn client_limits(keys: &mut Section<'_>) -> ClientLimits {
    let read = |keys: &mut Section<'_>| ClientLimits {
        header: keys.setting("header", &DURATION).or(defaults::CLIENT.header),
        keepalive: keys.setting("keepalive", &DURATION).or(defaults::CLIENT.keepalive),
        write: keys.setting("write", &DURATION).or(defaults::CLIENT.write),
        body: body_limits(keys),
    };
    keys.optional("client")
        .and_then(|cursor| cursor.section("a mapping such as { header: 10s }", read))
        .unwrap_or(defaults::CLIENT)
}

fn body_limits(keys: &mut Section<'_>) -> BodyLimits {
    let read = |keys: &mut Section<'_>| {
        let idle = keys.setting("idle", &PAUSE).or(defaults::CLIENT.body.idle);
        let rate = keys.setting("min_rate", &RATE).or(Some(defaults::BODY_MIN_RATE));
        let after = keys.setting("min_rate_after", &DURATION).or(defaults::BODY_MIN_RATE_AFTER);
        let min_rate = rate.map(|bytes| MinRate { bytes, after });
        BodyLimits { idle, min_rate }
    };
    keys.optional("body")
        .and_then(|cursor| cursor.section("a mapping such as { idle: 30s }", read))
        .unwrap_or(defaults::CLIENT.body)
}

/// `pools` are all that have a name, however wrong the rest of them is.
fn read_routes(cursor: &Cursor<'_>, pools: &[(Pool, Cursor<'_>)]) -> Vec<Route> {
    let expected = "a list of routes, each starting with \"- pool: web\" or \"- host: …\"";
    let Some(items) = cursor.filled_list(expected) else { return Vec::new() };
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
        let host = keys.setting("host", &HOST_PATTERN);
        let path = keys.setting("path", &PATH_PREFIX);
        let is_wrong = host.is_wrong() || path.is_wrong();
        let (host, path) = (host.given(), path.or(PathPrefix("/".into())));
        if !is_wrong && let Some(first) = firsts.earlier((host.clone(), path.clone()), item) {
            let message = format!(
                "has the same host and path as {first} (the first one would get every request: \
                 remove one, or change its host or path)"
            );
            item.problem(message);
        }
        let pool = keys.required("pool", "write \"pool:\" and the name of a pool")?;
        Some(Route { host, path, pool: known_pool(&pool, pools)? })
    };
    item.section_with("pool", "a route with its pool", read).flatten()
}

fn known_pool(cursor: &Cursor<'_>, pools: &[(Pool, Cursor<'_>)]) -> Option<PoolName> {
    let Some(text) = cursor.text() else { return cursor.value(&POOL_NAME) };
    let names: Vec<&str> = pools.iter().map(|(pool, _)| pool.name.as_str()).collect();
    // Without any pool there is a problem already, and it is not this one.
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

fn trusted_proxies(top: &mut Section<'_>) -> Vec<IpNet> {
    let Some(cursor) = top.optional("trusted_proxies") else { return Vec::new() };
    let items = cursor.list("a list of address blocks such as [10.0.0.0/8]");
    items.into_iter().flatten().filter_map(|item| item.value(&BLOCK)).collect()
}
