//! Servers: their addresses and names, and what they do with requests.

use super::{
    location::{self, Place},
    scope::Scope,
    upstream::Draft,
};
use crate::convert::{ledger::Ledger, site::Host, statement::Statement};

/// A `server` of HTTP.
pub(super) struct Server<'a> {
    pub(super) statement: &'a Statement,
    pub(super) scope: Scope<'a>,
    pub(super) listens: Vec<Listen<'a>>,
    pub(super) names: Vec<Host>,
    /// Where its requests go, in the order in which nginx prefers them.
    pub(super) places: Vec<Place<'a>>,
    /// The statement that sends clients without TLS to the same place with TLS.
    pub(super) redirect: Option<&'a Statement>,
    /// A server that only refuses requests.
    pub(super) refuses: bool,
}

/// A `listen`.
#[derive(Debug, Clone)]
pub(super) struct Listen<'a> {
    pub(super) statement: Option<&'a Statement>,
    pub(super) address: String,
    pub(super) is_default: bool,
    pub(super) has_tls: bool,
    pub(super) has_http2: bool,
    pub(super) has_proxy_protocol: bool,
}

/// A server and how it listens at an address.
pub(super) type Here<'s, 'a> = (&'s Server<'a>, &'s Listen<'a>);

/// Reads a server.
pub(super) fn server<'a>(
    statement: &'a Statement,
    http: &Scope<'a>,
    draft: &mut Draft<'a, '_>,
) -> Server<'a> {
    draft.ledger.translated(statement);
    let scope = http.within(statement.inner());
    let listens = listens(&scope, draft.ledger);
    let names = names(&scope, draft.ledger);
    let redirect = redirect(&scope, &names);
    let returned = scope.own().iter().find(|it| it.name() == "return");
    let refuses =
        returned.is_some_and(|it| matches!(it.arg(0), Some("444" | "403" | "404" | "410")));
    if let Some(returned) = returned.filter(|_| refuses) {
        draft.ledger.changed(returned, "lb answers a request without a route with 404");
    }
    // A `return` of the server itself answers before any location.
    let places = match returned {
        Some(_) => Vec::new(),
        None => location::places(&scope, draft),
    };
    Server { statement, scope, listens, names, places, redirect, refuses }
}

fn listens<'a>(scope: &Scope<'a>, ledger: &mut Ledger) -> Vec<Listen<'a>> {
    let written: Vec<&Statement> = scope.own().iter().filter(|it| it.name() == "listen").collect();
    if written.is_empty() {
        let everywhere = Listen {
            statement: None,
            address: "0.0.0.0:80".to_owned(),
            is_default: false,
            has_tls: false,
            has_http2: false,
            has_proxy_protocol: false,
        };
        return vec![everywhere];
    }
    let is_on = |name: &str| scope.find(name).filter(|it| it.has_arg("on"));
    let (http2, tls) = (is_on("http2"), is_on("ssl"));
    [http2, tls].into_iter().flatten().for_each(|it| ledger.translated(it));
    let mut listens = Vec::new();
    for statement in written {
        if statement.has_arg("quic") {
            ledger
                .left_out(statement, "lb convert translates no HTTP/3 (see listeners[].protocols)");
            continue;
        }
        let Some(address) = address(statement, ledger) else { continue };
        ledger.translated(statement);
        listens.push(Listen {
            statement: Some(statement),
            address,
            is_default: statement.has_arg("default_server") || statement.has_arg("default"),
            has_tls: statement.has_arg("ssl") || tls.is_some(),
            has_http2: statement.has_arg("http2") || http2.is_some(),
            has_proxy_protocol: statement.has_arg("proxy_protocol"),
        });
    }
    listens
}

/// The address of a `listen`, as `lb` writes it.
fn address(statement: &Statement, ledger: &mut Ledger) -> Option<String> {
    let written = statement.arg(0)?;
    let is_port = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let address = match written {
        _ if written.starts_with("unix:") => written.to_owned(),
        _ if is_port(written) => format!("0.0.0.0:{written}"),
        _ => {
            let (host, port) = match written.rsplit_once(':') {
                Some((host, port)) if is_port(port) => (host, port),
                _ => (written, "80"),
            };
            let host = match host {
                "*" => "0.0.0.0",
                "localhost" => "127.0.0.1",
                host => host,
            };
            format!("{host}:{port}")
        }
    };
    ledger.value(statement, "listeners[].address", address)
}

