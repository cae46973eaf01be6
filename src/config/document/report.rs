//! The list of an input's problems and warnings.
//!
//! Reading never stops at a problem. It adds the problem to this list and goes on with a stand-in, so
//! that one run shows all of them.

use std::cell::RefCell;
#[cfg(test)]
use std::collections::BTreeSet;

use crate::config::{origin::Origin, problem::Problem};

/// The problems and warnings found so far.
#[derive(Debug, Default)]
pub(in crate::config) struct Report {
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
    /// The paths of the definitions that were read.
    #[cfg(test)]
    pub(in crate::config) read: RefCell<BTreeSet<&'static str>>,
}

impl Report {
    pub(in crate::config) fn add(&self, origin: Origin, message: impl Into<String>) {
        self.problems.borrow_mut().push(Problem::new(origin, message));
    }

    /// Whether there is a problem so far.
    pub(in crate::config) fn has_problems(&self) -> bool {
        !self.problems.borrow().is_empty()
    }

    /// Whether there is a problem of this key, or of a key in it.
    pub(in crate::config) fn has_problem_of(&self, key: &str) -> bool {
        let is_of = |own: &str| {
            own.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.problems.borrow().iter().any(|problem| is_of(&problem.origin.key))
    }

    /// Adds a warning.
    pub(in crate::config) fn warn(&self, origin: Origin, message: impl Into<String>) {
        self.warnings.borrow_mut().push(Problem::new(origin, message));
    }

    /// Adds all problems and warnings to those of another list.
    pub(in crate::config) fn move_to(self, other: &Self) {
        let (problems, warnings) = self.into_parts();
        other.problems.borrow_mut().extend(problems);
        other.warnings.borrow_mut().extend(warnings);
    }

    /// Returns the problems and the warnings as they were found.
    pub(in crate::config) fn into_parts(self) -> (Vec<Problem>, Vec<Problem>) {
        (self.problems.into_inner(), self.warnings.into_inner())
    }
}
