//! Parsers of addresses, hosts, and paths, and of the mistakes that people make in writing them.
//!
//! An error names the mistake and, if it can be guessed, what to write: a URL in place of an
//! address, an IPv6 address without brackets, `:8080` for all addresses.

mod authority;
mod server_line;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;

pub(in crate::config) use authority::{
    CERTIFIED_HOST, CHALLENGE, DIRECTORY_URL, EMAIL, is_public_name,
};
use ipnet::IpNet;
use serde_json::json;
pub(in crate::config) use server_line::backend_item;
use server_line::server_line;

use super::{
    kind::{Form, Kind},
    number::port,
    path::{UNIX, unix_address},
};
use crate::config::{
    model::{BackendAddress, Host, HostPattern, ListenAddress, PathPrefix, PeerBlock},
    wording::quoted,
};

/// A text that starts with a slash and has neither a blank nor a fragment.
const PATH_PATTERN: &str = "^/[^ #]*$";

pub(in crate::config) const LISTEN_ADDRESS: Kind<ListenAddress> = Kind {
    expected: "an address and port such as 0.0.0.0:8080",
    parse: listen_address,
    show: |address| json!(address.to_string()),
    shape: Form::Text("^unix:/?[^/]|:[0-9]{1,5}$").alone(),
};

/// The address of a listener whose port is given apart.
pub(in crate::config) const HOST_ADDRESS: Kind<IpAddr> = Kind {
    expected: "an IP address such as 127.0.0.1 or ::1",
    parse: |text| {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        bare.parse().map(|ip: IpAddr| ip.to_canonical()).map_err(|_| {
            let hint = match text {
                "localhost" => " (write 127.0.0.1, or ::1)",
                "*" | "" => " (write 0.0.0.0 for all IPv4 addresses, or :: for IPv6)",
                _ if text.contains(':') => " (the port has a flag of its own: --port)",
                _ => "",
            };
            let found = quoted(text);
            format!("must be an IP address such as 127.0.0.1 or ::1, found {found}{hint}")
        })
    },
    show: |ip| json!(ip.to_string()),
    shape: Form::Text("^[0-9A-Fa-f:.]+$").alone(),
};

pub(in crate::config) const BACKEND_ADDRESS: Kind<BackendAddress> = Kind {
    expected: "an address such as 127.0.0.1:9001",
    parse: backend_address,
    show: |address| json!(address.to_string()),
    shape: Form::Text("^(http://[^/@?# ]+/?|[^/@?# ]+:[0-9]{1,5})$").alone(),
};

pub(in crate::config) const HOST_PATTERN: Kind<HostPattern> = Kind {
    expected: "a host such as api.example.com or \"*.example.com\"",
    parse: host_pattern,
    show: |host| match host {
        HostPattern::Exact(host) => json!(host),
        HostPattern::Suffix(suffix) => json!(format!("*{suffix}")),
    },
    shape: Form::Text("^([^*/: ]+|\\*\\.[^*/: ]+|\\[[0-9A-Fa-f:.]+\\])$").alone(),
};

/// One name, as in a `Host` header.
pub(in crate::config) const HOST_NAME: Kind<Box<str>> = Kind {
    expected: "a host such as lb.internal",
    parse: |text| match text {
        _ if text.contains('*') => {
            Err(format!("must be one host, found {} (list each name)", quoted(text)))
        }
        _ => match host_pattern(text)? {
            HostPattern::Exact(host) | HostPattern::Suffix(host) => Ok(host),
        },
    },
    show: |host| json!(host),
    shape: Form::Text("^([^*/: ]+|\\[[0-9A-Fa-f:.]+\\])$").alone(),
};

pub(in crate::config) const PATH_PREFIX: Kind<PathPrefix> = Kind {
    expected: "a path such as /v1",
    parse: path_prefix,
    show: |path| json!(path.as_str()),
    shape: Form::Text("^/[^ #?*]*$").alone(),
};

pub(in crate::config) const CHECK_PATH: Kind<Box<str>> = Kind {
    expected: "a path such as /health",
    parse: check_path,
    show: |path| json!(path),
    shape: Form::Text(PATH_PATTERN).alone(),
};

pub(in crate::config) const CHECK_HOST: Kind<Box<str>> = Kind {
    expected: "a host such as web.internal",
    parse: check_host,
    show: |host| json!(host),
    shape: Form::Text("^[^/ ]+$").alone(),
};

