//! Files that a file includes: their statements stand in place of the `include`.

use super::text;
use crate::convert::{
    ledger::Ledger,
    source::{Include, Source, SyntaxError},
    statement::{Id, Statement},
};

/// How deep files may include files: a file that includes itself does so without end.
const DEPTH: usize = 8;

/// Reads a configuration with everything that it includes.
pub(crate) fn parse(
    source: &Source<'_>,
    include: Include<'_>,
    ledger: &mut Ledger,
) -> Result<Vec<Statement>, SyntaxError> {
    let mut next: Id = 0;
    let statements = text::parse(source.name, source.text, &mut next)?;
    Expansion { include, ledger, next }.expand(statements, DEPTH)
}

struct Expansion<'a> {
    include: Include<'a>,
    ledger: &'a mut Ledger,
    next: Id,
}

impl Expansion<'_> {
    fn expand(
        &mut self,
        statements: Vec<Statement>,
        depth: usize,
    ) -> Result<Vec<Statement>, SyntaxError> {
        let mut all = Vec::with_capacity(statements.len());
        for mut statement in statements {
            if let Some(block) = statement.block.take() {
                statement.block = Some(self.expand(block, depth)?);
            }
            let included = match statement.name() {
                "include" => self.included(&statement, depth)?,
                _ => Vec::new(),
            };
            all.push(statement);
            all.extend(included);
        }
        Ok(all)
    }

    fn included(
        &mut self,
        statement: &Statement,
        depth: usize,
    ) -> Result<Vec<Statement>, SyntaxError> {
        let Some(pattern) = statement.arg(0) else { return Ok(Vec::new()) };
        let name = pattern.rsplit('/').next().unwrap_or(pattern);
        if name == "mime.types" {
            self.ledger
                .not_needed(statement, "types of files: lb serves none, and backends name theirs");
            return Ok(Vec::new());
        }
        if depth == 0 {
            self.ledger
                .left_out(statement, format!("files include each other more than {DEPTH} deep"));
            return Ok(Vec::new());
        }
        let files = match (self.include)(pattern) {
            Ok(files) => files,
            Err(reason) => {
                self.ledger.left_out(statement, reason);
                return Ok(Vec::new());
            }
        };
        if files.is_empty() {
            self.ledger
                .not_needed(statement, "there is no such file, which nginx allows for a pattern");
        } else {
            self.ledger.translated(statement);
        }
        let mut all = Vec::new();
        for (file, text) in files {
            let statements = text::parse(&file, &text, &mut self.next)?;
            all.extend(self.expand(statements, depth - 1)?);
        }
        Ok(all)
    }
}
