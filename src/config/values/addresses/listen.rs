//! The address of a listener, and the mistakes that people make in writing it.

use std::net::{IpAddr, SocketAddr};

use serde_json::json;

use super::parts::{bare_ipv6, is_number};
use crate::config::{
    model::ListenAddress,
    values::{
        kind::{Form, Kind},
        path::{UNIX, unix_address},
    },
    wording::quoted,
};

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