/// Peers of connections.
pub(in crate::config) const PEERS: Kind<PeerBlock> = Kind {
    expected: "an address block such as 10.0.0.0/8, one address, or unix",
    parse: peers,
    show: |peers| json!(peers.to_string()),
    shape: Form::Text("^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$").or(&["unix"]),
};

/// The default port of HTTP.
const HTTP_PORT: NonZeroU16 = NonZeroU16::new(80).unwrap();

fn listen_address(text: &str) -> Result<ListenAddress, String> {
    if let Ok(address) = text.parse() {
        return Ok(ListenAddress::Tcp(canonical(address)));
    }
    if let Some(socket) = text.strip_prefix(UNIX) {
        return unix_address(socket);
    }
    if text.starts_with(['/', '@']) {
        let found = quoted(text);
        return Err(format!(
            "must be an address and port, or {UNIX} and a path, found {found} (write {UNIX}{text})"
        ));
    }
    let hint = listen_hint(text);
    let found = quoted(text);
    Err(format!("must be an address and port such as 0.0.0.0:8080, found {found} ({hint})"))
}

/// The address with an IPv4 address that is written as an IPv6 one (RFC 4291 section 2.5.5.2) in its
/// usual form, so that both forms are the same address.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        IpAddr::V6(_) => address,
    }
}

/// The item of a list that was meant by a text in place of a listener.
pub(in crate::config) fn listener_item(text: &str) -> String {
    let first = text.split_whitespace().next().unwrap_or_default();
    let address = match first {
        _ if is_number(first) => format!("0.0.0.0:{first}"),
        _ if (LISTEN_ADDRESS.parse)(first).is_ok() => first.to_owned(),
        _ => "0.0.0.0:8080".to_owned(),
    };
    let quote = if address.starts_with('[') { "\"" } else { "" };
    format!("address: {quote}{address}{quote}")
}

/// The address that was probably meant.
fn listen_hint(text: &str) -> String {
    if text.contains("://") {
        return "write only address and port, without http://".to_owned();
    }
    if is_number(text) {
        return format!("write 0.0.0.0:{text}");
    }
    if let Some((ip, port)) = bare_ipv6(text) {
        return format!("write \"[{ip}]:{port}\", with brackets and quotes");
    }
    if let Some(port) = text.strip_prefix("*:").or_else(|| text.strip_prefix(':')) {
        let port = if is_number(port) { port } else { "8080" };
        return format!(
            "write 0.0.0.0:{port} for all IPv4 addresses, or \"[::]:{port}\" for IPv6, with quotes"
        );
    }
    let is_ip = |host: &str| host.parse::<IpAddr>().is_ok() || host.ends_with(']');
    match text.rsplit_once(':') {
        _ if is_ip(text) => format!("the port is missing: write {text}:8080"),
        Some((host, port)) if is_ip(host) => {
            format!("the port must be between 0 and 65535, not {}", quoted(port))
        }
        _ => {
            "a listener needs an IP address, not a name: 127.0.0.1 is this machine alone, 0.0.0.0 \
              is for everyone"
                .to_owned()
        }
    }
}

fn backend_address(text: &str) -> Result<BackendAddress, String> {
    let found = quoted(text);
    if is_number(text) {
        return Err(format!("needs a host, found {found} (write 127.0.0.1:{text})"));
    }
    if !has_user(text)
        && let Some(line) = server_line(text)
    {
        let keys = line.keys.iter().map(|(key, value)| format!(" and \"{key}: {value}\""));
        let keys: String = keys.collect();
        let beside = if keys.is_empty() { "" } else { " beside it" };
        return Err(format!(
            "must be an address alone, found {found} (write {}{keys}{beside})",
            line.address
        ));
    }
    let (rest, default) = match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (rest, Some(HTTP_PORT)),
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => {
            return Err(format!(
                "not yet: lb speaks no TLS to backends, found {found} (use http://…)"
            ));
        }
        Some(_) => return Err(format!("must start with http:// or nothing, found {found}")),
        None => (text, None),
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if has_user(authority) {
        // The text is not shown, because it often contains a password.
        return Err("must not have a user name or password (write only host:port)".to_owned());
    }
    if let Some(part) = extra_part(authority) {
        return Err(format!("must not have {part}, found {found} (write only host:port)"));
    }
    let (host, port_text) = split_port(authority, &found)?;
    let port = match (port_text, default) {
        (Some(text), _) => {
            port(text).map_err(|message| format!("its port {message} in {found}"))?
        }
        (None, Some(default)) => default,
        (None, None) => {
            let host = if host.is_empty() { "host" } else { host };
            return Err(format!("needs a port, found {found} (write {host}:80)"));
        }
    };
    Ok(BackendAddress { host: backend_host(host, &found)?, port })
}

