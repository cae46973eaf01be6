//! The redirect of a listener to the same host and path over TLS.

use crate::config::{HTTPS_PORT, Listener, RedirectToHttps};

/// The status of a redirect, which keeps the method and the body (RFC 9110 section 15.4.9).
pub const REDIRECT_STATUS: u16 = 308;

/// The port that a listener redirects to, in a configuration whose URLs over TLS lead to `https_port`;
/// `None` if it serves requests.
#[must_use]
pub fn redirect_port(listener: &Listener, https_port: u16) -> Option<u16> {
    match listener.redirect_to_https {
        RedirectToHttps::Off => None,
        RedirectToHttps::ToListener => Some(https_port),
        RedirectToHttps::ToPort(port) => Some(port.get()),
    }
}

/// The URL that a request for this host, with its query behind the path, is redirected to; `None` without
/// a host.
#[must_use]
pub fn redirect_location(host: &str, port: u16, path_and_query: &str) -> Option<String> {
    let host = without_port(host);
    let port = if port == HTTPS_PORT { String::new() } else { format!(":{port}") };
    // A URL without a path stands for the server as a whole (RFC 9110 section 9.3.7).
    let path_and_query = if path_and_query == "*" { "" } else { path_and_query };
    (!host.is_empty()).then(|| format!("https://{host}{port}{path_and_query}"))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::redirect_location;

    #[test]
    fn a_port_is_left_out_and_an_ipv6_address_is_not_cut() {
        assert_eq!(redirect_location("a", 443, "*").as_deref(), Some("https://a"));
        for (host, port, expected) in [
            ("a.example", 443, Some("https://a.example/x?y")),
            ("a.example:8080", 8443, Some("https://a.example:8443/x?y")),
            ("a.example:", 443, Some("https://a.example/x?y")),
            ("[2001:db8::1]", 443, Some("https://[2001:db8::1]/x?y")),
            ("[2001:db8::1]:80", 444, Some("https://[2001:db8::1]:444/x?y")),
            (":80", 443, None),
            ("", 443, None),
        ] {
            assert_eq!(redirect_location(host, port, "/x?y").as_deref(), expected, "{host}");
        }
    }
}
