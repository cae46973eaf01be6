//! What an authority is told: hosts, and an address for its letters; and where it is.

use serde_json::json;

use super::HOST_NAME;
use crate::config::{
    model::Challenge,
    values::kind::{Form, Kind, choice},
    wording::quoted,
};

/// The endings of names that no public authority signs (RFC 6761, RFC 6762, RFC 8375).
const PRIVATE: [&str; 6] = ["localhost", "local", "test", "internal", "home.arpa", "invalid"];

/// A host that an authority can look at.
pub(in crate::config) const CERTIFIED_HOST: Kind<Box<str>> = Kind {
    expected: "a host such as shop.example.com",
    parse: |text| {
        if text.contains('*') {
            return Err(format!(
                "must be one host, found {} (list each name; not yet: a wildcard, which needs the \
                 challenge dns-01)",
                quoted(text)
            ));
        }
        let host = (HOST_NAME.parse)(text)?;
        let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        let is_name = host.chars().all(is_letter) && host.len() <= 253;
        let is_address = host.parse::<std::net::IpAddr>().is_ok();
        let labels_fit = host.split('.').all(|label| {
            (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
        });
        match is_name && labels_fit && !is_address {
            true => Ok(host),
            false => {
                Err(format!("must be a host such as shop.example.com, found {}", quoted(text)))
            }
        }
    },
    show: |host| json!(host),
    shape: Form::Text("^[0-9A-Za-z-]+(\\.[0-9A-Za-z-]+)*$").alone(),
};

/// Whether a public authority could sign a certificate for this host.
pub(in crate::config) fn is_public_name(host: &str) -> bool {
    let is_below = |end: &&str| host.strip_suffix(*end).is_some_and(|rest| rest.ends_with('.'));
    let is_private = PRIVATE.iter().any(|end| host == *end || is_below(end));
    host.contains('.') && !is_private
}

pub(in crate::config) const CHALLENGE: Kind<Challenge> = Kind {
    parse: |text| match text {
        "dns-01" => Err("not yet: dns-01 (write tls-alpn-01 or http-01)".to_owned()),
        _ => choice(text),
    },
    ..Kind::word("tls-alpn-01 or http-01")
};

pub(in crate::config) const EMAIL: Kind<Box<str>> = Kind {
    expected: "an address such as ops@example.com",
    parse: |text| {
        let is_visible =
            text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, ',' | '?' | ':'));
        let parts = text.split_once('@');
        match parts.is_some_and(|(name, host)| !name.is_empty() && host.contains('.')) {
            true if is_visible && text.matches('@').count() == 1 => Ok(text.into()),
            _ => Err(format!("must be an address such as ops@example.com, found {}", quoted(text))),
        }
    },
    show: |email| json!(email),
    shape: Form::Text("^[^@ ,?:]+@[^@ ,?:]+\\.[^@ ,?:]+$").alone(),
};

pub(in crate::config) const DIRECTORY_URL: Kind<Box<str>> = Kind {
    expected: "a URL such as https://acme-v02.api.letsencrypt.org/directory",
    parse: |text| {
        let url = text.parse::<http::Uri>().ok();
        let has_host = url.as_ref().and_then(http::Uri::host).is_some_and(|host| !host.is_empty());
        match url.as_ref().and_then(http::Uri::scheme_str) {
            Some("https") if has_host => Ok(text.into()),
            Some("http") => Err(format!(
                "must begin with https://, found {}: without TLS any machine on the way could answer",
                quoted(text)
            )),
            _ => Err(format!(
                "must be a URL such as https://acme-v02.api.letsencrypt.org/directory, found {}",
                quoted(text)
            )),
        }
    },
    show: |url| json!(url),
    shape: Form::Text("^https://[^/ ]+").alone(),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_no_public_authority_signs_are_known() {
        for (host, expected) in [
            ("shop.example.com", true),
            ("localhost", false),
            ("app.localhost", false),
            ("notlocalhost", false),
            ("notlocalhost.com", true),
            ("nas.home.arpa", false),
            ("test.example", true),
        ] {
            assert_eq!(is_public_name(host), expected, "{host}");
        }
    }

    #[test]
    fn a_host_must_be_a_name_that_an_authority_can_look_at() {
        for host in ["shop.example.com", "SHOP.example.com", "xn--mnchen-3ya.example"] {
            assert!((CERTIFIED_HOST.parse)(host).is_ok(), "{host}");
        }
        for host in ["*.example.com", "127.0.0.1", "[::1]", "a_b.example", "-a.example", "a..b", ""]
        {
            assert!((CERTIFIED_HOST.parse)(host).is_err(), "{host}");
        }
        let wildcard = (CERTIFIED_HOST.parse)("*.example.com").unwrap_err();
        assert!(wildcard.contains("not yet: a wildcard"), "{wildcard}");
    }
}
