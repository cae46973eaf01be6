//! Reads the file by the definitions of keys into the model.

mod admin;
mod backends;
mod checks;
mod defaults;
mod listeners;
mod logs;
mod pools;
mod process;
mod retry;
mod routes;
mod tls;
mod tracing;

use super::{
    document::{Cursor, Firsts, Section, from_nothing},
    keys::{
        listeners::{LISTENERS, ROUTES},
        pools::{DEFAULTS, POOLS},
        process::{INCLUDE, SERVER_TIMING, TRACE, TRUSTED_PROXIES, UNAVAILABLE_PAGE, WORKERS},
    },
    model::{Config, ListenAddress},
};

pub(super) use pools::defaults;
pub(super) use process::unheard;

/// What is not a part of the configuration before something outside of the file was asked.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Its token may be in another file.
    pub(super) admin: Option<admin::Written>,
    /// The environment may add to it.
    pub(super) tracing: Option<tracing::Written>,
}

/// Reads the whole tree, and returns separately what is not complete yet.
pub(super) fn read(root: &Cursor<'_>) -> (Config, Pending) {
    let expected = "a mapping with listeners, routes and pools";
    root.section(expected, config).unwrap_or_else(|| (nothing(), Pending::default()))
}

/// A configuration without listeners, routes and pools, with all defaults.
pub(super) fn nothing() -> Config {
    from_nothing(|top| rest(top, &mut Firsts::default()).0)
}

fn config(top: &mut Section<'_>) -> (Config, Pending) {
    // Both are in their places already; this checks the form of the one, and knows the other.
    let _ = (top.list(&INCLUDE), top.optional(&DEFAULTS));
    let listeners = top.required(&LISTENERS, "write \"listeners: [{ address: 0.0.0.0:8080 }]\"");
    // Pools are read before routes, because messages about one of them name the other.
    let routes = top.optional(&ROUTES);
    let pools = top.required(&POOLS, pools::EXAMPLE);
    let pools = pools.map(|cursor| pools::read(&cursor)).unwrap_or_default();
    if routes.is_none() {
        let name = pools.first().map_or("web", |(pool, _)| pool.name.as_str());
        top.required(&ROUTES, &format!("write \"routes: [{{ pool: {name} }}]\""));
    }
    let mut taken = Firsts::default();
    let listeners = listeners.map(|cursor| listeners::read(&cursor, &mut taken));
    let (rest, pending) = rest(top, &mut taken);
    let config = Config {
        listeners: listeners.unwrap_or_default(),
        routes: routes.map(|cursor| routes::read(&cursor, &pools)).unwrap_or_default(),
        pools: pools.into_iter().map(|(pool, _)| pool).collect(),
        ..rest
    };
    (config, pending)
}

/// Reads the settings of the whole process.
fn rest(top: &mut Section<'_>, taken: &mut Firsts<ListenAddress>) -> (Config, Pending) {
    let access_log = logs::read(top);
    let pending = Pending { admin: admin::read(top, taken), tracing: tracing::read(top) };
    let config = Config {
        listeners: Vec::new(),
        routes: Vec::new(),
        pools: Vec::new(),
        admin: None,
        process: process::read(top, access_log.as_ref()),
        access_log,
        log_delivery: logs::delivery(top),
        traceparent: top.get(&TRACE),
        tracing: None,
        server_timing: top.get(&SERVER_TIMING),
        unavailable_page: top.given(&UNAVAILABLE_PAGE),
        trusted_proxies: top.list(&TRUSTED_PROXIES),
        threads: top.get(&WORKERS),
    };
    (config, pending)
}
