//! The backends of a pool.

use super::{
    addresses::BACKEND_ADDRESS,
    cursor::{Cursor, Firsts, Section},
    model::{BackendAddress, BackendSpec, Weight},
    values::{MAX_CONNECTIONS, TRUTH, WEIGHT},
};

/// Said where a key of one backend stands beside all of them.
const BELONGS: &str = "belongs to a backend (write it beside the backend's address)";
const BELONGS_RENAMED: &str =
    "belongs to a backend, as max_connections (write it beside the backend's address)";

/// Keys of a backend that are written at the pool, some as other balancers name them.
pub(super) const OF_A_BACKEND: [(&str, &str); 6] = [
    ("weight", BELONGS),
    ("backup", BELONGS),
    ("drain", BELONGS),
    ("max_connections", BELONGS),
    ("max_conns", BELONGS_RENAMED),
    ("maxconn", BELONGS_RENAMED),
];

/// What nginx has for each backend, and a pool here.
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
    let expected = "a list of backends, each starting with \"- address: 127.0.0.1:9001\"";
    let mut firsts = Firsts::default();
    let items = cursor.filled_list(expected).into_iter().flatten();
    let backends: Vec<_> = items.filter_map(|item| backend(&item, &mut firsts)).collect();
    warn(cursor, &backends);
    backends
}

fn backend(item: &Cursor<'_>, firsts: &mut Firsts<BackendAddress>) -> Option<BackendSpec> {
    let read = |keys: &mut Section<'_>| {
        // The address last: the other keys are read, and judged, without one too.
        let weight = keys.setting("weight", &WEIGHT).or(Weight::MIN);
        let backup = keys.setting("backup", &TRUTH).or(false);
        let drain = keys.setting("drain", &TRUTH).or(false);
        let max_connections = keys.setting("max_connections", &MAX_CONNECTIONS).given();
        keys.refuse(&OF_EJECTION);
        let cursor = keys.required("address", "write \"address: 127.0.0.1:9001\"")?;
        let address = cursor.value(&BACKEND_ADDRESS)?;
        if let Some(first) = firsts.earlier(address.clone(), &cursor) {
            cursor.problem(format!(
                "{address} is already given by {first} (for a greater share, give it a weight)"
            ));
        }
        let origin = cursor.origin();
        Some(BackendSpec { address, weight, backup, drain, max_connections, origin })
    };
    item.section_with("address", "a backend with its address", read).flatten()
}

/// What each backend may say, and all of them together hardly mean.
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
