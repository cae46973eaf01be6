//! The fields of a line of the access log, and which of them an operator has chosen.
//!
//! A header or a cookie may be a secret: a password, a key, the ticket of a session. A log is read by more
//! people than such a secret is meant for, and is kept for longer. Names do not say for certain which values
//! are secrets, so any name that could be of one masks its value, until the operator says otherwise.

use std::fmt;

use crate::config::word::Word;

/// A field of a line of the access log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LogField {
    /// A field that any request has.
    Standard(StandardField),
    /// A header of the request, by its name in small letters.
    RequestHeader(Box<str>),
    /// A header of the answer, by its name in small letters.
    ResponseHeader(Box<str>),
    /// A cookie of the request, by its name.
    Cookie(Box<str>),
}

/// An item of the list of fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldItem {
    /// Every standard field.
    Default,
    /// Takes a field out that an item before has put in.
    Without(StandardField),
    /// Puts a field in.
    With(LogField),
}

/// A field of every line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenField {
    /// The field.
    pub field: LogField,
    /// Whether its value is replaced by asterisks.
    pub is_masked: bool,
}

/// A field that any request has. `docs/src/reference/log-fields.md` says what each holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named as its field is")]
pub enum StandardField {
    Time,
    Level,
    Msg,
    ClientIp,
    RealIp,
    Method,
    Path,
    Protocol,
    Backend,
    Status,
    LatencyMs,
    RequestId,
    TraceId,
    Attempts,
    Tries,
    NoBackend,
    Bytes,
    RequestBytes,
    Host,
    Pool,
    Listener,
    Referer,
    UserAgent,
    Scheme,
    TlsVersion,
    Cipher,
    Sni,
    Alpn,
    Resumed,
    ClientCert,
    Authority,
    UniqueId,
    Error,
}

/// A header whose name contains one of these may hold a secret.
const SECRETS: [&str; 12] = [
    "auth",
    "cookie",
    "token",
    "secret",
    "passw",
    "credential",
    "api-key",
    "apikey",
    "access-key",
    "session",
    "signature",
    "jwt",
];

impl LogField {
    /// Whether its value may be a secret: of a cookie, or of a header whose name sounds like one.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        match self {
            Self::Standard(_) => false,
            Self::Cookie(_) => true,
            Self::RequestHeader(name) | Self::ResponseHeader(name) => {
                SECRETS.iter().any(|part| name.contains(part))
            }
        }
    }
}

impl fmt::Display for LogField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard(field) => f.write_str(field.word()),
            Self::RequestHeader(name) => write!(f, "request_header.{name}"),
            Self::ResponseHeader(name) => write!(f, "response_header.{name}"),
            Self::Cookie(name) => write!(f, "cookie.{name}"),
        }
    }
}

impl fmt::Display for FieldItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Without(field) => write!(f, "-{}", field.word()),
            Self::With(field) => field.fmt(f),
        }
    }
}

/// The fields that these items come to; an item that changes nothing is without effect.
pub(super) fn listed(items: &[FieldItem]) -> Vec<LogField> {
    let mut fields: Vec<LogField> = Vec::new();
    let put = |field: &LogField, fields: &mut Vec<LogField>| {
        if !fields.contains(field) {
            fields.push(field.clone());
        }
    };
    for item in items {
        match item {
            FieldItem::Default => {
                for field in StandardField::ALL {
                    put(&LogField::Standard(*field), &mut fields);
                }
            }
            FieldItem::Without(out) => fields.retain(|it| *it != LogField::Standard(*out)),
            FieldItem::With(field) => put(field, &mut fields),
        }
    }
    fields
}

impl Word for StandardField {
    /// In the order of a line.
    const ALL: &'static [Self] = &[
        Self::Time,
        Self::Level,
        Self::Msg,
        Self::ClientIp,
        Self::RealIp,
        Self::Method,
        Self::Path,
        Self::Protocol,
        Self::Backend,
        Self::Status,
        Self::LatencyMs,
        Self::RequestId,
        Self::TraceId,
        Self::Attempts,
        Self::Tries,
        Self::NoBackend,
        Self::Bytes,
        Self::RequestBytes,
        Self::Host,
        Self::Pool,
        Self::Listener,
        Self::Referer,
        Self::UserAgent,
        Self::Scheme,
        Self::TlsVersion,
        Self::Cipher,
        Self::Sni,
        Self::Alpn,
        Self::Resumed,
        Self::ClientCert,
        Self::Authority,
        Self::UniqueId,
        Self::Error,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Level => "level",
            Self::Msg => "msg",
            Self::ClientIp => "client_ip",
            Self::RealIp => "real_ip",
            Self::Method => "method",
            Self::Path => "path",
            Self::Protocol => "protocol",
            Self::Backend => "backend",
            Self::Status => "status",
            Self::LatencyMs => "latency_ms",
            Self::RequestId => "request_id",
            Self::TraceId => "trace_id",
            Self::Attempts => "attempts",
            Self::Tries => "tries",
            Self::NoBackend => "no_backend",
            Self::Bytes => "bytes",
            Self::RequestBytes => "request_bytes",
            Self::Host => "host",
            Self::Pool => "pool",
            Self::Listener => "listener",
            Self::Referer => "referer",
            Self::UserAgent => "user_agent",
            Self::Scheme => "scheme",
            Self::TlsVersion => "tls_version",
            Self::Cipher => "cipher",
            Self::Sni => "sni",
            Self::Alpn => "alpn",
            Self::Resumed => "resumed",
            Self::ClientCert => "client_cert",
            Self::Authority => "authority",
            Self::UniqueId => "unique_id",
            Self::Error => "error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_taken_in_order_and_each_field_stands_once() {
        let cookie = LogField::Cookie("theme".into());
        let words = |items: &[FieldItem]| -> Vec<String> {
            listed(items).iter().map(ToString::to_string).collect()
        };
        let path = LogField::Standard(StandardField::Path);
        let without = FieldItem::Without(StandardField::Path);
        let (with, theme) = (FieldItem::With(path), FieldItem::With(cookie));
        assert_eq!(words(&[theme.clone(), with.clone(), theme.clone()]), ["cookie.theme", "path"]);
        let all = StandardField::ALL.len();
        assert_eq!(words(&[FieldItem::Default]).len(), all);
        assert_eq!(words(&[FieldItem::Default, with.clone(), theme]).len(), all + 1);
        assert_eq!(words(&[FieldItem::Default, without.clone()]).len(), all - 1);
        let moved = words(&[FieldItem::Default, without, with]);
        assert_eq!(moved.last().map(String::as_str), Some("path"));
    }

    #[test]
    fn names_that_sound_like_secrets_are_masked() {
        for name in [
            "authorization",
            "proxy-authorization",
            "cookie",
            "set-cookie",
            "x-api-key",
            "x-auth-token",
            "x-csrf-token",
            "x-amz-security-token",
            "x-goog-api-key",
            "x-vault-token",
            "x-hub-signature",
            "x-session-id",
            "x-password",
            "x-client-secret",
            "sec-websocket-accept-jwt",
        ] {
            assert!(LogField::RequestHeader(name.into()).is_secret(), "{name}");
            assert!(LogField::ResponseHeader(name.into()).is_secret(), "{name}");
        }
        for name in ["accept", "content-type", "x-request-id", "user-agent", "x-cache", "via"] {
            assert!(!LogField::RequestHeader(name.into()).is_secret(), "{name}");
        }
        assert!(LogField::Cookie("theme".into()).is_secret());
    }
}
