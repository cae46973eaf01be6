//! What a check has found.

use serde::Serialize;

/// How much a finding matters, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing is wrong.
    Fine,
    /// The check could not be made.
    Skipped,
    /// It may trouble requests under load, or later.
    Warning,
    /// It troubles requests at this moment, or a start or a reload would fail.
    Problem,
}

impl Level {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// What a check has found: one fact, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The name of the check.
    pub check: &'static str,
    /// How much it matters.
    pub level: Level,
    /// What was found, with its number, as a sentence.
    pub says: String,
    /// Where it was found: a file, or a place in the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// What mends it: a command, or a change and a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

impl Finding {
    /// A check that found nothing wrong.
    pub(super) fn fine(check: &'static str, says: impl Into<String>) -> Self {
        Self { check, level: Level::Fine, says: says.into(), place: None, mend: None }
    }

    /// A check that could not be made, for this reason.
    pub(super) fn skipped(check: &'static str, says: impl Into<String>) -> Self {
        Self { level: Level::Skipped, ..Self::fine(check, says) }
    }

    /// Something that may trouble requests, and what mends it.
    pub(super) fn warning(
        check: &'static str,
        says: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { level: Level::Warning, mend: Some(mend.into()), ..Self::fine(check, says) }
    }

    /// Something that troubles requests, and what mends it.
    pub(super) fn problem(
        check: &'static str,
        says: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { level: Level::Problem, mend: Some(mend.into()), ..Self::fine(check, says) }
    }

    /// The finding with its place.
    #[must_use]
    pub(super) fn at(self, place: impl Into<String>) -> Self {
        Self { place: Some(place.into()), ..self }
    }
}
