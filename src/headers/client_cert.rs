//! Tells backends of the client's certificate, and keeps what clients say of one from them.
//!
//! A backend that decides by these fields believes them whatever listener the request came by, so what
//! a client sends in them is removed from every request, also without TLS, and from trusted proxies.

use data_encoding::BASE64;
use http::{HeaderName, HeaderValue};
use pingora::{Result, http::RequestHeader};

use super::fields::{self, Name};
use crate::config::ClientCertStyle;
use crate::http1::{Known, KnownFields};

const VERIFIED: Name = Name(Known::XClientCertVerified, "X-Client-Cert-Verified");
const SUBJECT: Name = Name(Known::XClientCertSubject, "X-Client-Cert-Subject");
const ALTERNATIVES: Name = Name(Known::XClientCertSan, "X-Client-Cert-SAN");
const FINGERPRINT: Name = Name(Known::XClientCertFingerprint, "X-Client-Cert-Fingerprint");
const CERTIFICATE: Name = Name(Known::ClientCert, "Client-Cert");
const CHAIN: Name = Name(Known::ClientCertChain, "Client-Cert-Chain");

const ALL: [Name; 6] = [VERIFIED, SUBJECT, ALTERNATIVES, FINGERPRINT, CERTIFICATE, CHAIN];

/// The certificate of a client, to be told.
#[derive(Debug, Clone, Copy)]
pub struct ShownCertificate<'a> {
    /// The name of its subject.
    pub subject: &'a str,
    /// Its alternative names.
    pub alternatives: &'a str,
    /// Its fingerprint.
    pub fingerprint: &'a str,
    /// Its DER encoding.
    pub der: &'a [u8],
}

/// The fields for every request of a connection whose client was asked for a certificate.
#[derive(Debug, Default)]
pub struct ClientCertFields(Vec<(&'static Name, HeaderValue)>);

impl ClientCertFields {
    /// The fields in this style; `certificate` has been verified, and is `None` for a client that has
    /// shown none.
    #[must_use]
    pub fn new(style: ClientCertStyle, certificate: Option<ShownCertificate<'_>>) -> Self {
        let mut fields = Self::default();
        match (style, certificate) {
            (ClientCertStyle::XClientCert, Some(certificate)) => {
                fields.push(&VERIFIED, "true");
                fields.push(&SUBJECT, certificate.subject);
                fields.push(&ALTERNATIVES, certificate.alternatives);
                fields.push(&FINGERPRINT, certificate.fingerprint);
            }
            (ClientCertStyle::XClientCert, None) => fields.push(&VERIFIED, "false"),
            // A byte sequence of structured fields (RFC 8941 section 3.3.5).
            (ClientCertStyle::ClientCert, Some(certificate)) => {
                fields.push(&CERTIFICATE, &format!(":{}:", BASE64.encode(certificate.der)));
            }
            (ClientCertStyle::ClientCert, None) => {}
        }
        fields
    }

    fn push(&mut self, name: &'static Name, value: &str) {
        if let Ok(value) = HeaderValue::try_from(value)
            && !value.is_empty()
        {
            self.0.push((name, value));
        }
    }
}

/// Removes what the client says of a certificate, and tells the backend what is known of it, if
/// anything. `received` are the known fields that came with the request. `in_any_spelling` removes
/// names with an underscore for a hyphen as well, which some backends cannot tell from ours.
///
/// # Errors
///
/// When a header cannot be stored, which no request that was parsed can cause.
pub fn tell_certificate(
    request: &mut RequestHeader,
    received: KnownFields,
    told: Option<&ClientCertFields>,
    in_any_spelling: bool,
) -> Result<()> {
    for name in &ALL {
        fields::remove(request, received, name);
    }
    if in_any_spelling {
        let others = request.headers.keys().filter(|name| is_like_ours(name));
        for name in others.cloned().collect::<Vec<_>>() {
            request.remove_header(&name);
        }
    }
    for (name, value) in told.iter().flat_map(|told| &told.0) {
        request.append_header(name.1, value.clone())?;
    }
    Ok(())
}

fn is_like_ours(name: &HeaderName) -> bool {
    let name = name.as_str();
    let is_same = |(byte, ours): (u8, u8)| byte == ours || (byte == b'_' && ours == b'-');
    let begins_with =
        |ours: &str| name.len() >= ours.len() && name.bytes().zip(ours.bytes()).all(is_same);
    begins_with("x-client-cert") || begins_with("client-cert")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::fields::tests::known;

    const SHOWN: ShownCertificate<'_> = ShownCertificate {
        subject: "CN=a",
        alternatives: "",
        fingerprint: "00ff",
        der: &[1, 2, 3, 0xff],
    };

    /// The lines that a backend gets of these, by name.
    fn told(
        sent: &[(&'static str, &str)],
        fields: Option<&ClientCertFields>,
        any: bool,
    ) -> Vec<String> {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for (name, value) in sent {
            request.append_header(*name, *value).unwrap();
        }
        let received = known(&request);
        tell_certificate(&mut request, received, fields, any).unwrap();
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", value.to_str().unwrap())
        };
        let mut lines: Vec<_> = request.headers.iter().map(line).collect();
        lines.sort();
        lines
    }

    const LIES: [(&str, &str); 8] = [
        ("X-Client-Cert-Verified", "true"),
        ("x-client-cert-verified", "true"),
        ("X-CLIENT-CERT-SUBJECT", "CN=evil"),
        ("X-Client-Cert-SAN", "DNS:evil"),
        ("X-Client-Cert-Fingerprint", "1234"),
        ("Client-Cert", ":AAAA:"),
        ("Client-Cert-Chain", ":AAAA:"),
        ("X-Client", "kept"),
    ];

    #[test]
    fn what_a_client_says_is_removed_whether_anything_is_told_or_not() {
        assert_eq!(told(&LIES, None, false), ["x-client: kept"]);
        let fields = ClientCertFields::new(ClientCertStyle::XClientCert, Some(SHOWN));
        let expected = [
            "x-client-cert-fingerprint: 00ff",
            "x-client-cert-subject: CN=a",
            "x-client-cert-verified: true",
            "x-client: kept",
        ];
        assert_eq!(told(&LIES, Some(&fields), false), expected);
        let fields = ClientCertFields::new(ClientCertStyle::XClientCert, None);
        let expected = ["x-client-cert-verified: false", "x-client: kept"];
        assert_eq!(told(&LIES, Some(&fields), true), expected);
        let fields = ClientCertFields::new(ClientCertStyle::ClientCert, Some(SHOWN));
        assert_eq!(told(&LIES, Some(&fields), true), ["client-cert: :AQID/w==:", "x-client: kept"]);
        let fields = ClientCertFields::new(ClientCertStyle::ClientCert, None);
        assert_eq!(told(&LIES, Some(&fields), true), ["x-client: kept"]);
    }

    #[test]
    fn an_underscore_for_a_hyphen_is_no_way_around() {
        let sent = [
            ("X_Client_Cert_Verified", "true"),
            ("x-client_cert-san", "DNS:evil"),
            ("Client_Cert", ":AAAA:"),
            ("X-Client-Cert-Issuer", "CN=evil"),
            ("X-Client-Id", "kept"),
            ("Client", "kept"),
        ];
        assert_eq!(told(&sent, None, true), ["client: kept", "x-client-id: kept"]);
        assert_eq!(told(&sent, None, false).len(), sent.len());
    }
}
