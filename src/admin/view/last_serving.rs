//! What a pool loses with one of its backends: the warning before a drain or an ejection is made of this,
//! on the page and in the terminal.

use crate::admin::view;

/// The backends of a pool that serve: those that are eligible, and those that are full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Serving {
    primaries: usize,
    backups: usize,
}

impl Serving {
    pub(super) fn of(backends: &[view::Backend]) -> Self {
        let serving = |backup: bool| {
            let is_one = |one: &&view::Backend| one.backup == backup && serves(one);
            backends.iter().filter(is_one).count()
        };
        Self { primaries: serving(false), backups: serving(true) }
    }

    /// What is lost without this backend of the pool: `backend` if no other one serves, `primary` if only
    /// backups do.
    pub(super) fn last(self, backend: &view::Backend) -> Option<&'static str> {
        if !serves(backend) {
            return None;
        }
        match (self.primaries + self.backups, self.primaries) {
            (1, _) => Some("backend"),
            (_, 1) if !backend.backup => Some("primary"),
            _ => None,
        }
    }
}

fn serves(backend: &view::Backend) -> bool {
    matches!(backend.state.as_str(), "eligible" | "full")
}
