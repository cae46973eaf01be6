//! Listeners: the servers of one address together.
//!
//! nginx sorts requests by address, then by name. A request with an unknown name goes to the default
//! server of its address, or to the first one there.

use super::{
    process,
    protocols::{alt_svc, protocols},
    scope::Scope,
    server::{Here, Server},
    tls,
};
use crate::convert::{
    duration,
    ledger::Ledger,
    site::{AltSvc, ClientLimits, Host, Listener, Rule},
    statement::{Place, Statement},
};

/// All listeners, in the order of their first server.
pub(super) fn listeners(servers: &[Server<'_>], ledger: &mut Ledger) -> Vec<Listener> {
    let mut addresses: Vec<(String, Vec<Here<'_, '_>>)> = Vec::new();
    for server in servers {
        for listen in &server.listens {
            let known = addresses.iter_mut().find(|(address, _)| *address == listen.address);
            match known {
                Some((_, here)) => here.push((server, listen)),
                None => addresses.push((listen.address.clone(), vec![(server, listen)])),
            }
        }
    }
    addresses.into_iter().map(|(address, here)| listener(address, &here, ledger)).collect()
}

fn listener(address: String, here: &[Here<'_, '_>], ledger: &mut Ledger) -> Listener {
    let has_tls = here.iter().any(|(_, listen)| listen.has_tls);
    let default = here.iter().position(|(_, listen)| listen.is_default).unwrap_or(0);
    let tls = has_tls.then(|| tls::tls(here, default, ledger)).flatten();
    let mut listener = Listener {
        address,
        place: place(here),
        mode: None,
        owner: None,
        proxy_protocol: proxy_protocol(here, ledger),
        protocols: protocols(here, (has_tls, tls.is_some()), ledger),
        alt_svc: AltSvc::default(),
        tls,
        redirect_to_https: !has_tls && redirects(here, ledger),
        client: client(here, default, ledger),
        rules: Vec::new(),
    };
    if listener.has_http3() {
        listener.alt_svc = alt_svc(&listener.address, here, ledger);
    }
    if listener.redirect_to_https {
        leave_places(here, ledger);
    } else {
        listener.rules = of_servers(here, default, has_tls);
    }
    listener
}

fn place(here: &[Here<'_, '_>]) -> Place {
    let places = here.iter().map(|(server, listen)| listen.statement.unwrap_or(server.statement));
    let first = places.into_iter().min_by_key(|statement| statement.id);
    first.map_or(Place { file: "".into(), line: 0 }, |statement| statement.place.clone())
}

/// Whether every server here sends clients to TLS; one that refuses requests does no harm with it.
fn redirects(here: &[Here<'_, '_>], ledger: &mut Ledger) -> bool {
    let found: Vec<&Statement> = here.iter().filter_map(|(server, _)| server.redirect).collect();
    let is_redirect = !found.is_empty()
        && here.iter().all(|(server, _)| server.redirect.is_some() || server.refuses);
    for statement in found {
        let reason = "redirect_to_https answers with 308, which keeps the method";
        match is_redirect {
            true => {
                let is_answer = |it: &&Statement| matches!(it.name(), "return" | "rewrite");
                let inner = statement.inner().iter().filter(is_answer);
                inner.for_each(|inner| ledger.translated(inner));
                ledger.changed(statement, reason);
            }
            false => ledger.left_out(
                statement,
                "a listener of lb sends all clients to TLS, or none: its other servers do not, so these \
                 hosts are served without TLS as well",
            ),
        }
    }
    is_redirect
}

/// What a server serves beside its redirect, such as the challenges of an authority.
fn leave_places(here: &[Here<'_, '_>], ledger: &mut Ledger) {
    let has_no_tls = |server: &&Server<'_>| !server.listens.iter().any(|listen| listen.has_tls);
    for server in here.iter().map(|(server, _)| *server).filter(has_no_tls) {
        for place in server.places.iter().filter(|place| place.pool.is_some()) {
            let reason = "the listener sends all of its clients to TLS (for certificates from an \
                          authority lb has tls.acme)";
            ledger.left_out(place.statement, reason);
        }
    }
}

/// The addresses that may send a PROXY header.
fn proxy_protocol(here: &[Here<'_, '_>], ledger: &mut Ledger) -> Vec<String> {
    let Some((server, listen)) = here.iter().find(|(_, listen)| listen.has_proxy_protocol) else {
        return Vec::new();
    };
    let from: Vec<String> = server
        .scope
        .all("set_real_ip_from")
        .into_iter()
        .filter_map(|it| {
            ledger.translated(it);
            process::proxy(it, ledger)
        })
        .collect();
    let statement = listen.statement.unwrap_or(server.statement);
    if from.is_empty() {
        let reason = "lb takes PROXY headers from known addresses only, and there is no \
                      set_real_ip_from: write those of your proxies in place of 127.0.0.1";
        ledger.left_out(statement, reason);
        return vec!["127.0.0.1".to_owned()];
    }
    from
}

fn of_servers(here: &[Here<'_, '_>], default: usize, has_tls: bool) -> Vec<Rule> {
    let mut named: Vec<(&Host, &Server<'_>)> = Vec::new();
    for (server, _) in here {
        named.extend(server.names.iter().map(|name| (name, *server)));
    }
    let default = here.get(default).map(|(server, _)| *server);
    if here.len() == 1 {
        named.clear();
    }
    named.sort_by_key(|(host, _)| match host {
        Host::Exact(_) => 0,
        Host::Suffix(suffix) => usize::MAX - suffix.len(),
        Host::Any => usize::MAX,
    });
    let all = named.into_iter().chain(default.map(|server| (&Host::Any, server)));
    all.flat_map(|(host, server)| of_server(host, server, has_tls)).collect()
}

/// The rules for one name of a server; the last one is for what it does not serve.
fn of_server(host: &Host, server: &Server<'_>, has_tls: bool) -> Vec<Rule> {
    let rule = |path: &str, pool: Option<usize>, by: &Statement| Rule {
        host: host.clone(),
        path: path.to_owned(),
        pool,
        by: by.id,
        place: by.place.clone(),
    };
    // On a listener without TLS a server that sends clients to TLS serves nothing itself.
    let is_redirect = server.redirect.is_some() && !has_tls;
    let places = if is_redirect { &[][..] } else { &server.places[..] };
    let mut rules: Vec<Rule> =
        places.iter().map(|place| rule(&place.path, place.pool, place.statement)).collect();
    rules.push(rule("/", None, server.statement));
    rules
}

/// The limits of the default server: in `lb` they are the listener's.
fn client(here: &[Here<'_, '_>], default: usize, ledger: &mut Ledger) -> ClientLimits {
    let Some((server, _)) = here.get(default) else { return ClientLimits::default() };
    let others: Vec<&Scope<'_>> = here.iter().map(|(server, _)| &server.scope).collect();
    let mut limit = |name: &str| {
        let statement = server.scope.find(name);
        for other in others.iter().filter_map(|scope| scope.find(name)) {
            let is_same = statement.is_some_and(|it| it.args() == other.args());
            if !is_same {
                ledger.changed(
                    other,
                    "it is a limit of a listener in lb, here that of its default server",
                );
            }
        }
        let statement = statement?;
        ledger.translated(statement);
        let time = duration::read(statement.arg(0)?, "s").and_then(duration::written);
        if time.is_none() {
            ledger.left_out(statement, "lb has a limit always: here its default");
        }
        time
    };
    ClientLimits {
        header: limit("client_header_timeout"),
        keepalive: limit("keepalive_timeout"),
        write: limit("send_timeout"),
        body_idle: limit("client_body_timeout"),
    }
}
