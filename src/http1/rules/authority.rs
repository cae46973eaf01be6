//! The authority that a request is for: `host[:port]` of `Host`, of a target, and of `:authority`.

/// `uri-host [ ":" port ]` of RFC 3986 without user information, which none of the three may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authority<'a> {
    /// A name or an address, as it was spelled; an IPv6 address has its brackets. Never empty.
    pub host: &'a [u8],
    /// Up to five digits. Empty for the default port of the scheme, with or without a colon.
    pub port: &'a [u8],
}

impl<'a> Authority<'a> {
    /// Splits an authority into host and port; `None` if it is malformed.
    #[must_use]
    pub fn parse(authority: &'a [u8]) -> Option<Self> {
        let is_bracketed = authority.first() == Some(&b'[');
        let (host, port) = match authority.iter().rposition(|byte| *byte == b':') {
            // A colon within the brackets belongs to the address.
            Some(colon) if !is_bracketed || authority[..colon].ends_with(b"]") => {
                (&authority[..colon], &authority[colon + 1..])
            }
            _ => (authority, &b""[..]),
        };
        (is_host(host) && is_port(port)).then_some(Self { host, port })
    }
}

fn is_host(host: &[u8]) -> bool {
    match host {
        [b'[', address @ .., b']'] => {
            address.contains(&b':')
                && address.iter().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(byte))
        }
        name => !name.is_empty() && name.iter().all(|byte| is_name_byte(*byte)),
    }
}

/// Whether this is a port: empty for the scheme's default, or a number up to 65535.
fn is_port(port: &[u8]) -> bool {
    let number = |number: u32, digit: &u8| number * 10 + u32::from(digit - b'0');
    port.len() <= 5
        && port.iter().all(u8::is_ascii_digit)
        && port.iter().fold(0, number) <= u32::from(u16::MAX)
}

/// Whether a name may have this byte: `unreserved`, `pct-encoded` and `sub-delims` of RFC 3986.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$' | b'&' | b'\'')
        || matches!(byte, b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}
