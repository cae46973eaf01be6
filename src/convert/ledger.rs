//! What became of each statement.
//!
//! Nothing may be lost without a word, so the ledger does not rely on the translators: a statement
//! that none of them has settled is left out, and says so.

use std::collections::HashMap;

use super::{
    statement::{Id, Place, Statement},
    yaml::one_line,
};
use crate::config;

/// What became of a statement, or of a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is in the configuration, or part of what is.
    Translated,
    /// It needs no counterpart: `lb` does this by itself, or it changes nothing of what `lb` does.
    NotNeeded(String),
    /// It is in the configuration, and works in another way.
    Changed(String),
    /// It is not in the configuration.
    LeftOut(String),
}

/// What is known about a statement that no translator has settled.
#[derive(Debug, Clone, Copy)]
pub(super) enum Advice {
    NotNeeded(&'static str),
    LeftOut(&'static str),
}

/// A verdict and the statement that it is about.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) id: Id,
    pub(super) place: Place,
    pub(super) last_line: usize,
    pub(super) text: String,
    /// The statements that share the verdict: the statement and those of a block that is left out as
    /// a whole.
    pub(super) statements: usize,
    pub(super) verdicts: Vec<Verdict>,
}

/// The verdicts so far.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    verdicts: HashMap<Id, Vec<Verdict>>,
}

impl Ledger {
    pub(super) fn translated(&mut self, statement: &Statement) {
        self.note(statement.id, Verdict::Translated);
    }

    pub(super) fn not_needed(&mut self, statement: &Statement, reason: impl Into<String>) {
        self.note(statement.id, Verdict::NotNeeded(reason.into()));
    }

    pub(super) fn changed(&mut self, statement: &Statement, reason: impl Into<String>) {
        self.note(statement.id, Verdict::Changed(reason.into()));
    }

    pub(super) fn left_out(&mut self, statement: &Statement, reason: impl Into<String>) {
        self.note(statement.id, Verdict::LeftOut(reason.into()));
    }

    /// Notes a verdict once, however often a translator comes by. Its reason becomes one line: it may quote
    /// the source, and stands in a comment of the document.
    pub(super) fn note(&mut self, id: Id, mut verdict: Verdict) {
        if let Verdict::NotNeeded(reason) | Verdict::Changed(reason) | Verdict::LeftOut(reason) =
            &mut verdict
        {
            *reason = one_line(reason);
        }
        let verdicts = self.verdicts.entry(id).or_default();
        if !verdicts.contains(&verdict) {
            verdicts.push(verdict);
        }
    }

    /// The text, if `lb` takes it as a value of this key; otherwise the statement is left out, with
    /// the reason that `lb -t` would give.
    pub(super) fn value(
        &mut self,
        statement: &Statement,
        key: &str,
        text: impl Into<String>,
    ) -> Option<String> {
        let text = text.into();
        match config::check_value(key, &text) {
            Ok(()) => Some(text),
            Err(message) => {
                let name = key.rsplit_once('.').map_or(key, |(_, name)| name);
                self.left_out(statement, format!("{name} {message}"));
                None
            }
        }
    }

    /// All statements with their verdicts, in the order of reading.
    pub(super) fn finish(
        mut self,
        statements: &[Statement],
        advice: &dyn Fn(&Statement) -> Option<Advice>,
    ) -> Vec<Entry> {
        let mut entries = Vec::new();
        self.collect(statements, advice, &mut entries);
        entries.sort_by_key(|entry| entry.id);
        entries
    }

    fn collect(
        &mut self,
        statements: &[Statement],
        advice: &dyn Fn(&Statement) -> Option<Advice>,
        entries: &mut Vec<Entry>,
    ) {
        for statement in statements {
            let settled = self.verdicts.remove(&statement.id);
            let verdicts = settled.unwrap_or_else(|| vec![unsettled(advice(statement))]);
            let is_used =
                |verdict: &Verdict| matches!(verdict, Verdict::Translated | Verdict::Changed(_));
            // The block of a statement that is not used at all shares its verdict, unless a
            // translator has used a part of it.
            let is_whole = !verdicts.iter().any(is_used) && !self.knows_any(statement.inner());
            entries.push(Entry {
                id: statement.id,
                place: statement.place.clone(),
                last_line: statement.last_line,
                text: statement.text(),
                statements: if is_whole { 1 + count(statement.inner()) } else { 1 },
                verdicts,
            });
            if !is_whole {
                self.collect(statement.inner(), advice, entries);
            }
        }
    }

    fn knows_any(&self, statements: &[Statement]) -> bool {
        let is_known =
            |it: &Statement| self.verdicts.contains_key(&it.id) || self.knows_any(it.inner());
        statements.iter().any(is_known)
    }
}

fn unsettled(advice: Option<Advice>) -> Verdict {
    match advice {
        Some(Advice::NotNeeded(reason)) => Verdict::NotNeeded(reason.to_owned()),
        Some(Advice::LeftOut(reason)) => Verdict::LeftOut(reason.to_owned()),
        None => Verdict::LeftOut("it is not known to lb convert".to_owned()),
    }
}

fn count(statements: &[Statement]) -> usize {
    statements.iter().map(|statement| 1 + count(statement.inner())).sum()
}

/// Finds the advice for a name in a table; a row whose name ends in `*` is for all names that begin
/// like it.
pub(super) fn look_up(table: &[(&str, Advice)], name: &str) -> Option<Advice> {
    let is_for = |row: &&(&str, Advice)| match row.0.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => row.0 == name,
    };
    table.iter().find(is_for).map(|(_, advice)| *advice)
}
