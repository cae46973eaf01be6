//! The global section, and what holds for all listeners.

use super::{bind::Base, section::Section};
use crate::convert::{duration, ledger::Ledger, site::Process, statement::Statement};

/// Reads the settings of the process.
pub(super) fn process(
    statements: &[Statement],
    sections: &[Section<'_>],
    ledger: &mut Ledger,
) -> Process {
    let mut process = Process::default();
    for statement in globals(statements) {
        let value = statement.arg(0).unwrap_or_default();
        match statement.name() {
            "nbthread" => {
                process.threads = ledger.value(statement, "threads", value);
                ledger.translated(statement);
            }
            "user" | "group" => {
                let read = ledger.value(statement, statement.name(), value);
                let place =
                    if statement.name() == "user" { &mut process.user } else { &mut process.group };
                *place = read;
                let reason =
                    "lb switches to it if root starts it: leave the key out for a unit with User=";
                ledger.changed(statement, reason);
            }
            "hard-stop-after" => {
                process.shutdown_timeout = duration::read(value, "ms").and_then(duration::written);
                ledger.translated(statement);
            }
            "grace" => {
                process.shutdown_delay = duration::read(value, "ms").and_then(duration::written);
                ledger.translated(statement);
            }
            "stats" if value == "socket" => process.has_admin = true,
            _ => {}
        }
    }
    let has_page = |section: &Section<'_>| section.own("stats").next().is_some();
    process.has_admin |= sections.iter().any(has_page);
    process
}

/// Reads what all `bind` lines share.
pub(super) fn base(statements: &[Statement], ledger: &mut Ledger) -> Base {
    let mut base = Base::default();
    for statement in globals(statements) {
        let value = statement.arg(0).map(str::to_owned);
        match statement.name() {
            "crt-base" => base.crt = value,
            "ca-base" => base.ca = value,
            "ssl-default-bind-options" => {
                let needs_new =
                    statement.args().windows(2).any(|pair| pair == ["ssl-min-ver", "TLSv1.3"]);
                if needs_new || statement.has_arg("no-tlsv12") {
                    base.min_version = Some("1.3");
                }
            }
            _ => continue,
        }
        ledger.translated(statement);
    }
    base
}

fn globals(statements: &[Statement]) -> impl Iterator<Item = &Statement> {
    statements.iter().filter(|it| it.name() == "global").flat_map(Statement::inner)
}
