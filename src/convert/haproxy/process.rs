//! The global section, and what holds for all listeners.

use super::{
    bind::{Base, OLDEST, is_old},
    section::Section,
};
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
                options(statement, &mut base, ledger);
            }
            "no-quic" => base.refuses_quic = true,
            _ => continue,
        }
        ledger.translated(statement);
    }
    base
}

/// `ssl-default-bind-options`.
fn options(statement: &Statement, base: &mut Base, ledger: &mut Ledger) {
    let mut idle: Vec<&str> = Vec::new();
    let mut words = statement.args().iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "ssl-min-ver" => match words.next() {
                Some("TLSv1.3") => base.min_version = Some("1.3"),
                Some(version) if is_old(version) => ledger.changed(statement, OLDEST),
                _ => {}
            },
            "ssl-max-ver" => match words.next() {
                Some("TLSv1.3") => idle.push(word),
                _ => ledger.left_out(statement, format!("{word}: lb has TLS 1.3 always")),
            },
            "no-tlsv12" | "force-tlsv13" => base.min_version = Some("1.3"),
            "no-tlsv13" | "force-tlsv12" => {
                ledger.left_out(statement, format!("{word}: lb has TLS 1.3 always"));
            }
            "strict-sni" => {
                ledger.left_out(statement, "strict-sni: write tls.unknown_sni: refuse");
            }
            "no-sslv3" | "no-tlsv10" | "no-tlsv11" | "no-tls-tickets" | "prefer-client-ciphers" => {
                idle.push(word);
            }
            _ => {
                ledger.left_out(statement, format!("{word}: lb has no such setting of a listener"))
            }
        }
    }
    if !idle.is_empty() {
        let reason = format!("{}: lb has nothing to tune there", idle.join(", "));
        ledger.not_needed(statement, reason);
    }
}

fn globals(statements: &[Statement]) -> impl Iterator<Item = &Statement> {
    statements.iter().filter(|it| it.name() == "global").flat_map(Statement::inner)
}
