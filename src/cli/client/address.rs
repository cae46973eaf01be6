//! The address of an admin listener, as `--admin` takes it.

use std::{fmt, path::PathBuf, str::FromStr};

/// The address of an admin listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Address {
    /// Host and port.
    Tcp(String),
    /// Host and port, by TLS.
    Tls(String),
    /// A file.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const EXPECTED: &str =
            "must be as in http://127.0.0.1:9900, https://10.0.0.1:9900 or unix:/run/lb/admin.sock";
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            return if path.as_os_str().is_empty() {
                Err(EXPECTED.to_owned())
            } else {
                Ok(Self::Unix(path))
            };
        }
        let (place, of): (_, fn(String) -> Self) = match text.strip_prefix("https://") {
            Some(place) => (place, Self::Tls),
            None => (text.strip_prefix("http://").unwrap_or(text), Self::Tcp),
        };
        let place = place.strip_suffix('/').unwrap_or(place);
        let is_one = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
        match place.rsplit_once(':') {
            Some((host, port))
                if !host.is_empty()
                    && place.chars().all(is_one)
                    && port.parse::<u16>().is_ok_and(|port| port > 0) =>
            {
                Ok(of(place.to_owned()))
            }
            _ => Err(EXPECTED.to_owned()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(place) => write!(f, "http://{place}"),
            Self::Tls(place) => write!(f, "https://{place}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_url_or_a_socket() {
        for (text, address) in [
            ("http://127.0.0.1:9900", "http://127.0.0.1:9900"),
            ("http://lb.internal:9900/", "http://lb.internal:9900"),
            ("[::1]:9900", "http://[::1]:9900"),
            ("https://lb.internal:9900/", "https://lb.internal:9900"),
            ("unix:/run/lb/admin.sock", "unix:/run/lb/admin.sock"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), address);
        }
        for text in [
            "",
            "unix:",
            "http://127.0.0.1",
            "http://a:0",
            "http://a:1/b",
            "https://a",
            "ftp://a:1",
            "a b:1",
            ":1",
        ] {
            let message = text.parse::<Address>().unwrap_err();
            assert!(message.contains("http://127.0.0.1:9900"), "{text}: {message}");
        }
    }
}
