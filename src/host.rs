//! The host of a request in the form in which tables hold hosts.
//!
//! Routes and the rules of TLS for a host read it alike: a host that one of them takes for another would
//! get around the other's rule.

use std::borrow::Cow;

/// Returns the host in lower case, without port and without the dot that may end a full name.
///
/// Text that is not a host is returned unchanged, and so matches no entry of a table.
#[must_use]
pub fn canonical(host: &str) -> Cow<'_, str> {
    let name = without_port(host);
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// Removes the port. The colons in the brackets of an IPv6 address do not begin one.
fn without_port(host: &str) -> &str {
    let name_end = if host.starts_with('[') { host.find(']').map_or(0, |end| end + 1) } else { 0 };
    match host[name_end..].split_once(':') {
        Some((rest, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            &host[..name_end + rest.len()]
        }
        _ => host,
    }
}

/// The suffixes of a host with their leading dots, longest first: `.b.c` and `.c` for `a.b.c`;
/// suffixes longer than `longest` are left out.
pub fn suffixes(host: &str, longest: usize) -> impl Iterator<Item = &str> {
    let first = host.len().saturating_sub(longest).max(1);
    host.bytes()
        .enumerate()
        .skip(first)
        .filter(|(_, byte)| *byte == b'.')
        .map(|(start, _)| &host[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_form() {
        let cases = [
            ("example.com", "example.com"),
            ("EXAMPLE.com:80", "example.com"),
            ("example.com.", "example.com"),
            ("example.com.:80", "example.com"),
            ("example.com:", "example.com"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("[FE80::1]", "[fe80::1]"),
            ("", ""),
            (".", ""),
            (":80", ""),
        ];
        for (host, expected) in cases {
            assert_eq!(canonical(host), expected, "{host}");
        }
    }

    #[test]
    fn text_that_is_not_a_host_is_unchanged() {
        for host in ["example.com:80x", "::1", "[::1", "a:b:80", "exämple.com", "]["] {
            assert_eq!(canonical(host), host);
        }
    }

    #[test]
    fn nothing_is_allocated_for_a_host_in_lower_case() {
        assert!(matches!(canonical("example.com.:80"), Cow::Borrowed("example.com")));
    }

    #[test]
    fn suffixes_come_longest_first_and_need_something_before_them() {
        assert_eq!(suffixes("a.b.c", 9).collect::<Vec<_>>(), [".b.c", ".c"]);
        assert_eq!(suffixes("a.b.c", 2).collect::<Vec<_>>(), [".c"]);
        assert_eq!(suffixes(".b.c", 9).collect::<Vec<_>>(), [".c"]);
        assert_eq!(suffixes("exämple.com", 9).collect::<Vec<_>>(), [".com"]);
        assert_eq!(suffixes("", 9).count() + suffixes("a.b", 0).count(), 0);
    }
}
