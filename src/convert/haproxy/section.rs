//! A section and the defaults that it inherits.

use crate::convert::{duration, ledger::Ledger, statement::Statement};
use std::time::Duration;

/// A frontend, backend or listen section.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section<'a> {
    pub(super) statement: &'a Statement,
    defaults: Option<&'a Statement>,
}

/// All sections that requests go through, each with the `defaults` before it, or those that it names.
pub(super) fn sections(statements: &[Statement]) -> Vec<Section<'_>> {
    let mut defaults: Option<&Statement> = None;
    let mut sections = Vec::new();
    for statement in statements {
        match statement.name() {
            "defaults" => defaults = Some(statement),
            "frontend" | "backend" | "listen" => {
                let named = statement.args().iter().position(|arg| arg == "from");
                let name = named.and_then(|at| statement.arg(at + 1));
                let named = statements
                    .iter()
                    .find(|it| name.is_some() && it.name() == "defaults" && it.arg(0) == name);
                sections.push(Section { statement, defaults: named.or(defaults) });
            }
            _ => {}
        }
    }
    sections
}

impl<'a> Section<'a> {
    pub(super) fn name(&self) -> &'a str {
        self.statement.arg(0).unwrap_or_default()
    }

    /// The section's own lines that begin with this word.
    pub(super) fn own(&self, name: &'static str) -> impl Iterator<Item = &'a Statement> {
        self.statement.inner().iter().filter(move |it| it.name() == name)
    }

    /// The line that holds here, by its first words: the last one of the section, or of its defaults.
    pub(super) fn find(&self, words: &[&str]) -> Option<&'a Statement> {
        let begins = |it: &&Statement| {
            words.iter().enumerate().all(|(at, word)| it.words.get(at).is_some_and(|it| it == word))
        };
        let own = self.statement.inner().iter().rev().find(begins);
        own.or_else(|| self.defaults?.inner().iter().rev().find(begins))
    }

    /// Whether an option is on, here or by default.
    pub(super) fn has_option(&self, name: &str) -> Option<&'a Statement> {
        let is_off = |block: &[Statement]| {
            block.iter().any(|it| {
                it.name() == "no" && it.arg(0) == Some("option") && it.arg(1) == Some(name)
            })
        };
        self.find(&["option", name]).filter(|_| !is_off(self.statement.inner()))
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

    pub(super) fn defaults(&self) -> Option<&'a Statement> {
        self.defaults
    }
}
