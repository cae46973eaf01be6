//! Parsers of addresses, hosts, and paths, and of the mistakes that people make in writing them.
//!
//! An error names the mistake and, if it can be guessed, what to write: a URL in place of an
//! address, an IPv6 address without brackets, `:8080` for all addresses.

mod authority;
mod backend;
mod collector;
mod listen;
mod parts;
mod server_line;

use std::net::{IpAddr, Ipv6Addr};

pub(in crate::config) use authority::{
    CERTIFIED_HOST, CHALLENGE, DIRECTORY_URL, EMAIL, is_public_name,
};
pub(in crate::config) use backend::{BACKEND_ADDRESS, CHECK_HOST, backend_item};
pub(in crate::config) use collector::{COLLECTOR, url_of_traces};
use ipnet::IpNet;
pub(in crate::config) use listen::{HOST_ADDRESS, LISTEN_ADDRESS, listener_item};
use parts::{check_name, require_host_alone};
use serde_json::json;

use super::kind::{Form, Kind};
use crate::config::{
    model::{HostPattern, PathPrefix, PeerBlock},
    wording::quoted,
};

/// A text that starts with a slash and has neither a blank nor a fragment.
const PATH_PATTERN: &str = "^/[^ #]*$";

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

/// Peers of connections.
pub(in crate::config) const PEERS: Kind<PeerBlock> = Kind {
    expected: "an address block such as 10.0.0.0/8, one address, or unix",
    parse: peers,
    show: |peers| json!(peers.to_string()),
    shape: Form::Text("^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$").or(&["unix"]),
};

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