fn has_user(authority: &str) -> bool {
    authority.split(['/', '?', '#']).next().is_some_and(|head| head.contains('@'))
}

/// The part of a URL that is more than host and port.
fn extra_part(authority: &str) -> Option<&'static str> {
    match authority.chars().find(|c| matches!(c, '/' | '?' | '#'))? {
        '/' => Some("a path"),
        '?' => Some("a query"),
        _ => Some("a fragment"),
    }
}

fn split_port<'a>(text: &'a str, found: &str) -> Result<(&'a str, Option<&'a str>), String> {
    if let Some(end) = text.rfind(']') {
        let (host, rest) = text.split_at(end + 1);
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(format!("must be [IPv6]:port, found {found}")),
        };
    }
    if let Some((ip, port)) = bare_ipv6(text) {
        return Err(format!(
            "needs brackets around an IPv6 address, found {found} (write \"[{ip}]:{port}\", with \
             quotes)"
        ));
    }
    Ok(text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port))))
}

fn backend_host(host: &str, found: &str) -> Result<Host, String> {
    if let Some(inner) = host.strip_prefix('[') {
        let ip = inner.strip_suffix(']').and_then(|ip| ip.parse::<Ipv6Addr>().ok());
        return ip
            .map(|ip| Host::Ip(IpAddr::from(ip).to_canonical()))
            .ok_or_else(|| format!("has no IPv6 address in its brackets, found {found}"));
    }
    if let Ok(ip) = host.parse() {
        return Ok(Host::Ip(ip));
    }
    // "web.internal." says to the resolver that the name is complete.
    check_name(host.strip_suffix('.').unwrap_or(host), found)?;
    Ok(Host::Name(host.to_ascii_lowercase().into()))
}

/// Checks that a name has only allowed characters, and is not a mistyped address.
fn check_name(name: &str, found: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err(format!("has no host name, found {found}"));
    }
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if let Some(c) = name.chars().find(|c| !is_allowed(*c)) {
        let c = quoted(&c.to_string());
        return Err(format!(
            "must be a host name of letters, digits, '-', '.' and '_', found {found} (it has {c})"
        ));
    }
    if name.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return Err(format!("is not a valid IPv4 address, found {found}"));
    }
    if name.len() > 253 || name.split('.').any(|label| label.is_empty() || label.len() > 63) {
        return Err(format!(
            "is not a host name, found {found} (the parts between dots have 1 to 63 letters)"
        ));
    }
    Ok(())
}

fn host_pattern(text: &str) -> Result<HostPattern, String> {
    let found = quoted(text);
    if text.starts_with('~') {
        return Err(format!(
            "not yet: lb matches hosts by no regular expression, found {found} (write each host, or \
             \"*.example.com\")"
        ));
    }
    if text == "*" {
        return Err(format!("found {found} (leave host out: the route then matches any host)"));
    }
    require_host_alone(text, &found)?;
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(format!("needs brackets, found {found} (write \"[{text}]\", with quotes)"));
    }
    if let Some(ip) = text.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')) {
        let ip = ip.parse::<Ipv6Addr>();
        return ip
            .map(|ip| HostPattern::Exact(format!("[{ip}]").into()))
            .map_err(|_| format!("has no IPv6 address in its brackets, found {found}"));
    }
    if let Some((host, _)) = text.rsplit_once(':') {
        return Err(format!(
            "must not have a port, found {found} (write \"{host}\": it matches on every port)"
        ));
    }
    if let Some(suffix) = text.strip_prefix("*.") {
        check_name(suffix, &found).map_err(|message| star_hint(suffix, &found, message))?;
        return Ok(HostPattern::Suffix(format!(".{}", suffix.to_ascii_lowercase()).into()));
    }
    if text.starts_with('.') {
        return Err(format!("starts with a dot, found {found} (write \"*{text}\")"));
    }
    if text.parse::<IpAddr>().is_err() {
        check_name(text, &found).map_err(|message| star_hint(text, &found, message))?;
    }
    Ok(HostPattern::Exact(text.to_ascii_lowercase().into()))
}

