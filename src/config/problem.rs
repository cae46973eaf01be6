//! Problems of an input and their places, in the words that the user reads.

use std::{collections::HashMap, fmt, sync::Arc};

use super::{origin::Origin, wording::escaped};

/// One problem or warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The place of the problem.
    pub origin: Origin,
    /// The problem, the text found, and how to correct it; continues the origin, on one line.
    pub message: String,
}

impl Problem {
    /// A problem at a place. Line breaks and other control characters become escapes: advice repeats what
    /// was found.
    pub fn new(origin: Origin, message: impl Into<String>) -> Self {
        let message = message.into();
        let message = match message.contains(char::is_control) {
            true => escaped(&message, usize::MAX),
            false => message,
        };
        Self { origin, message }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)
    }
}

/// All problems of an input. Prints one problem per line, flags first, then by file and line, and the
/// number of problems at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Sorts the problems.
    #[must_use]
    pub fn new(mut problems: Vec<Problem>) -> Self {
        sort(&mut problems);
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

    /// Returns the files, and the flags if they have problems.
    fn sources(&self) -> String {
        let mut sources: Vec<&str> = Vec::new();
        for problem in &self.0 {
            let source = problem.origin.file.as_deref().unwrap_or("command line");
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
        // The flags come first as problems, and last as a source.
        sources.sort_by_key(|source| *source == "command line");
        match sources.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
            _ => sources.concat(),
        }
    }
}

/// Sorts by file, in the order in which the files appear, and then by line; flags come first.
pub(super) fn sort(problems: &mut [Problem]) {
    let mut ranks: HashMap<Arc<str>, usize> = HashMap::new();
    for problem in problems.iter() {
        if let Some(file) = &problem.origin.file {
            let next = ranks.len() + 1;
            ranks.entry(Arc::clone(file)).or_insert(next);
        }
    }
    problems.sort_by_key(|problem| {
        let rank = problem.origin.file.as_ref().and_then(|file| ranks.get(file)).copied();
        (rank.unwrap_or_default(), problem.origin.line)
    });
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
