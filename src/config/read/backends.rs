//! The backends of a pool.

use crate::config::{
    document::{Cursor, Firsts, Section},
    keys::pools::{ADDRESS, BACKEND_MAX_CONNECTIONS, BACKEND_WEIGHT, BACKENDS, BACKUP, DRAIN},
    model::{BackendAddress, BackendSpec},
    values::backend_item,
};

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
    item.item((&ADDRESS, backend_item), "a backend with its address", read).flatten()
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
