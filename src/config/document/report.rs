//! The list of an input's problems and warnings.
//!
//! Reading never stops at a problem. It adds the problem to this list and goes on with a stand-in, so
//! that one run shows all of them.

#[cfg(test)]
use std::collections::BTreeSet;
use std::{cell::RefCell, sync::Arc};

use crate::config::{origin::Origin, problem::Problem};

/// The problems and warnings found so far.
#[derive(Debug)]
pub(in crate::config) struct Report {
    pub(super) file: Arc<str>,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
    /// The paths of the definitions that were read.
    #[cfg(test)]
    pub(in crate::config) read: RefCell<BTreeSet<&'static str>>,
}

impl Report {
    pub(in crate::config) fn new(file: Arc<str>) -> Self {
        Self {
            file,
            problems: RefCell::default(),
            warnings: RefCell::default(),
            #[cfg(test)]
            read: RefCell::default(),
        }
    }

    pub(in crate::config) fn add(&self, origin: Origin, message: impl Into<String>) {
        self.problems.borrow_mut().push(Problem::new(origin, message));
    }

    /// Adds a problem of a line without naming a key.
    pub(in crate::config) fn add_line(&self, line: usize, message: impl Into<String>) {
        self.add(Origin::file(Arc::clone(&self.file), line), message);
    }

    /// Adds a warning.
    pub(in crate::config) fn warn(&self, origin: Origin, message: impl Into<String>) {
        self.warnings.borrow_mut().push(Problem::new(origin, message));
    }

    /// Returns the problems as they were found, and the warnings in file order.
    pub(in crate::config) fn into_parts(self) -> (Vec<Problem>, Vec<Problem>) {
        let mut warnings = self.warnings.into_inner();
        warnings.sort_by_key(|warning| warning.origin.line);
        (self.problems.into_inner(), warnings)
    }
}
