//! The report: what became of each statement, for people.

use std::fmt;

use super::ledger::{Entry, Verdict};

/// What became of the statements of a configuration, in the order of reading.
///
/// Prints a line for each verdict except "translated", and a summary.
#[derive(Debug, Clone)]
pub struct Report {
    name: String,
    entries: Vec<Entry>,
    problem: Option<String>,
}

/// The numbers of statements; one with several verdicts counts for the worst.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Statements that are in the configuration.
    pub translated: usize,
    /// Statements that need no counterpart.
    pub not_needed: usize,
    /// Statements that are in the configuration and work in another way.
    pub changed: usize,
    /// Statements that are not in the configuration.
    pub left_out: usize,
}

impl Report {
    pub(super) fn new(name: &str, entries: Vec<Entry>) -> Self {
        Self { name: name.to_owned(), entries, problem: None }
    }

    /// Notes why there is no configuration.
    pub(super) fn fail(&mut self, problem: &str) {
        self.problem = Some(problem.to_owned());
    }

    /// Returns the numbers of statements.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for entry in &self.entries {
            let worst = entry.verdicts.iter().max_by_key(|verdict| rank(verdict));
            let count = match worst {
                Some(Verdict::LeftOut(_)) => &mut summary.left_out,
                Some(Verdict::Changed(_)) => &mut summary.changed,
                Some(Verdict::NotNeeded(_)) => &mut summary.not_needed,
                Some(Verdict::Translated) | None => &mut summary.translated,
            };
            *count += entry.statements;
        }
        summary
    }

    /// The lines at the top of the configuration: its origin, and what is missing or works in
    /// another way.
    pub(super) fn header(&self) -> Vec<String> {
        let mut lines = vec![
            format!(
                "Made by lb convert from {}; the comments name the lines that settings come from.",
                self.name
            ),
            "A setting that is not here has lb's default: see conf/reference.yaml.".to_owned(),
        ];
        for (heading, rank_shown) in [("Left out:", 3), ("Works in another way:", 2)] {
            let found: Vec<String> = self.lines(false, |verdict| rank(verdict) == rank_shown);
            if !found.is_empty() {
                lines.push(heading.to_owned());
                lines.extend(found.into_iter().map(|line| format!("  {line}")));
            }
        }
        lines
    }

    /// A line for each of these verdicts, with the word for it if that is wanted.
    fn lines(&self, has_word: bool, is_shown: impl Fn(&Verdict) -> bool) -> Vec<String> {
        let lines = |entry: &Entry| {
            let shown = entry.verdicts.iter().filter(|verdict| is_shown(verdict));
            shown.filter_map(|verdict| line(entry, verdict, has_word)).collect::<Vec<_>>()
        };
        self.entries.iter().flat_map(lines).collect()
    }
}

/// How much a verdict asks of the reader.
fn rank(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Translated => 0,
        Verdict::NotNeeded(_) => 1,
        Verdict::Changed(_) => 2,
        Verdict::LeftOut(_) => 3,
    }
}

fn line(entry: &Entry, verdict: &Verdict, has_word: bool) -> Option<String> {
    let (word, reason) = match verdict {
        Verdict::Translated => return None,
        Verdict::NotNeeded(reason) => ("not needed: ", reason),
        Verdict::Changed(reason) => ("changed: ", reason),
        Verdict::LeftOut(reason) => ("left out: ", reason),
    };
    let is_whole = entry.statements > 1;
    let is_long = is_whole && entry.last_line > entry.place.line;
    let last = if is_long { format!("-{}", entry.last_line) } else { String::new() };
    let word = if has_word { word } else { "" };
    let brace = if is_whole { " …" } else { "" };
    Some(format!("{}{last}: {word}`{}{brace}`: {reason}", entry.place, entry.text))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.lines(true, |_| true) {
            writeln!(f, "{line}")?;
        }
        let Summary { translated, not_needed, changed, left_out } = self.summary();
        let total = translated + not_needed + changed + left_out;
        write!(
            f,
            "{}: {total} {}: {translated} translated, {not_needed} not needed, {changed} changed, \
             {left_out} left out",
            self.name,
            if total == 1 { "statement" } else { "statements" }
        )?;
        match &self.problem {
            Some(problem) => write!(f, "\n{}: no configuration: {problem}", self.name),
            None => Ok(()),
        }
    }
}
