//! The address of a backend, and the mistakes that people make in writing it.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU16,
};

use serde_json::json;

use super::{
    parts::{bare_ipv6, check_name, is_number, require_host_alone},
    server_line::{ServerLine, mended, server_line},
};
use crate::config::{
    model::{BackendAddress, Host},
    values::{
        kind::{Form, Kind},
        number::port,
    },
    wording::quoted,
};

pub(in crate::config) const BACKEND_ADDRESS: Kind<BackendAddress> = Kind {
    expected: "an address such as 127.0.0.1:9001",
    parse: backend_address,
    show: |address| json!(address.to_string()),
    shape: Form::Text("^(http://[^/@?# ]+/?|[^/@?# ]+:[0-9]{1,5})$").alone(),
};

pub(in crate::config) const CHECK_HOST: Kind<Box<str>> = Kind {
    expected: "a host such as web.internal",
    parse: check_host,
    show: |host| json!(host),
    shape: Form::Text("^[^/ ]+$").alone(),
};

/// The default port of HTTP.
const HTTP_PORT: NonZeroU16 = NonZeroU16::new(80).unwrap();

fn backend_address(text: &str) -> Result<BackendAddress, String> {
    let found = quoted(text);
    if is_number(text) {
        return Err(format!("needs a host, found {found} (write 127.0.0.1:{text})"));
    }
    if !has_user(text)
        && let Some(line) = server_line(text, is_address)
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

fn check_host(text: &str) -> Result<Box<str>, String> {
    let found = quoted(text);
    require_host_alone(text, &found)?;
    let (host, port_text) = split_port(text, &found)?;
    if let Some(text) = port_text {
        port(text).map_err(|message| format!("its port {message} in {found}"))?;
    }
    backend_host(host, &found).map(|_| text.into())
}

fn is_address(text: &str) -> bool {
    backend_address(text).is_ok()
}

/// The item of a list that was meant by this text.
pub(in crate::config) fn backend_item(text: &str) -> String {
    let line = server_line(text, is_address).or_else(|| {
        let address = mended(text, is_address)?;
        Some(ServerLine { address, keys: Vec::new() })
    });
    match line {
        None => "address: 127.0.0.1:9001".to_owned(),
        Some(ServerLine { address, keys }) if keys.is_empty() => {
            format!("address: {}", in_quotes(&address))
        }
        Some(ServerLine { address, keys }) => {
            let keys: String =
                keys.iter().map(|(key, value)| format!(", {key}: {value}")).collect();
            format!("{{ address: {}{keys} }}", in_quotes(&address))
        }
    }
}

/// A text that starts a list in YAML needs quotes.
fn in_quotes(text: &str) -> String {
    if text.starts_with('[') { format!("\"{text}\"") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_another_balancer_becomes_an_item() {
        for (text, item) in [
            ("8080", "address: 127.0.0.1:8080"),
            ("localhost", "address: localhost:80"),
            ("10.0.0.1:80", "address: 10.0.0.1:80"),
            ("::1", "address: \"[::1]:80\""),
            ("[::1]:80", "address: \"[::1]:80\""),
            ("127.0.0.1:9001 weight=2", "{ address: 127.0.0.1:9001, weight: 2 }"),
            ("server 127.0.0.1:9002", "address: 127.0.0.1:9002"),
            ("server 127.0.0.1:9002;", "address: 127.0.0.1:9002"),
            ("server 8080", "address: 127.0.0.1:8080"),
            (
                "server web1 10.0.0.1:80 check weight 10 maxconn 50 backup",
                "{ address: 10.0.0.1:80, weight: 10, max_connections: 50, backup: true }",
            ),
            (
                "server web.internal max_fails=3 fail_timeout=30s down;",
                "{ address: web.internal:80, drain: true }",
            ),
            ("http://web:80/ weight=x", "address: http://web:80/"),
            ("", "address: 127.0.0.1:9001"),
            ("server", "address: server:80"),
            ("https://a", "address: 127.0.0.1:9001"),
        ] {
            assert_eq!(backend_item(text), item, "{text}");
        }
    }
}
