//! The backends of a pool.

use crate::config::{
    document::{Cursor, Firsts, Section},
    keys::pools::{ADDRESS, BACKEND_MAX_CONNECTIONS, BACKEND_WEIGHT, BACKENDS, BACKUP, DRAIN},
    model::{BackendAddress, BackendSpec},
};

/// The advice about a key of a backend that is written at the pool.
const BELONGS: &str = "belongs to a backend (write it beside the backend's address)";
const BELONGS_RENAMED: &str =
    "belongs to a backend, as max_connections (write it beside the backend's address)";

/// Keys of a backend that are written at the pool, some under their names in other balancers.
pub(super) const OF_A_BACKEND: [(&str, &str); 6] = [
    ("weight", BELONGS),
    ("backup", BELONGS),
    ("drain", BELONGS),
    ("max_connections", BELONGS),
    ("max_conns", BELONGS_RENAMED),
    ("maxconn", BELONGS_RENAMED),
];

/// Keys that nginx has for each backend, and `lb` for a pool.
pub(super) const OF_EJECTION: [(&str, &str); 2] = [
    (
        "max_fails",
        "is not a known key (the pool's ejection does this: write \"ejection: { failures: 5 }\")",
    ),
    (
        "fail_timeout",
        "is not a known key (the pool's ejection does this: write \"ejection: { base: 30s }\")",
    ),
];

pub(super) fn read(cursor: &Cursor<'_>) -> Vec<BackendSpec> {
    let mut firsts = Firsts::default();
    let items = cursor.filled_list(BACKENDS.expected).into_iter().flatten();
    let backends: Vec<_> = items.filter_map(|item| backend(&item, &mut firsts)).collect();
    warn(cursor, &backends);
    backends
}

fn backend(item: &Cursor<'_>, firsts: &mut Firsts<BackendAddress>) -> Option<BackendSpec> {
    let read = |keys: &mut Section<'_>| {
        // The address is read last, so that problems of the other keys are reported without one
        // too.
        let weight = keys.get(&BACKEND_WEIGHT);
        let backup = keys.get(&BACKUP);
        let drain = keys.get(&DRAIN);
        let max_connections = keys.given(&BACKEND_MAX_CONNECTIONS);
        keys.refuse(&OF_EJECTION);
        let cursor = keys.required(&ADDRESS, "write \"address: 127.0.0.1:9001\"")?;
        let address = cursor.value(&ADDRESS.kind)?;
        if let Some(first) = firsts.earlier(address.clone(), &cursor) {
            cursor.problem(format!(
                "{address} is already given by {first} (for a greater share, give it a weight)"
            ));
        }
        let origin = cursor.origin();
        Some(BackendSpec { address, weight, backup, drain, max_connections, origin })
    };
    item.item(&ADDRESS, "a backend with its address", read).flatten()
}

/// Warns of settings that make sense for one backend, and not for all of them.
fn warn(cursor: &Cursor<'_>, backends: &[BackendSpec]) {
    if backends.is_empty() {
        return;
    }
    if backends.iter().all(|backend| backend.drain) {
        cursor.warning("every backend has drain: true, so all requests are answered with 503");
    } else if backends.iter().all(|backend| backend.backup) {
        cursor.warning(
            "every backend has backup: true, which is the same as none (remove it from those that \
             are to serve first)",
        );
    }
}
