//! The name of a certificate's subject as text (RFC 4514): `CN=a,OU=b,O=c`.
//!
//! Backends decide by this text, so two names must never look alike: a comma or a plus sign in a value
//! is escaped, and every byte that is not printable ASCII, which a field of HTTP could not carry, too.

use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// The types that have a name: those of RFC 4514, and those that `openssl` names, too.
const TYPES: [(&str, &str); 11] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.6", "C"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
    ("2.5.4.5", "serialNumber"),
];

/// Returns the name as text, with its last part first, as the RFC has it.
pub(super) fn text(name: &X509Name<'_>) -> String {
    let mut text = String::new();
    let parts: Vec<_> = name.iter_rdn().collect();
    for part in parts.into_iter().rev() {
        if !text.is_empty() {
            text.push(',');
        }
        for (place, attribute) in part.iter().enumerate() {
            if place > 0 {
                text.push('+');
            }
            push(&mut text, attribute);
        }
    }
    text
}

fn push(text: &mut String, attribute: &AttributeTypeAndValue<'_>) {
    let number = attribute.attr_type().to_id_string();
    let named = TYPES.iter().find(|(known, _)| *known == number);
    text.push_str(named.map_or(&*number, |(_, name)| name));
    text.push('=');
    match (named, attribute.as_str()) {
        (Some(_), Ok(value)) => push_escaped(text, value),
        _ => push_encoded(text, attribute),
    }
}

fn push_escaped(text: &mut String, value: &str) {
    let last = value.len().saturating_sub(1);
    for (place, byte) in value.bytes().enumerate() {
        match byte {
            b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\' | b'=' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            b'#' if place == 0 => text.push_str("\\#"),
            b' ' if place == 0 || place == last => text.push_str("\\ "),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\{byte:02X}")),
        }
    }
}

/// Appends the value as its encoding, which is the only form for a type without a name.
fn push_encoded(text: &mut String, attribute: &AttributeTypeAndValue<'_>) {
    let value = attribute.attr_value();
    text.push('#');
    let length = value.data.len();
    let length = match length {
        0..=0x7f => vec![length as u8],
        0x80..=0xff => vec![0x81, length as u8],
        _ => vec![0x82, (length >> 8) as u8, length as u8],
    };
    let tag = [value.tag().0 as u8];
    for byte in tag.iter().chain(&length).chain(value.data.iter()) {
        text.push_str(&format!("{byte:02x}"));
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};
    use x509_parser::{certificate::X509Certificate, prelude::FromDer};

    use super::*;

    fn of(attributes: &[(DnType, DnValue)]) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in attributes {
            params.distinguished_name.push(kind.clone(), value.clone());
        }
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let (_, parsed) = X509Certificate::from_der(certificate.der()).unwrap();
        text(parsed.subject())
    }

    fn common_name(value: &str) -> String {
        of(&[(DnType::CommonName, DnValue::Utf8String(value.into()))])
    }

    #[test]
    fn the_last_part_comes_first_and_each_type_has_its_name() {
        let text = |value: &str| DnValue::Utf8String(value.into());
        let name = of(&[
            (DnType::CountryName, DnValue::PrintableString("DE".try_into().unwrap())),
            (DnType::OrganizationName, text("Shop")),
            (DnType::OrganizationalUnitName, text("Staff")),
            (DnType::CommonName, text("Ann")),
            (DnType::CustomDnType(vec![1, 2, 3]), text("x")),
        ]);
        assert_eq!(name, "1.2.3=#0c0178,CN=Ann,OU=Staff,O=Shop,C=DE");
    }

    #[test]
    fn no_value_can_look_like_another_part_and_every_byte_suits_a_field() {
        for (value, expected) in [
            ("a,O=Admin", "CN=a\\,O\\=Admin"),
            ("a+OU=b", "CN=a\\+OU\\=b"),
            ("#a b#", "CN=\\#a b#"),
            (" a ", "CN=\\ a\\ "),
            (" ", "CN=\\ "),
            ("\\\"<>;", "CN=\\\\\\\"\\<\\>\\;"),
            ("é\r\n", "CN=\\C3\\A9\\0D\\0A"),
            ("", "CN="),
        ] {
            assert_eq!(common_name(value), expected, "{value:?}");
        }
    }

    #[test]
    fn a_text_that_is_no_utf8_is_shown_as_its_encoding() {
        let name = of(&[(DnType::CommonName, DnValue::BmpString("a".try_into().unwrap()))]);
        assert_eq!(name, "CN=#1e020061");
    }
}
