//! Tells backends of the client's certificate, and keeps what clients say of one from them.
//!
//! A backend that decides by these fields believes them whatever listener the request came by, so what
//! a client sends in them is removed from every request, also without TLS, and from trusted proxies.

use data_encoding::BASE64;

use crate::config::ClientCertStyle;
use crate::http1::{Field, Fields, Known};

const ALL: [Known; 6] = [
    Known::XClientCertVerified,
    Known::XClientCertSubject,
    Known::XClientCertSan,
    Known::XClientCertFingerprint,
    Known::ClientCert,
    Known::ClientCertChain,
];

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
pub struct ClientCertFields(Fields);

impl ClientCertFields {
    /// The fields in this style; `certificate` has been verified, and is `None` for a client that has
    /// shown none.
    #[must_use]
    pub fn new(style: ClientCertStyle, certificate: Option<ShownCertificate<'_>>) -> Self {
        let mut fields = Self::default();
        match (style, certificate) {
            (ClientCertStyle::XClientCert, Some(certificate)) => {
                fields.add(Known::XClientCertVerified, "true");
                fields.add(Known::XClientCertSubject, certificate.subject);
                fields.add(Known::XClientCertSan, certificate.alternatives);
                fields.add(Known::XClientCertFingerprint, certificate.fingerprint);
            }
            (ClientCertStyle::XClientCert, None) => fields.add(Known::XClientCertVerified, "false"),
            // A byte sequence of structured fields (RFC 8941 section 3.3.5).
            (ClientCertStyle::ClientCert, Some(certificate)) => {
                fields.add(Known::ClientCert, &format!(":{}:", BASE64.encode(certificate.der)));
            }
            (ClientCertStyle::ClientCert, None) => {}
        }
        fields
    }

    /// Leaves out what has nothing to say, or what no field can say.
    fn add(&mut self, known: Known, value: &str) {
        if !value.is_empty() && Fields::is_value(value.as_bytes()) {
            self.0.add(known, value.as_bytes());
        }
    }
}

/// Removes what the client says of a certificate, and tells the backend what is known of it, if
/// anything. `in_any_spelling` removes names with an underscore for a hyphen as well, which some
/// backends cannot tell from ours.
pub fn tell_certificate(sent: &mut Fields, told: Option<&ClientCertFields>, in_any_spelling: bool) {
    ALL.into_iter().for_each(|known| sent.remove(known));
    if in_any_spelling {
        sent.retain(|field| !is_like_ours(field));
    }
    if let Some(ClientCertFields(told)) = told {
        told.iter().for_each(|field| sent.push(&field));
    }
}

fn is_like_ours(field: &Field<'_>) -> bool {
    let is_same = |(byte, ours): (&u8, u8)| {
        byte.eq_ignore_ascii_case(&ours) || (*byte == b'_' && ours == b'-')
    };
    let begins_with = |ours: &str| {
        field.name.len() >= ours.len() && field.name.iter().zip(ours.bytes()).all(is_same)
    };
    begins_with("x-client-cert") || begins_with("client-cert")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::tests::{request, written};

    const SHOWN: ShownCertificate<'_> = ShownCertificate {
        subject: "CN=a",
        alternatives: "",
        fingerprint: "00ff",
        der: &[1, 2, 3, 0xff],
    };

    /// The lines that a backend gets of these, sorted.
    fn told(sent: &[(&str, &str)], fields: Option<&ClientCertFields>, any: bool) -> Vec<String> {
        let mut request = request(sent);
        tell_certificate(&mut request, fields, any);
        let mut lines = written(&request);
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
        assert_eq!(told(&LIES, None, false), ["X-Client: kept"]);
        let fields = ClientCertFields::new(ClientCertStyle::XClientCert, Some(SHOWN));
        let expected = [
            "X-Client-Cert-Fingerprint: 00ff",
            "X-Client-Cert-Subject: CN=a",
            "X-Client-Cert-Verified: true",
            "X-Client: kept",
        ];
        assert_eq!(told(&LIES, Some(&fields), false), expected);
        let fields = ClientCertFields::new(ClientCertStyle::XClientCert, None);
        let expected = ["X-Client-Cert-Verified: false", "X-Client: kept"];
        assert_eq!(told(&LIES, Some(&fields), true), expected);
        let fields = ClientCertFields::new(ClientCertStyle::ClientCert, Some(SHOWN));
        assert_eq!(told(&LIES, Some(&fields), true), ["Client-Cert: :AQID/w==:", "X-Client: kept"]);
        let fields = ClientCertFields::new(ClientCertStyle::ClientCert, None);
        assert_eq!(told(&LIES, Some(&fields), true), ["X-Client: kept"]);
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
        assert_eq!(told(&sent, None, true), ["Client: kept", "X-Client-Id: kept"]);
        assert_eq!(told(&sent, None, false).len(), sent.len());
    }
}
