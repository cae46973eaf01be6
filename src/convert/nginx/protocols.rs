//! The protocols of a listener: HTTP/2 and HTTP/3, which nginx has for each server.

use super::{scope::Scope, server::Here};
use crate::convert::{duration, ledger::Ledger, site, site::AltSvc, statement::Statement};

/// The protocols of the servers of an address. Of TLS it is told whether it was asked for, and whether
/// there is a certificate for it.
pub(super) fn protocols(
    here: &[Here<'_, '_>],
    (wants_tls, has_tls): (bool, bool),
    ledger: &mut Ledger,
) -> Vec<&'static str> {
    let has_http2 = here.iter().any(|(_, listen)| listen.has_http2);
    if !wants_tls {
        return if has_http2 { vec!["h2c", "http/1.1"] } else { Vec::new() };
    }
    if !has_tls {
        return Vec::new();
    }
    // `lb` speaks HTTP/2 over TLS unless it is told not to.
    let refuses_http2 = !has_http2 && is_off("http2", here, ledger);
    site::protocols(!refuses_http2, has_http3(here, ledger))
}

/// Whether a directive switches a protocol off: for all servers of the address, because the protocol is
/// chosen before the request names one.
fn is_off(name: &str, here: &[Here<'_, '_>], ledger: &mut Ledger) -> bool {
    let found: Vec<Option<&Statement>> =
        here.iter().map(|(server, _)| server.scope.find(name)).collect();
    let is_off = |it: &Option<&Statement>| it.is_some_and(|it| it.has_arg("off"));
    let are_all_off = found.iter().all(is_off);
    for statement in found.iter().flatten() {
        match statement.has_arg("off") && !are_all_off {
            true => ledger.changed(
                statement,
                "the protocols are those of the listener, and another server there has it on",
            ),
            false => ledger.translated(statement),
        }
    }
    are_all_off
}

fn has_http3(here: &[Here<'_, '_>], ledger: &mut Ledger) -> bool {
    let quic: Vec<&Statement> = here.iter().filter_map(|(_, listen)| listen.quic).collect();
    if quic.is_empty() {
        return false;
    }
    if is_off("http3", here, ledger) {
        let reason = "no client can speak HTTP/3 there, with http3 off";
        quic.iter().for_each(|it| ledger.not_needed(it, reason));
        return false;
    }
    if here.iter().any(|(_, listen)| listen.has_proxy_protocol) {
        let reason = "there is no PROXY protocol for HTTP/3, and this listener of lb has it";
        quic.iter().for_each(|it| ledger.left_out(it, reason));
        return false;
    }
    if quic.iter().any(|it| it.arg(0).is_some_and(|address| address.starts_with("unix:"))) {
        let reason = "HTTP/3 comes by UDP, and a Unix socket has none";
        quic.iter().for_each(|it| ledger.left_out(it, reason));
        return false;
    }
    if here.iter().all(|(_, listen)| listen.is_for_quic_alone()) {
        quic.iter().for_each(|it| ledger.changed(it, site::HTTP3_ALONE));
    }
    true
}

/// How clients learn of HTTP/3, by the `Alt-Svc` that servers of the address add (RFC 7838).
pub(super) fn alt_svc(address: &str, here: &[Here<'_, '_>], ledger: &mut Ledger) -> AltSvc {
    let mut first: Option<AltSvc> = None;
    for statement in here.iter().flat_map(|(server, _)| added(&server.scope)) {
        let value = statement.arg(1).unwrap_or_default();
        let read = duration::alt_svc(value, address);
        match (&first, read) {
            (_, None) => ledger.left_out(statement, "it names no port for HTTP/3"),
            (Some(first), Some((read, _))) if *first != read => {
                ledger.changed(
                    statement,
                    "Alt-Svc is that of the listener, here of its first server",
                );
            }
            (_, Some((read, remark))) => {
                match remark {
                    Some(remark) => ledger.changed(statement, remark),
                    None => ledger.translated(statement),
                }
                first = Some(read);
            }
        }
    }
    first.unwrap_or_default()
}

/// The statements that add `Alt-Svc`, in a server and in its locations.
fn added<'a>(scope: &Scope<'a>) -> Vec<&'a Statement> {
    let is_one = |it: &&'a Statement| {
        let name = it.arg(0).filter(|_| it.name() == "add_header");
        name.is_some_and(|name| name.eq_ignore_ascii_case("alt-svc"))
    };
    let locations = scope.own().iter().filter(|it| it.name() == "location");
    let inner = locations.flat_map(|it| it.inner().iter());
    scope.all("add_header").into_iter().chain(inner).filter(is_one).collect()
}
