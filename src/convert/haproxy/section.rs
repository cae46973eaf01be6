//! A section and the defaults that it inherits.

use crate::convert::{duration, ledger::Ledger, statement::Statement};
use std::time::Duration;

/// A frontend, backend or listen section.
#[derive(Debug, Clone)]
pub(super) struct Section<'a> {
    pub(super) statement: &'a Statement,
    /// The `defaults` that hold here, the nearest first.
    defaults: Vec<&'a Statement>,
}

/// All sections that requests go through, each with the `defaults` before it, or those that it names.
pub(super) fn sections(statements: &[Statement]) -> Vec<Section<'_>> {
    let mut latest: Option<usize> = None;
    let mut sections = Vec::new();
    for (at, statement) in statements.iter().enumerate() {
        match statement.name() {
            "defaults" => latest = Some(at),
            "frontend" | "backend" | "listen" => {
                let first = named_defaults(statements, at).or(latest);
                let defaults = first.map(|first| chain(statements, first)).unwrap_or_default();
                sections.push(Section { statement, defaults });
            }
            _ => {}
        }
    }
    sections
}

/// The `defaults` at this place, and those that it takes its own from.
fn chain(statements: &[Statement], first: usize) -> Vec<&Statement> {
    // Each one names one before it, so this ends.
    let places = std::iter::successors(Some(first), |at| named_defaults(statements, *at));
    places.filter_map(|at| statements.get(at)).collect()
}

/// The place of the `defaults` that the section at this place names (`from NAME`), which comes before it.
fn named_defaults(statements: &[Statement], at: usize) -> Option<usize> {
    let statement = statements.get(at)?;
    let from = statement.args().iter().position(|arg| arg == "from")?;
    let name = statement.arg(from + 1)?;
    let is_it = |it: &Statement| it.name() == "defaults" && it.arg(0) == Some(name);
    statements.iter().take(at).rposition(is_it)
}

impl<'a> Section<'a> {
    pub(super) fn name(&self) -> &'a str {
        self.statement.arg(0).unwrap_or_default()
    }

    /// The section's own lines that begin with this word.
    pub(super) fn own(&self, name: &'static str) -> impl Iterator<Item = &'a Statement> {
        self.statement.inner().iter().filter(move |it| it.name() == name)
    }

    /// The lines with this first word that the section takes from its defaults, the farthest first.
    pub(super) fn inherited(&self, name: &'static str) -> impl Iterator<Item = &'a Statement> {
        let lines: Vec<_> = self.defaults.iter().rev().flat_map(|it| it.inner()).collect();
        lines.into_iter().filter(move |it| it.name() == name)
    }

    /// The lines of the section and of its defaults, each from its last to its first, the nearest first.
    fn nearest(&self) -> impl Iterator<Item = &'a Statement> {
        let blocks = std::iter::once(self.statement).chain(self.defaults.iter().copied());
        blocks.flat_map(|block| block.inner().iter().rev())
    }

    /// The line that holds here, by its first words: the last one of the section, or of its defaults.
    pub(super) fn find(&self, words: &[&str]) -> Option<&'a Statement> {
        self.nearest().find(|it| begins(it, words))
    }

    /// Whether an option is on, here or by default.
    pub(super) fn has_option(&self, name: &str) -> Option<&'a Statement> {
        let is_one =
            |it: &&Statement| begins(it, &["option", name]) || begins(it, &["no", "option", name]);
        self.nearest().find(is_one).filter(|it| it.name() == "option")
    }

    /// `timeout NAME`, settled.
    pub(super) fn timeout(&self, name: &str, ledger: &mut Ledger) -> Option<Duration> {
        // The older keywords, such as `contimeout`, are one word.
        let older = match name {
            "connect" => "contimeout",
            "client" => "clitimeout",
            "server" => "srvtimeout",
            _ => "",
        };
        let statement = self.find(&["timeout", name]).or_else(|| self.find(&[older]))?;
        let time = duration::read(statement.args().last()?, "ms");
        match time {
            Some(time) if time.is_zero() => {
                ledger.not_needed(statement, "it is no limit, and lb has its own")
            }
            Some(time) if time > duration::LONGEST_TRY => {
                ledger.changed(
                    statement,
                    "12h: a limit of lb is at most a day, for all tries together",
                );
            }
            Some(_) => ledger.translated(statement),
            None => ledger.left_out(statement, "it is no length of time"),
        }
        time.filter(|time| !time.is_zero()).map(|time| time.min(duration::LONGEST_TRY))
    }

    /// Whether requests are HTTP here: HAProxy balances connections unless it is told otherwise.
    pub(super) fn is_http(&self, ledger: &mut Ledger) -> bool {
        let mode = self.find(&["mode"]);
        let is_http = mode.is_some_and(|it| it.has_arg("http"));
        if let Some(mode) = mode.filter(|_| is_http) {
            ledger.translated(mode);
        }
        is_http
    }
}

fn begins(statement: &Statement, words: &[&str]) -> bool {
    let is_it = |(at, word): (usize, &&str)| statement.words.get(at).is_some_and(|it| it == word);
    words.iter().enumerate().all(is_it)
}
