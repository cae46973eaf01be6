//! What a field means, judged by its name and its value alone (RFC 9113 sections 8.2 and 8.3, RFC 9114
//! sections 4.2 and 4.3).

use crate::http1::{
    rules::{graphic_len, is_token, is_token_byte, value_len},
    target::has_overlong,
};

/// The meaning of a field in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Part of what stands in the request line of HTTP/1.
    Pseudo(Pseudo),
    /// A field as HTTP/1 has it.
    Ordinary,
    /// The message that has it is malformed.
    Malformed,
}

/// A pseudo-field of a request (RFC 9113 section 8.3.1, RFC 9114 section 4.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Pseudo {
    /// The method.
    Method,
    /// The scheme of the address.
    Scheme,
    /// The host and the port of the address.
    Authority,
    /// The path and the query of the address.
    Path,
    /// What a tunnel is to be used for (RFC 8441 section 4, RFC 9220 section 3).
    Protocol,
}

impl Meaning {
    /// Judges a field of a request.
    #[must_use]
    pub fn of(name: &[u8], value: &[u8]) -> Self {
        let is_valid = match name {
            [b':', pseudo @ ..] => return of_pseudo(pseudo, value),
            // They are for one connection of HTTP/1 (RFC 9113 section 8.2.2, RFC 9114 section 4.2).
            b"connection" | b"transfer-encoding" | b"upgrade" | b"keep-alive"
            | b"proxy-connection" => false,
            b"te" => value.eq_ignore_ascii_case(b"trailers"),
            name => {
                let is_lower = |byte: &u8| is_token_byte(*byte) && !byte.is_ascii_uppercase();
                !name.is_empty() && name.iter().all(is_lower)
            }
        };
        if is_valid && value_len(value) == value.len() { Self::Ordinary } else { Self::Malformed }
    }
}

fn of_pseudo(name: &[u8], value: &[u8]) -> Meaning {
    let pseudo = match name {
        b"method" => Pseudo::Method,
        b"scheme" => Pseudo::Scheme,
        b"authority" => Pseudo::Authority,
        b"path" => Pseudo::Path,
        b"protocol" => Pseudo::Protocol,
        _ => return Meaning::Malformed,
    };
    let is_valid = match pseudo {
        Pseudo::Method => is_token(value),
        // What text it is not is percent-encoded (`http1::target`).
        Pseudo::Path => graphic_len(value) == value.len() && !has_overlong(value),
        // The `h2` crate has them as text.
        _ => graphic_len(value) == value.len() && std::str::from_utf8(value).is_ok(),
    };
    if is_valid { Meaning::Pseudo(pseudo) } else { Meaning::Malformed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_malformed_by_its_name_or_its_value() {
        let of = |name: &str, value: &[u8]| Meaning::of(name.as_bytes(), value);
        for (name, value) in
            [("x", &b""[..]), ("x", b"\ta b\x80"), ("x-~!", b"y"), ("te", b"Trailers")]
        {
            assert_eq!(of(name, value), Meaning::Ordinary, "{name}");
        }
        for name in [
            "",
            ":",
            ":status",
            ":host",
            ":Path",
            "X",
            "xY",
            "x y",
            "x:",
            "x\n",
            "x\u{80}",
            "connection",
            "transfer-encoding",
            "upgrade",
            "keep-alive",
            "proxy-connection",
            "te",
        ] {
            assert_eq!(of(name, b"x"), Meaning::Malformed, "{name}");
        }
        for value in [&b"\0"[..], b"a\r\nb", b"\n", b"\r", b"\x7f", b"\x01"] {
            assert_eq!(of("x", value), Meaning::Malformed);
            for pseudo in [":method", ":scheme", ":authority", ":path", ":protocol"] {
                assert_eq!(of(pseudo, value), Meaning::Malformed);
            }
        }
        assert_eq!(of(":path", b"/a b"), Meaning::Malformed);
        assert_eq!(of(":path", b"/\xc0\xaf"), Meaning::Malformed);
        assert_eq!(of(":path", b"/\xff"), Meaning::Pseudo(Pseudo::Path));
        assert_eq!(of(":method", b""), Meaning::Malformed);
        assert_eq!(of(":method", b"M-SEARCH"), Meaning::Pseudo(Pseudo::Method));
        assert_eq!(of(":path", b""), Meaning::Pseudo(Pseudo::Path));
    }
}
