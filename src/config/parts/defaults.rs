//! Settings that all pools share: what a pool leaves out it takes from `defaults`.
//!
//! They are added to the tree before it is read, key by key, so that a pool may change one key of a
//! mapping and keep the others. A value keeps its place, so a problem that it causes in a pool names the
//! line in `defaults`.

use crate::config::{
    document::{Cursor, Entry, Node, Report, Value},
    keys::{
        Row,
        checks::{HEALTH_CHECK, TYPE},
        is_free,
        pools::{DEFAULTS, POOLS},
    },
    read,
};

/// Adds the defaults to every pool of the tree, unless they have a problem, which is then reported.
pub(super) fn share(root: &mut Node, report: &Report) {
    let Value::Mapping(entries) = &root.value else { return };
    let Some(defaults) = entries.iter().find(|entry| entry.key == DEFAULTS.name()) else { return };
    let alone = Report::default();
    read::defaults(&Cursor::root(root, &alone).below(defaults));
    let (problems, _) = alone.into_parts();
    if !problems.is_empty() {
        problems.into_iter().for_each(|problem| report.add(problem.origin, problem.message));
        return;
    }
    let Value::Mapping(shared) = defaults.node.value.clone() else { return };
    let shared: Vec<Entry> = shared.into_iter().filter(|entry| !is_free(&entry.key)).collect();
    let Value::Mapping(entries) = &mut root.value else { return };
    for entry in entries.iter_mut().filter(|entry| entry.key == POOLS.name()) {
        let Value::Mapping(pools) = &mut entry.node.value else { continue };
        for pool in pools {
            fill(&mut pool.node, &shared);
        }
    }
}

/// Adds the entries that a mapping leaves out.
fn fill(node: &mut Node, shared: &[Entry]) {
    let Value::Mapping(own) = &mut node.value else { return };
    for entry in shared {
        let Some(known) = own.iter_mut().find(|known| known.key == entry.key) else {
            own.push(entry.clone());
            continue;
        };
        if let Value::Mapping(shared) = &entry.node.value
            && !is_of_own_type(known)
        {
            fill(&mut known.node, shared);
        }
    }
}

/// Whether an entry is a check with a type of its own, to which the other keys belong.
fn is_of_own_type(entry: &Entry) -> bool {
    let Value::Mapping(keys) = &entry.node.value else { return false };
    entry.key == HEALTH_CHECK.name() && keys.iter().any(|entry| entry.key == TYPE.name())
}
