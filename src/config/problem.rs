//! Problems of an input and their places, in the words that the user reads.

use std::fmt;

use super::origin::Origin;

/// One problem or warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The place of the problem.
    pub origin: Origin,
    /// The problem, the text found, and how to correct it; continues the origin, on one line.
    pub message: String,
}

impl Problem {
    /// A problem at a place.
    pub fn new(origin: Origin, message: impl Into<String>) -> Self {
        Self { origin, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)
    }
}

/// All problems of an input. Prints one problem per line, flags first, then in file order, and the
/// number of problems at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Sorts the problems.
    #[must_use]
    pub fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.origin.line);
        Self(problems)
    }

    /// The problems in the order in which they are printed.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// Whether all of them are of flags, and none of a file.
    #[must_use]
    pub fn are_of_the_command_line(&self) -> bool {
        self.0.iter().all(|problem| problem.origin.file.is_none())
    }

    /// Returns the file or the flags, or both.
    fn sources(&self) -> String {
        let file = self.0.iter().find_map(|problem| problem.origin.file.as_deref());
        let flags = self.0.iter().any(|problem| problem.origin.file.is_none());
        match (file, flags) {
            (Some(file), true) => format!("{file} and command line"),
            (Some(file), false) => file.to_owned(),
            (None, _) => "command line".to_owned(),
        }
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.0 {
            writeln!(f, "{problem}")?;
        }
        let count = self.0.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        write!(f, "{}: {count} {noun}", self.sources())
    }
}

impl std::error::Error for Problems {}
