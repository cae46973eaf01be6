//! The fields that the proxy asks about, found by one look at each name.
//!
//! Looking a name up in a map costs a hash and a comparison for each question. Here each field of a
//! head is compared once with the few known names of its length.

/// A field that something in the proxy asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named as its field is")]
pub enum Known {
    Te,
    Date,
    Host,
    Cookie,
    Expect,
    Server,
    Referer,
    Trailer,
    Upgrade,
    CdnLoop,
    Forwarded,
    XRealIp,
    Connection,
    KeepAlive,
    SetCookie,
    TraceState,
    UserAgent,
    ClientCert,
    TraceParent,
    RetryAfter,
    ContentType,
    XRequestId,
    Authorization,
    CacheControl,
    ContentRange,
    ContentLength,
    Http2Settings,
    AcceptEncoding,
    IdempotencyKey,
    XForwardedFor,
    ContentEncoding,
    ProxyConnection,
    XForwardedHost,
    ClientCertChain,
    XClientCertSan,
    SecWebSocketKey,
    TransferEncoding,
    XForwardedProto,
    ProxyAuthenticate,
    ProxyAuthorization,
    XClientCertSubject,
    XClientCertVerified,
    StrictTransportSecurity,
    XClientCertFingerprint,
}

/// Every known field in its usual spelling, shortest first, in the order of [`Known`].
const NAMES: &[(&str, Known)] = &[
    ("TE", Known::Te),
    ("Date", Known::Date),
    ("Host", Known::Host),
    ("Cookie", Known::Cookie),
    ("Expect", Known::Expect),
    ("Server", Known::Server),
    ("Referer", Known::Referer),
    ("Trailer", Known::Trailer),
    ("Upgrade", Known::Upgrade),
    ("CDN-Loop", Known::CdnLoop),
    ("Forwarded", Known::Forwarded),
    ("X-Real-IP", Known::XRealIp),
    ("Connection", Known::Connection),
    ("Keep-Alive", Known::KeepAlive),
    ("Set-Cookie", Known::SetCookie),
    ("tracestate", Known::TraceState),
    ("User-Agent", Known::UserAgent),
    ("Client-Cert", Known::ClientCert),
    ("traceparent", Known::TraceParent),
    ("Retry-After", Known::RetryAfter),
    ("Content-Type", Known::ContentType),
    ("X-Request-Id", Known::XRequestId),
    ("Authorization", Known::Authorization),
    ("Cache-Control", Known::CacheControl),
    ("Content-Range", Known::ContentRange),
    ("Content-Length", Known::ContentLength),
    ("HTTP2-Settings", Known::Http2Settings),
    ("Accept-Encoding", Known::AcceptEncoding),
    ("Idempotency-Key", Known::IdempotencyKey),
    ("X-Forwarded-For", Known::XForwardedFor),
    ("Content-Encoding", Known::ContentEncoding),
    ("Proxy-Connection", Known::ProxyConnection),
    ("X-Forwarded-Host", Known::XForwardedHost),
    ("Client-Cert-Chain", Known::ClientCertChain),
    ("X-Client-Cert-SAN", Known::XClientCertSan),
    ("Sec-WebSocket-Key", Known::SecWebSocketKey),
    ("Transfer-Encoding", Known::TransferEncoding),
    ("X-Forwarded-Proto", Known::XForwardedProto),
    ("Proxy-Authenticate", Known::ProxyAuthenticate),
    ("Proxy-Authorization", Known::ProxyAuthorization),
    ("X-Client-Cert-Subject", Known::XClientCertSubject),
    ("X-Client-Cert-Verified", Known::XClientCertVerified),
    ("Strict-Transport-Security", Known::StrictTransportSecurity),
    ("X-Client-Cert-Fingerprint", Known::XClientCertFingerprint),
];

/// The length of the longest known name.
const LONGEST: usize = 25;

/// For each length of a name: where the names of this length begin and end in the table.
const BY_LENGTH: [(u8, u8); LONGEST + 1] = by_length();

