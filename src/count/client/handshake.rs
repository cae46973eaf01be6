//! How handshakes of TLS end, in the words that log and metrics share.

/// How a handshake ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Handshake {
    /// With a new session.
    Full,
    /// With an earlier session.
    Resumed,
    /// The client does not speak TLS.
    NotTls,
    /// What the client sent breaks the rules.
    Malformed,
    /// The client speaks only versions that are too old.
    OldVersion,
    /// Client and listener have nothing in common.
    Incompatible,
    /// The client asked for a name without a certificate.
    UnknownName,
    /// The client showed no certificate where one is required.
    NoClientCert,
    /// The client's certificate is of no authority that is named.
    UnknownClientCert,
    /// The client's certificate has expired, or is not valid yet.
    ExpiredClientCert,
    /// The client's certificate was revoked.
    RevokedClientCert,
    /// No list that is up to date says whether the client's certificate was revoked.
    UncheckedClientCert,
    /// The client's certificate cannot be used for another reason.
    InvalidClientCert,
    /// The client sent an alert: it does not trust the certificate, for example.
    Alert,
    /// It was not complete in time.
    Late,
    /// The client left.
    Left,
    /// The client is an authority, which was shown the proof that a host is ours.
    Challenge,
}

impl Handshake {
    /// Every way, in order.
    pub const ALL: [Self; 17] = [
        Self::Full,
        Self::Resumed,
        Self::NotTls,
        Self::Malformed,
        Self::OldVersion,
        Self::Incompatible,
        Self::UnknownName,
        Self::NoClientCert,
        Self::UnknownClientCert,
        Self::ExpiredClientCert,
        Self::RevokedClientCert,
        Self::UncheckedClientCert,
        Self::InvalidClientCert,
        Self::Alert,
        Self::Late,
        Self::Left,
        Self::Challenge,
    ];

    /// The way in one word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Resumed => "resumed",
            Self::NotTls => "not_tls",
            Self::Malformed => "malformed",
            Self::OldVersion => "old_version",
            Self::Incompatible => "incompatible",
            Self::UnknownName => "unknown_name",
            Self::NoClientCert => "client_cert_missing",
            Self::UnknownClientCert => "client_cert_unknown",
            Self::ExpiredClientCert => "client_cert_expired",
            Self::RevokedClientCert => "client_cert_revoked",
            Self::UncheckedClientCert => "client_cert_unchecked",
            Self::InvalidClientCert => "client_cert_invalid",
            Self::Alert => "alert",
            Self::Late => "late",
            Self::Left => "left",
            Self::Challenge => "challenge",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_place() {
        for (place, handshake) in Handshake::ALL.into_iter().enumerate() {
            assert_eq!(handshake as usize, place, "{}", handshake.word());
        }
    }
}
