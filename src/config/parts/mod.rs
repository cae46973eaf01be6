//! The parts of a configuration that are written elsewhere than where they hold: included files, and the
//! defaults of pools.

mod defaults;
mod include;

use std::path::Path;

use super::{
    document::{Node, Report},
    outside::Outside,
};

/// Puts every part where it holds; `first` is the path of the file with this root.
pub(super) fn assemble(root: &mut Node, first: &Path, outside: &Outside, report: &Report) {
    include::include(root, first, outside, report);
    defaults::share(root, report);
}
