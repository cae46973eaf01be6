//! HAProxy: its grammar, and what its keywords are in `lb`.

mod acl;
mod advice;
mod backend;
mod bind;
mod check;
mod frontend;
mod process;
mod section;
mod server;
mod text;

pub(super) use advice::advice;
pub(super) use text::{is_section, parse};

use super::{
    ledger::Ledger,
    pool_name,
    site::{self, Listener, Pool, Rule, Site},
    statement::Statement,
};
use section::Section;

/// The reason why a section is left out as a whole.
const TCP: &str = "lb balances HTTP, not TCP (mode http)";

/// Translates what `lb` has; what the ledger does not know afterwards is left out.
pub(super) fn translate(statements: &[Statement], ledger: &mut Ledger) -> Site {
    for statement in statements.iter().filter(|it| matches!(it.name(), "global" | "defaults")) {
        ledger.translated(statement);
    }
    let sections = section::sections(statements);
    let base = process::base(statements, ledger);
    let mut pools = Pools { sections: &sections, made: Vec::new() };
    let mut listeners: Vec<Listener> = Vec::new();
    for section in &sections {
        if section.statement.name() == "backend" || serves_nothing(section) {
            continue;
        }
        if !section.is_http(ledger) {
            ledger.left_out(section.statement, TCP);
            continue;
        }
        for listener in of_frontend(section, &base, &mut pools, ledger) {
            add(listener, &mut listeners, section.statement, ledger);
        }
    }
    let process = process::process(statements, &sections, ledger);
    let pools = pools.made.into_iter().filter_map(|(_, pool)| pool).collect();
    Site { listeners, pools, process, names: Vec::new() }
}

/// Adds a listener; one for HTTP/3 and one for TCP at the same address are one in `lb`, with the rules of
/// both.
fn add(
    listener: Listener,
    listeners: &mut Vec<Listener>,
    section: &Statement,
    ledger: &mut Ledger,
) {
    let wider = |a: &Listener, b: &Listener| site::twin(&a.address).as_ref() == Some(&b.address);
    let is_same = |other: &&mut Listener| {
        other.address == listener.address || wider(other, &listener) || wider(&listener, other)
    };
    let same = listeners.iter_mut().find(is_same);
    let Some(same) = same else {
        listeners.push(listener);
        return;
    };
    if wider(same, &listener) {
        same.address.clone_from(&listener.address);
    }
    let reason =
        format!("{} is one listener in lb, with the settings of its first bind", same.address);
    ledger.changed(section, reason);
    if listener.has_http3() && same.tls.is_some() && same.proxy_protocol.is_empty() {
        same.add_http3();
    }
    same.rules.extend(listener.rules);
}

/// A section for nothing but a page with statistics, whose place the admin listener takes.
fn serves_nothing(section: &Section<'_>) -> bool {
    let serves = |it: &Statement| {
        matches!(
            it.name(),
            "server" | "server-template" | "use_backend" | "default_backend" | "redirect"
        ) || (it.name() == "http-request" && it.arg(0) == Some("redirect"))
    };
    !section.statement.inner().iter().any(serves) && section.find(&["default_backend"]).is_none()
}

fn of_frontend(
    section: &Section<'_>,
    base: &bind::Base,
    pools: &mut Pools<'_>,
    ledger: &mut Ledger,
) -> Vec<Listener> {
    ledger.translated(section.statement);
    let frontend = frontend::frontend(section, base, ledger);
    let mut rules: Vec<Rule> = Vec::new();
    for choice in &frontend.choices {
        let pool = choice.backend.and_then(|name| pools.find_or_make(name, ledger));
        if pool.is_none() {
            let line = section.statement.inner().iter().find(|it| it.id == choice.by);
            let line = line.or_else(|| section.find(&["default_backend"]));
            if let Some(line) = line {
                ledger.left_out(line, "lb can use none of the servers of this backend");
            }
        }
        rules.push(choice.rule(pool));
    }
    if section.statement.name() == "listen" {
        let pool = pools.of_section(section, ledger);
        rules.extend(pool.map(|pool| of_listen(section.statement, pool)));
    }
    let mut listeners = frontend.listeners;
    for listener in listeners.iter_mut().filter(|it| !it.redirect_to_https) {
        listener.rules.clone_from(&rules);
    }
    listeners
}

/// The rule for everything that a `listen` serves with its own servers.
fn of_listen(statement: &Statement, pool: usize) -> Rule {
    Rule {
        host: super::site::Host::Any,
        path: "/".to_owned(),
        pool: Some(pool),
        by: statement.id,
        place: statement.place.clone(),
    }
}

/// The pools so far, each with the name of its section; a section without a usable server has none.
struct Pools<'a> {
    sections: &'a [Section<'a>],
    made: Vec<(String, Option<Pool>)>,
}

impl Pools<'_> {
    fn find_or_make(&mut self, name: &str, ledger: &mut Ledger) -> Option<usize> {
        let is_it = |it: &&Section<'_>| it.statement.name() != "frontend" && it.name() == name;
        let section = self.sections.iter().find(is_it)?;
        self.of_section(section, ledger)
    }

    /// The index among the pools that are.
    fn of_section(&mut self, section: &Section<'_>, ledger: &mut Ledger) -> Option<usize> {
        let name = section.name();
        if !self.made.iter().any(|(made, _)| made == name) {
            let pool = match section.is_http(ledger) {
                true => backend::pool(section, ledger),
                false => {
                    ledger.left_out(section.statement, TCP);
                    None
                }
            };
            let is_taken = |name: &str| {
                self.made.iter().any(|(_, pool)| pool.as_ref().is_some_and(|it| it.name == name))
            };
            let pool =
                pool.map(|pool| Pool { name: pool_name::unique(&pool.name, "", is_taken), ..pool });
            self.made.push((name.to_owned(), pool));
        }
        let at = self.made.iter().position(|(made, pool)| made == name && pool.is_some())?;
        Some(self.made.iter().take(at).filter(|(_, pool)| pool.is_some()).count())
    }
}
