//! Whom a request is for: `host[:port]` of `Host`, of a target, and of `:authority`.

use super::refusal::Refusal;

/// Checks `uri-host [ ":" port ]` of RFC 3986, by its characters. What `Host` allows and a URI does
/// too, so user information is refused.
///
/// # Errors
/// `why` as a 400.
pub fn check(authority: &[u8], why: &'static str) -> Result<(), Refusal> {
    if is_authority(authority) { Ok(()) } else { Err(Refusal::bad(why)) }
}

fn is_authority(authority: &[u8]) -> bool {
    let is_bracketed = authority.first() == Some(&b'[');
    let (host, port) = match authority.iter().rposition(|byte| *byte == b':') {
        // A colon within the brackets belongs to the address.
        Some(colon) if !is_bracketed || authority[..colon].ends_with(b"]") => {
            (&authority[..colon], &authority[colon + 1..])
        }
        _ => (authority, &b""[..]),
    };
    is_port(port) && is_host(host)
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

/// Empty, which means the scheme's own, or a number up to 65535.
fn is_port(port: &[u8]) -> bool {
    let number = |number: u32, digit: &u8| number * 10 + u32::from(digit - b'0');
    port.len() <= 5
        && port.iter().all(u8::is_ascii_digit)
        && port.iter().fold(0, number) <= u32::from(u16::MAX)
}

/// `unreserved`, `pct-encoded` and `sub-delims` of RFC 3986.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte)
}
