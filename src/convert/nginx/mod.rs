//! nginx: its grammar, and what its directives are in `lb`.

mod advice;
mod grammar;
mod listener;
mod location;
mod process;
mod protocols;
mod proxy;
mod scope;
mod server;
mod tls;
mod upstream;

pub(super) use advice::advice;
pub(super) use grammar::parse;

use super::{ledger::Ledger, site::Site, statement::Statement};
use scope::Scope;
use upstream::Draft;

/// Translates what `lb` has; what the ledger does not know afterwards is left out.
pub(super) fn translate(statements: &[Statement], ledger: &mut Ledger) -> Site {
    let block = statements.iter().find(|it| it.name() == "http");
    // A file of `conf.d` or `sites-enabled` alone has no `http` around its servers.
    let (http, scope) = match block {
        Some(block) => {
            ledger.translated(block);
            (block.inner(), Scope::new(statements).within(block.inner()))
        }
        None => (statements, Scope::new(statements)),
    };
    let mut draft = Draft::new(http, ledger);
    let mut servers: Vec<_> = http
        .iter()
        .filter(|it| it.name() == "server" && it.block.is_some())
        .map(|it| server::server(it, &scope, &mut draft))
        .collect();
    server::join_twins(&mut servers, draft.ledger);
    let listeners = listener::listeners(&servers, draft.ledger);
    let process = process::process(statements, &scope, &servers, draft.ledger);
    let named = |server: &server::Server<'_>| {
        server.named_by.iter().copied().zip(server.names.iter().cloned()).collect::<Vec<_>>()
    };
    let names = servers.iter().flat_map(named).collect();
    Site { listeners, pools: draft.into_pools(), process, names }
}
