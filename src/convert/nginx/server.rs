//! Servers: their addresses and names, and what they do with requests.

use super::{
    location::{self, Place},
    scope::Scope,
    upstream::Draft,
};
use crate::convert::{
    ledger::Ledger,
    site::{self, Host},
    statement::{Id, Statement},
};

/// A `server` of HTTP.
pub(super) struct Server<'a> {
    pub(super) statement: &'a Statement,
    pub(super) scope: Scope<'a>,
    pub(super) listens: Vec<Listen<'a>>,
    pub(super) names: Vec<Host>,
    /// The statement of each name.
    pub(super) named_by: Vec<Id>,
    /// Where its requests go, in the order in which nginx prefers them.
    pub(super) places: Vec<Place<'a>>,
    /// The statement that sends clients without TLS to the same place with TLS.
    pub(super) redirect: Option<&'a Statement>,
    /// A server that only refuses requests.
    pub(super) refuses: bool,
}

/// How a server listens at an address: a `listen`, or two, one of them for HTTP/3.
#[derive(Debug, Clone)]
pub(super) struct Listen<'a> {
    /// The `listen` for TCP, or the one for HTTP/3 if there is no other.
    pub(super) statement: Option<&'a Statement>,
    /// The `listen` for HTTP/3.
    pub(super) quic: Option<&'a Statement>,
    pub(super) address: String,
    pub(super) is_default: bool,
    pub(super) has_tls: bool,
    pub(super) has_http2: bool,
    pub(super) has_proxy_protocol: bool,
}

impl Listen<'_> {
    /// Whether nothing but HTTP/3 is spoken there.
    pub(super) fn is_for_quic_alone(&self) -> bool {
        let quic = self.quic.map(|it| it.id);
        quic.is_some() && self.statement.map(|it| it.id) == quic
    }
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
    let (named_by, names): (Vec<Id>, Vec<Host>) = names(&scope, draft.ledger).into_iter().unzip();
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
    Server { statement, scope, listens, names, named_by, places, redirect, refuses }
}

fn listens<'a>(scope: &Scope<'a>, ledger: &mut Ledger) -> Vec<Listen<'a>> {
    let written: Vec<&Statement> = scope.own().iter().filter(|it| it.name() == "listen").collect();
    if written.is_empty() {
        let everywhere = Listen {
            statement: None,
            quic: None,
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
        let Some(address) = address(statement, ledger) else { continue };
        ledger.translated(statement);
        parameters(statement, ledger);
        let is_quic = statement.has_arg("quic");
        let listen = Listen {
            statement: Some(statement),
            quic: is_quic.then_some(statement),
            address,
            is_default: statement.has_arg("default_server") || statement.has_arg("default"),
            has_tls: is_quic || statement.has_arg("ssl") || tls.is_some(),
            has_http2: statement.has_arg("http2") || http2.is_some(),
            has_proxy_protocol: statement.has_arg("proxy_protocol"),
        };
        add(listen, &mut listens);
    }
    listens
}

/// Adds how a server listens; TCP and HTTP/3 at one address are one listener in `lb`.
fn add<'a>(listen: Listen<'a>, listens: &mut Vec<Listen<'a>>) {
    let same = listens.iter_mut().find(|other| other.address == listen.address);
    let Some(same) = same else {
        listens.push(listen);
        return;
    };
    if same.is_for_quic_alone() {
        same.statement = listen.statement;
    }
    same.quic = same.quic.or(listen.quic);
    same.is_default |= listen.is_default;
    same.has_tls |= listen.has_tls;
    same.has_http2 |= listen.has_http2;
    same.has_proxy_protocol |= listen.has_proxy_protocol;
}

/// Moves what listens at all IPv4 addresses to the listener of all IPv6 addresses that takes IPv4 as well.
pub(super) fn join_twins(servers: &mut [Server<'_>], ledger: &mut Ledger) {
    let addresses: Vec<String> =
        servers.iter().flat_map(|it| &it.listens).map(|it| it.address.clone()).collect();
    let wider = |address: &str| site::twin(address).filter(|it| addresses.contains(it));
    for server in servers {
        // The wide ones first: a setting comes from their line.
        let (narrow, mut listens): (Vec<_>, Vec<_>) =
            server.listens.drain(..).partition(|it| wider(&it.address).is_some());
        for listen in narrow {
            let address = wider(&listen.address).unwrap_or_default();
            let statements = listen.statement.into_iter().chain(listen.quic);
            statements
                .for_each(|it| ledger.not_needed(it, format!("{address} takes IPv4 as well")));
            add(Listen { address, ..listen }, &mut listens);
        }
        server.listens = listens;
    }
}

/// Judges the parameters of a `listen` that no translator reads.
fn parameters(statement: &Statement, ledger: &mut Ledger) {
    for parameter in statement.args().iter().skip(1) {
        let name = parameter.split('=').next().unwrap_or_default();
        match name {
            "quic" | "ssl" | "http2" | "proxy_protocol" | "default_server" | "default" => {}
            "ipv6only" if parameter == "ipv6only=off" => {}
            "ipv6only" => {
                let reason = "ipv6only: a listener for all IPv6 addresses takes IPv4 as well in lb";
                ledger.changed(statement, reason);
            }
            "setfib" | "accept_filter" => {
                ledger.left_out(statement, format!("{name}: lb has no such setting of a listener"));
            }
            "reuseport" | "bind" | "backlog" | "rcvbuf" | "sndbuf" | "deferred" | "fastopen"
            | "so_keepalive" | "spdy" => {
                ledger.not_needed(statement, format!("{name}: lb has nothing to tune there"));
            }
            _ => {
                ledger.left_out(statement, format!("{name}: lb has no such setting of a listener"));
            }
        }
    }
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
fn names(scope: &Scope<'_>, ledger: &mut Ledger) -> Vec<(Id, Host)> {
    let mut names = Vec::new();
    for statement in scope.own().iter().filter(|it| it.name() == "server_name") {
        ledger.translated(statement);
        for name in statement.args() {
            match name.as_str() {
                "_" | "" | "-" | "--" | "!@#" => {
                    ledger.not_needed(statement, format!("{name}: no client sends this name"));
                }
                _ if name.starts_with('~') => {
                    let reason = "lb has no regular expressions for hosts (write each name, or *. and a name)";
                    ledger.left_out(statement, format!("{name}: {reason}"));
                }
                _ if name.starts_with('.') => {
                    let plain = name.trim_start_matches('.');
                    let both = [plain.to_owned(), format!("*{name}")];
                    let both = both.iter().filter_map(|name| host(statement, name, ledger));
                    names.extend(both.map(|host| (statement.id, host)));
                }
                _ => {
                    let host = host(statement, name, ledger);
                    names.extend(host.map(|host| (statement.id, host)));
                }
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