/// The names that lead to a server. A name that `lb` cannot have is left out.
fn names(scope: &Scope<'_>, ledger: &mut Ledger) -> Vec<Host> {
    let mut names = Vec::new();
    for statement in scope.own().iter().filter(|it| it.name() == "server_name") {
        ledger.translated(statement);
        for name in statement.args() {
            match name.as_str() {
                // A name that no client sends.
                "_" | "" | "-" | "--" | "!@#" => {}
                _ if name.starts_with('~') => {
                    let reason = "lb has no regular expressions for hosts (write each name, or *. and a name)";
                    ledger.left_out(statement, format!("{name}: {reason}"));
                }
                _ if name.starts_with('.') => {
                    names.extend(host(statement, name.trim_start_matches('.'), ledger));
                    names.extend(host(statement, &format!("*{name}"), ledger));
                }
                _ => names.extend(host(statement, name, ledger)),
            }
        }
    }
    names
}

fn host(statement: &Statement, name: &str, ledger: &mut Ledger) -> Option<Host> {
    let name = ledger.value(statement, "routes[].host", name.to_ascii_lowercase())?;
    match name.strip_prefix('*') {
        Some(suffix) => Some(Host::Suffix(suffix.to_owned())),
        None => Some(Host::Exact(name)),
    }
}

/// The statement of a server that sends every client without TLS to the same address with TLS.
fn redirect<'a>(scope: &Scope<'a>, names: &[Host]) -> Option<&'a Statement> {
    scope.own().iter().find(|statement| match statement.name() {
        "return" | "rewrite" => is_redirect(statement, names),
        "if" => {
            asks_for_tls(statement, names)
                && statement.inner().iter().any(|it| is_redirect(it, names))
        }
        "location" => {
            statement.arg(0) == Some("/")
                && statement.inner().iter().any(|it| is_redirect(it, names))
        }
        _ => false,
    })
}

fn is_redirect(statement: &Statement, names: &[Host]) -> bool {
    let url = match (statement.name(), statement.args()) {
        ("return", [status, url]) if matches!(status.as_str(), "301" | "302" | "307" | "308") => {
            url
        }
        ("return", [url]) => url,
        ("rewrite", [from, url, ..])
            if matches!(
                from.as_str(),
                "^" | "^(.*)" | "^(.*)$" | "^/(.*)" | "^/(.*)$" | "(.*)" | ".*"
            ) =>
        {
            url
        }
        _ => return false,
    };
    let Some(rest) = url.strip_prefix("https://") else { return false };
    let at = rest.find(['/', '$']).filter(|at| *at > 0);
    let at = at.or_else(|| rest.get(1..)?.find(['/', '$', ':']).map(|at| at + 1));
    let (host, path) = rest.split_at(at.unwrap_or(rest.len()));
    let (host, path) = (host.trim_end_matches(":443"), path.trim_start_matches(":443"));
    let is_host = matches!(host, "$host" | "$http_host" | "$server_name" | "$ssl_server_name")
        || names.iter().any(|name| *name == Host::Exact(host.to_owned()));
    let path = path.trim_end_matches('?');
    is_host && matches!(path, "$request_uri" | "$uri" | "$uri$is_args$args" | "$1" | "/$1")
}

/// Whether an `if` asks whether there is no TLS, or for a name of the server, as certbot does.
fn asks_for_tls(statement: &Statement, names: &[Host]) -> bool {
    let words: Vec<&str> = statement
        .args()
        .iter()
        .map(|word| word.trim_matches(['(', ')']))
        .filter(|it| !it.is_empty())
        .collect();
    match words[..] {
        ["$scheme", "=", "http"] | ["$scheme", "!=", "https"] => true,
        ["$https", "!=", "on"] | ["$https", "="] | ["$ssl_protocol", "="] => true,
        ["$server_port", "=", "80"] | ["$server_port", "!=", "443"] => true,
        ["$host", "=", name] => names.contains(&Host::Exact(name.to_owned())),
        _ => false,
    }
}
