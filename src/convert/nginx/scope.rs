//! What holds in a block: its own directives, and those that it inherits.

use crate::convert::{ledger::Ledger, statement::Statement};

/// The blocks around a place, outermost first.
#[derive(Debug, Clone)]
pub(super) struct Scope<'a> {
    levels: Vec<&'a [Statement]>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(outermost: &'a [Statement]) -> Self {
        Self { levels: vec![outermost] }
    }

    /// The scope of a block in this one.
    pub(super) fn within(&self, block: &'a [Statement]) -> Self {
        let mut levels = self.levels.clone();
        levels.push(block);
        Self { levels }
    }

    /// The statements of the innermost block itself.
    pub(super) fn own(&self) -> &'a [Statement] {
        self.levels.last().copied().unwrap_or_default()
    }

    /// The directive that holds here.
    pub(super) fn find(&self, name: &str) -> Option<&'a Statement> {
        self.levels.iter().rev().find_map(|level| level.iter().find(|it| it.name() == name))
    }

    /// Directives that may stand several times: those of the innermost block that has any replace all
    /// others.
    pub(super) fn all(&self, name: &str) -> Vec<&'a Statement> {
        let of = |level: &&'a [Statement]| -> Vec<&'a Statement> {
            level.iter().filter(|it| it.name() == name).collect()
        };
        self.levels.iter().rev().map(of).find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// The text with the values of the variables that `set` gives a constant value; `None` if it has
    /// another variable.
    pub(super) fn expand(&self, text: &str, ledger: &mut Ledger) -> Option<String> {
        let mut expanded = text.to_owned();
        // A value may have a variable itself.
        for _ in 0..4 {
            let Some(at) = expanded.find('$') else { return Some(expanded) };
            let (name, length) = variable(expanded.get(at + 1..)?);
            let set = self.constant(name)?;
            let value = set.arg(1)?.to_owned();
            ledger.not_needed(set, "its value stands where it is used");
            expanded.replace_range(at..at + 1 + length, &value);
        }
        None
    }

    fn constant(&self, name: &str) -> Option<&'a Statement> {
        let is_set = |it: &&Statement| {
            it.name() == "set" && it.arg(0).and_then(|arg| arg.strip_prefix('$')) == Some(name)
        };
        self.levels.iter().rev().find_map(|level| level.iter().find(is_set))
    }
}

/// The name of the variable that a text behind a `$` begins with, and its length there.
fn variable(text: &str) -> (&str, usize) {
    if let Some((name, _)) = text.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        return (name, name.len() + 2);
    }
    let length = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    (text.get(..length).unwrap_or_default(), length)
}