fn require_host_alone(text: &str, found: &str) -> Result<(), String> {
    if text.contains('/') {
        return Err(format!(
            "must be a host without http:// and path, found {found} (a path goes into path:)"
        ));
    }
    Ok(())
}

fn star_hint(host: &str, found: &str, message: String) -> String {
    if host.contains('*') {
        return format!("can have a * only as its first part, as in *.example.com, found {found}");
    }
    message
}

fn path_prefix(text: &str) -> Result<PathPrefix, String> {
    let found = quoted(text);
    check_path_text(text)?;
    if text.contains('?') {
        return Err(format!("must not have a query, found {found} (routes look at the path only)"));
    }
    let Some(stem) = text.strip_suffix('*') else {
        let trimmed = text.trim_end_matches('/');
        return Ok(PathPrefix(if trimmed.is_empty() { "/" } else { trimmed }.into()));
    };
    let stem = stem.trim_end_matches('/');
    let stem = if stem.is_empty() { "/" } else { stem };
    Err(format!("must not end in *, found {found} (write {stem}: all below it matches too)"))
}

fn check_path(text: &str) -> Result<Box<str>, String> {
    check_path_text(text).map(|()| text.into())
}

/// The message about a path as nginx writes it: an operator such as `~`, and then the path.
fn operator_hint(text: &str) -> Option<String> {
    let (operator, path) = text.split_once(char::is_whitespace)?;
    let path = path.trim_start();
    let plain = path.trim_start_matches('^');
    let end = plain.find(|c: char| "\\.*+?()[]{}|$^".contains(c)).unwrap_or(plain.len());
    let prefix = plain.get(..end).filter(|prefix| prefix.starts_with('/')).unwrap_or("/");
    let found = quoted(text);
    match operator {
        "~" | "~*" => Some(format!(
            "not yet: lb matches paths by no regular expression, found {found} (write the prefix, as \
             in {prefix})"
        )),
        "=" => Some(format!(
            "not yet: lb matches no path without the paths below it, found {found} (write {path})"
        )),
        "^~" => Some(format!("must start with /, found {found} (write {path})")),
        _ => None,
    }
}

fn check_path_text(text: &str) -> Result<(), String> {
    let found = quoted(text);
    if let Some(message) = operator_hint(text) {
        return Err(message);
    }
    if !text.starts_with('/') {
        let path = text
            .split_once("://")
            .map_or(text, |(_, rest)| rest.find('/').map_or("", |start| &rest[start..]));
        let path = path.trim_start_matches('/');
        return Err(format!("must start with /, found {found} (write /{path})"));
    }
    match text.chars().find(|c| !c.is_ascii_graphic() || *c == '#') {
        Some(c) => {
            let c = quoted(&c.to_string());
            Err(format!("must not contain {c}, found {found} (write it as %XX, as in a URL)"))
        }
        None => Ok(()),
    }
}

fn check_host(text: &str) -> Result<Box<str>, String> {
    let found = quoted(text);
    require_host_alone(text, &found)?;
    let (host, port_text) = split_port(text, &found)?;
    if let Some(text) = port_text {
        port(text).map_err(|message| format!("its port {message} in {found}"))?;
    }
    backend_host(host, &found).map(|_| text.into())
}

fn peers(text: &str) -> Result<PeerBlock, String> {
    if text == "unix" {
        return Ok(PeerBlock::Unix);
    }
    let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    net.map(|net| PeerBlock::Net(net.trunc())).map_err(|_| {
        let found = quoted(text);
        format!("must be an address block such as 10.0.0.0/8, one address, or unix, found {found}")
    })
}

/// An IPv6 address without brackets, and the port after it if there is one.
fn bare_ipv6(text: &str) -> Option<(&str, &str)> {
    if text.parse::<Ipv6Addr>().is_ok() {
        // The last part may have been meant as a port; the text is ambiguous.
        return match text.rsplit_once(':') {
            Some((ip, port)) if port.len() == 4 && ip.parse::<Ipv6Addr>().is_ok() => {
                Some((ip, port))
            }
            _ => Some((text, "80")),
        };
    }
    let (ip, port) = text.rsplit_once(':')?;
    ip.parse::<Ipv6Addr>().is_ok().then_some((ip, port))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit())
}
