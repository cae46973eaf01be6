//! The parts of addresses: names of hosts, IPv6 addresses without brackets, numbers.

use std::net::Ipv6Addr;

use crate::config::wording::quoted;

/// Checks that a name has only allowed characters, and is not a mistyped address.
pub(super) fn check_name(name: &str, found: &str) -> Result<(), String> {
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

/// Refuses a URL in place of a host.
pub(super) fn require_host_alone(text: &str, found: &str) -> Result<(), String> {
    if text.contains('/') {
        return Err(format!(
            "must be a host without http:// and path, found {found} (a path goes into path:)"
        ));
    }
    Ok(())
}

/// An IPv6 address without brackets, and the port after it if there is one.
pub(super) fn bare_ipv6(text: &str) -> Option<(&str, &str)> {
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

/// Whether a text consists of digits.
pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit())
}
