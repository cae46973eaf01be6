//! The protocols that clients of a listener may speak.

use crate::config::word::Word;

/// A protocol that clients of a listener may speak, by its name in TLS (RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerProtocol {
    /// HTTP/3, over QUIC on the same address.
    H3,
    /// HTTP/2 over TLS.
    H2,
    /// HTTP/2 without TLS, by clients that know of it.
    H2c,
    /// HTTP/1.1, and HTTP/1.0.
    Http11,
}

impl ListenerProtocol {
    /// The protocols of a listener whose configuration names none, the preferred one first.
    #[must_use]
    pub fn of_every_listener(has_tls: bool) -> Vec<Self> {
        if has_tls { vec![Self::H2, Self::Http11] } else { vec![Self::Http11] }
    }

    /// Whether it is HTTP/3.
    #[must_use]
    pub fn is_http3(self) -> bool {
        self == Self::H3
    }

    /// Whether it is HTTP/2.
    #[must_use]
    pub fn is_http2(self) -> bool {
        matches!(self, Self::H2 | Self::H2c)
    }
}

impl Word for ListenerProtocol {
    const ALL: &'static [Self] = &[Self::H3, Self::H2, Self::H2c, Self::Http11];

    fn word(self) -> &'static str {
        match self {
            Self::H3 => "h3",
            Self::H2 => "h2",
            Self::H2c => "h2c",
            Self::Http11 => "http/1.1",
        }
    }
}
