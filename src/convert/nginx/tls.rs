//! TLS of a listener, from the servers that share its address.

use super::{scope::Scope, server::Here};
use crate::convert::{
    duration,
    ledger::Ledger,
    site::{Certificate, ClientAuth, Host, Tls},
    statement::Statement,
};

/// TLS for these servers; `None` if there is no certificate.
pub(super) fn tls(here: &[Here<'_, '_>], default: usize, ledger: &mut Ledger) -> Option<Tls> {
    let mut tls = Tls::default();
    // The certificate of the default server is for unknown names, which is the first one in `lb`.
    let first = here.get(default).into_iter();
    let rest = here.iter().enumerate().filter(|(index, _)| *index != default).map(|(_, it)| it);
    for (server, _) in first.chain(rest) {
        let scope = &server.scope;
        for certificate in certificates(scope, ledger) {
            if !tls.certificates.contains(&certificate) {
                tls.certificates.push(certificate);
            }
        }
        if let Some(statement) = scope.find("ssl_reject_handshake").filter(|it| it.has_arg("on")) {
            ledger.translated(statement);
            tls.refuses_unknown_names = true;
        }
    }
    min_version(here, default, &mut tls, ledger);
    client_auth(here, &mut tls, ledger);
    hsts(here, &mut tls, ledger);
    if tls.certificates.is_empty() {
        let listens = here.iter().filter_map(|(_, listen)| listen.statement);
        for statement in listens {
            ledger.left_out(
                statement,
                "there is no certificate that lb can read: it listens without TLS",
            );
        }
        return None;
    }
    Some(tls)
}

fn certificates(scope: &Scope<'_>, ledger: &mut Ledger) -> Vec<Certificate> {
    let (certs, keys) = (scope.all("ssl_certificate"), scope.all("ssl_certificate_key"));
    let mut found = Vec::new();
    for (cert, key) in certs.into_iter().zip(keys) {
        let pair = [cert, key].map(|it| file(it, ledger));
        if let [Some(cert), Some(key)] = pair {
            found.push(Certificate::File { cert, key: Some(key) });
        }
    }
    found
}

fn file(statement: &Statement, ledger: &mut Ledger) -> Option<String> {
    let path = statement.arg(0)?;
    if path.contains('$') || path.starts_with("data:") || path.starts_with("engine:") {
        ledger.left_out(statement, "lb reads certificates from files (see tls.certificates)");
        return None;
    }
    if !path.starts_with('/') {
        ledger.changed(statement, "paths are relative to the folder that lb is started in");
    }
    ledger.translated(statement);
    ledger.value(statement, "listeners[].tls.certificates[].cert", path)
}

/// The version of the default server: the version is chosen before the name is known.
fn min_version(here: &[Here<'_, '_>], default: usize, tls: &mut Tls, ledger: &mut Ledger) {
    let protocols = |index: usize| here.get(index).and_then(|it| it.0.scope.find("ssl_protocols"));
    let chosen = protocols(default);
    for other in (0..here.len()).filter_map(protocols) {
        ledger.translated(other);
        if chosen.is_none_or(|chosen| chosen.args() != other.args()) {
            ledger.changed(
                other,
                "the versions are those of the listener, here of its default server",
            );
        }
    }
    let Some(statement) = chosen else { return };
    let is_old = |it: &String| matches!(it.as_str(), "SSLv2" | "SSLv3" | "TLSv1" | "TLSv1.1");
    if statement.args().iter().any(is_old) {
        ledger.changed(statement, "TLS 1.2 is the oldest version of lb");
    } else if !statement.has_arg("TLSv1.2") && statement.has_arg("TLSv1.3") {
        tls.min_version = Some("1.3");
    }
}

fn client_auth(here: &[Here<'_, '_>], tls: &mut Tls, ledger: &mut Ledger) {
    let found: Vec<(&[Host], Option<ClientAuth>)> = here
        .iter()
        .map(|(server, _)| (server.names.as_slice(), of_server(&server.scope, ledger)))
        .collect();
    let mut all = found.iter().map(|(_, auth)| auth);
    let first = all.next().cloned().flatten();
    if found.iter().all(|(_, auth)| *auth == first) {
        tls.client_auth = first;
        return;
    }
    for (names, auth) in found {
        let Some(auth) = auth else { continue };
        for name in names {
            let Some(host) = name.written() else { continue };
            tls.hosts.push((host, auth.clone()));
        }
    }
}

fn of_server(scope: &Scope<'_>, ledger: &mut Ledger) -> Option<ClientAuth> {
    let verify = scope.find("ssl_verify_client")?;
    let mode = verify.arg(0)?;
    match mode {
        "off" => {
            ledger.translated(verify);
            return None;
        }
        "optional_no_ca" => {
            ledger.left_out(verify, "lb does not accept a certificate that it cannot verify");
            return None;
        }
        _ => ledger.translated(verify),
    }
    let ca = scope.find("ssl_client_certificate");
    let crl = scope.find("ssl_crl");
    ca.into_iter().chain(crl).for_each(|it| ledger.translated(it));
    let mut path = |statement: Option<&Statement>, key: &str| {
        let statement = statement?;
        ledger.value(statement, key, statement.arg(0)?)
    };
    let crl = path(crl, "listeners[].tls.client_auth.crl");
    let ca = path(ca, "listeners[].tls.client_auth.ca")?;
    Some(ClientAuth { ca, is_optional: mode == "optional", crl })
}

/// `Strict-Transport-Security`, if every server of the listener sends it.
fn hsts(here: &[Here<'_, '_>], tls: &mut Tls, ledger: &mut Ledger) {
    let found: Vec<Option<&Statement>> = here
        .iter()
        .filter(|(server, _)| !server.places.is_empty())
        .map(|(server, _)| hsts_of(&server.scope))
        .collect();
    let days = |it: &Statement| duration::hsts_days(it.arg(1)?);
    let shortest = found.iter().flatten().filter_map(|it| days(it)).min();
    let is_everywhere = !found.is_empty() && found.iter().all(Option::is_some);
    for statement in found.into_iter().flatten() {
        match shortest {
            Some(1..) if is_everywhere => {
                ledger.translated(statement);
                if statement.arg(1).is_some_and(|it| {
                    it.contains("Subdomains") || it.contains("SubDomains") || it.contains("preload")
                }) {
                    ledger.changed(
                        statement,
                        "hsts is max-age alone: no includeSubDomains, no preload",
                    );
                }
            }
            _ => ledger.left_out(
                statement,
                "hsts is for all hosts of a listener, and not all of them have it",
            ),
        }
    }
    if is_everywhere {
        tls.hsts = shortest.filter(|days| *days > 0).map(|days| format!("{days}d"));
    }
}

/// The field of a server, or of its location for all paths.
fn hsts_of<'a>(scope: &Scope<'a>) -> Option<&'a Statement> {
    let is_hsts = |it: &&'a Statement| {
        let name = it.arg(0).filter(|_| it.name() == "add_header");
        name.is_some_and(|name| name.eq_ignore_ascii_case("strict-transport-security"))
    };
    let locations = scope.own().iter().filter(|it| it.name() == "location");
    let roots = locations.filter(|it| it.arg(0) == Some("/"));
    let inner = roots.flat_map(Statement::inner).find(is_hsts);
    inner.or_else(|| scope.all("add_header").into_iter().find(is_hsts))
}