const fn by_length() -> [(u8, u8); LONGEST + 1] {
    let mut ranges = [(0, 0); LONGEST + 1];
    let mut at = 0;
    while at < NAMES.len() {
        let length = NAMES[at].0.len();
        if ranges[length].1 == 0 {
            ranges[length].0 = at as u8;
        }
        ranges[length].1 = at as u8 + 1;
        at += 1;
    }
    ranges
}

/// Some of the known fields: those that a head has, say, however many lines of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KnownFields(u64);

impl KnownFields {
    /// Adds a field.
    pub const fn add(&mut self, known: Known) {
        self.0 |= 1 << known as u32;
    }

    /// Takes a field out.
    pub const fn remove(&mut self, known: Known) {
        self.0 &= !(1 << known as u32);
    }

    /// Whether the field is among them.
    #[must_use]
    pub const fn has(self, known: Known) -> bool {
        self.0 & 1 << known as u32 != 0
    }
}

impl FromIterator<Known> for KnownFields {
    fn from_iter<I: IntoIterator<Item = Known>>(fields: I) -> Self {
        let mut all = Self::default();
        fields.into_iter().for_each(|known| all.add(known));
        all
    }
}

impl Known {
    /// The number of known fields.
    pub const COUNT: usize = NAMES.len();

    /// The known field of this name, a token in upper or lower case.
    #[must_use]
    pub fn of(name: &[u8]) -> Option<Self> {
        let (start, end) = *BY_LENGTH.get(name.len())?;
        let of_this_length = NAMES.get(usize::from(start)..usize::from(end))?;
        // Known names are letters, digits and hyphens. Among the bytes of a token, only the byte itself
        // and its other case become the same with this bit set.
        let is_same = |(byte, known): (&u8, u8)| byte | 0x20 == known | 0x20;
        let is_this = |known: &str| name.iter().zip(known.bytes()).all(is_same);
        of_this_length.iter().find(|(known, _)| is_this(known)).map(|(_, known)| *known)
    }

    /// Its name in the usual spelling.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES[self as usize].0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::rules::syntax;

    #[test]
    fn the_table_is_in_order_and_has_every_field_once() {
        assert!(NAMES.windows(2).all(|pair| pair[0].0.len() <= pair[1].0.len()));
        let positions = NAMES.iter().map(|(_, known)| *known as usize);
        assert_eq!(positions.collect::<Vec<_>>(), (0..Known::COUNT).collect::<Vec<_>>());
    }

    #[test]
    fn a_set_has_what_was_added_and_nothing_else() {
        assert!(Known::COUNT <= u64::BITS as usize);
        for (_, added) in NAMES {
            let mut set: KnownFields = [*added].into_iter().collect();
            let has: Vec<_> = NAMES.iter().filter(|(_, known)| set.has(*known)).collect();
            assert_eq!(has.len(), 1);
            assert!(set.has(*added));
            set.remove(*added);
            assert_eq!(set, KnownFields::default());
        }
    }

    #[test]
    fn a_name_is_found_in_any_case_and_nothing_else_is() {
        for (name, known) in NAMES {
            assert!(name.bytes().all(|byte| byte == b'-' || byte.is_ascii_alphanumeric()));
            assert_eq!(Known::of(name.as_bytes()), Some(*known));
            assert_eq!(Known::of(name.to_ascii_uppercase().as_bytes()), Some(*known));
            assert_eq!(Known::of(name.to_ascii_lowercase().as_bytes()), Some(*known));
            assert_eq!(known.name(), *name);
            for (at, was) in name.bytes().enumerate() {
                let mut other = name.as_bytes().to_vec();
                for byte in (0..=u8::MAX).filter(|byte| syntax::is_token_byte(*byte)) {
                    other[at] = byte;
                    let is_known = byte.eq_ignore_ascii_case(&was);
                    assert_eq!(Known::of(&other).is_some(), is_known, "{}", other.escape_ascii());
                }
            }
        }
        assert_eq!(Known::of(b""), None);
        assert_eq!(Known::of(&[b'a'; 300]), None);
    }
}
