//! A header of the PROXY protocol, version 1 or 2, taken apart: bytes in, a header out.
//!
//! The specification is <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>.

use std::{fmt::Write as _, net::SocketAddr};

use ppp::{v1, v2};

/// The longest line of version 1, its end included.
const LONGEST_LINE: usize = 107;
/// The longest header of version 2: room for addresses, names, and a client's certificate.
const LONGEST: usize = 16 * 1024;
/// What version 2 has before the length.
const FIXED: usize = 16;
/// The longest unique id.
const LONGEST_ID: usize = 128;

/// A complete header.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProxyHeader {
    /// Its bytes.
    pub(super) length: usize,
    pub(super) client: ProxiedClient,
    /// The host that the client has asked for.
    pub(super) authority: Option<Box<str>>,
    /// The id of the connection: as text where it is that, otherwise in hexadecimal.
    pub(super) unique_id: Option<Box<str>>,
}

/// The client that the proxy speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProxiedClient {
    /// The proxy itself, for a health check; or one that it says nothing of.
    Proxy,
    /// A client at this address.
    At(SocketAddr),
    /// A client of a Unix socket of the proxy's machine.
    Local,
}

/// What the first bytes of a connection are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// The beginning of a header, or nothing.
    Incomplete,
    Header(ProxyHeader),
    /// Something else than a header.
    Missing,
    /// A header against the rules.
    Malformed,
}

/// Takes apart what has come of a connection.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    let begins_with = |signature: &[u8]| {
        let compared = bytes.len().min(signature.len());
        bytes[..compared] == signature[..compared]
    };
    if begins_with(v2::PROTOCOL_PREFIX) {
        parse_binary(bytes)
    } else if begins_with(b"PROXY ") {
        parse_line(bytes)
    } else {
        Parsed::Missing
    }
}

fn parse_line(bytes: &[u8]) -> Parsed {
    let Some(end) = bytes.iter().take(LONGEST_LINE).position(|byte| *byte == b'\n') else {
        return if bytes.len() < LONGEST_LINE { Parsed::Incomplete } else { Parsed::Malformed };
    };
    let length = end + 1;
    let Ok(header) = v1::Header::try_from(&bytes[..length]) else { return Parsed::Malformed };
    if header.header.len() != length {
        return Parsed::Malformed;
    }
    let client = match header.addresses {
        v1::Addresses::Unknown => ProxiedClient::Proxy,
        v1::Addresses::Tcp4(it) => ProxiedClient::At((it.source_address, it.source_port).into()),
        v1::Addresses::Tcp6(it) => ProxiedClient::At((it.source_address, it.source_port).into()),
    };
    Parsed::Header(ProxyHeader { length, client, authority: None, unique_id: None })
}

fn parse_binary(bytes: &[u8]) -> Parsed {
    let Some(fixed) = bytes.get(..FIXED) else { return Parsed::Incomplete };
    let length = FIXED + usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if length > LONGEST {
        return Parsed::Malformed;
    }
    let header = match v2::Header::try_from(bytes) {
        Ok(header) => header,
        Err(v2::ParseError::Incomplete(_) | v2::ParseError::Partial(..)) => {
            return Parsed::Incomplete;
        }
        Err(_) => return Parsed::Malformed,
    };
    let client = match (header.command, header.protocol, header.addresses) {
        (v2::Command::Local, ..) | (_, _, v2::Addresses::Unspecified) => ProxiedClient::Proxy,
        (_, v2::Protocol::Stream, v2::Addresses::IPv4(it)) => {
            ProxiedClient::At((it.source_address, it.source_port).into())
        }
        (_, v2::Protocol::Stream, v2::Addresses::IPv6(it)) => {
            ProxiedClient::At((it.source_address, it.source_port).into())
        }
        (_, v2::Protocol::Stream, v2::Addresses::Unix(_)) => ProxiedClient::Local,
        _ => return Parsed::Malformed,
    };
    let (mut authority, mut unique_id) = (None, None);
    for field in header.tlvs() {
        let Ok(field) = field else { return Parsed::Malformed };
        match field.kind {
            kind if kind == v2::Type::Authority as u8 => {
                authority = std::str::from_utf8(&field.value).ok().map(Into::into);
            }
            kind if kind == v2::Type::UniqueId as u8 => {
                unique_id = (field.value.len() <= LONGEST_ID).then(|| shown(&field.value));
            }
            kind if kind == v2::Type::CRC32C as u8
                && !has_checksum(&bytes[..length], &field.value) =>
            {
                return Parsed::Malformed;
            }
            _ => {}
        }
    }
    Parsed::Header(ProxyHeader { length, client, authority, unique_id })
}

fn shown(id: &[u8]) -> Box<str> {
    if id.iter().all(u8::is_ascii_graphic) {
        return String::from_utf8_lossy(id).into();
    }
    let mut text = String::with_capacity(2 * id.len());
    for byte in id {
        let _ = write!(text, "{byte:02x}");
    }
    text.into()
}

/// Whether the header has this checksum, which is computed as if its own four bytes were zero.
fn has_checksum(header: &[u8], checksum: &[u8]) -> bool {
    let Ok(expected) = <[u8; 4]>::try_from(checksum) else { return false };
    // The field is found by its place in the header, as several may have the same bytes.
    let mut at = checksum_place(header);
    let Some(place) = at.take() else { return false };
    let zeroed = header
        .iter()
        .enumerate()
        .map(|(index, byte)| if (place..place + 4).contains(&index) { 0 } else { *byte });
    crc32c(zeroed) == u32::from_be_bytes(expected)
}

/// Where the four bytes of the checksum are.
fn checksum_place(header: &[u8]) -> Option<usize> {
    let addresses = match header.get(13)? >> 4 {
        1 => 12,
        2 => 36,
        3 => 216,
        _ => 0,
    };
    let mut at = FIXED + addresses;
    while let Some([kind, high, low]) = header.get(at..at + 3) {
        if *kind == v2::Type::CRC32C as u8 {
            return Some(at + 3);
        }
        at += 3 + usize::from(u16::from_be_bytes([*high, *low]));
    }
    None
}

/// RFC 3309. Headers are short, so no table is worth its room.
fn crc32c(bytes: impl Iterator<Item = u8>) -> u32 {
    let sum = bytes.fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            (sum >> 1) ^ if sum & 1 == 1 { 0x82f6_3b78 } else { 0 }
        })
    });
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(command: u8, family: u8, addresses: &[u8], fields: &[(u8, &[u8])]) -> Vec<u8> {
        let mut rest = addresses.to_vec();
        for (kind, value) in fields {
            rest.push(*kind);
            rest.extend_from_slice(&(value.len() as u16).to_be_bytes());
            rest.extend_from_slice(value);
        }
        let mut header = v2::PROTOCOL_PREFIX.to_vec();
        header.extend([command, family]);
        header.extend_from_slice(&(rest.len() as u16).to_be_bytes());
        header.extend(rest);
        header
    }

    const V4: &[u8] = &[192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x34, 0, 80];

    fn client(bytes: &[u8]) -> Option<ProxiedClient> {
        match parse(bytes) {
            Parsed::Header(header) => {
                assert_eq!(header.length, bytes.len());
                Some(header.client)
            }
            Parsed::Incomplete | Parsed::Missing | Parsed::Malformed => None,
        }
    }

    fn at(address: &str) -> Option<ProxiedClient> {
        Some(ProxiedClient::At(address.parse().unwrap()))
    }

    #[test]
    fn each_kind_of_header_names_its_client() {
        let mut v6 = vec![0; 36];
        (v6[15], v6[31], v6[33]) = (1, 2, 99);
        let cases = [
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 4660 80\r\n".to_vec(), at("192.0.2.7:4660")),
            (b"PROXY TCP6 2001:db8::7 ::1 65535 80\r\n".to_vec(), at("[2001:db8::7]:65535")),
            (b"PROXY UNKNOWN\r\n".to_vec(), Some(ProxiedClient::Proxy)),
            (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(), Some(ProxiedClient::Proxy)),
            (binary(0x21, 0x11, V4, &[]), at("192.0.2.7:4660")),
            (binary(0x21, 0x21, &v6, &[]), at("[::1]:99")),
            (binary(0x21, 0x31, &[0; 216], &[]), Some(ProxiedClient::Local)),
            (binary(0x20, 0x11, V4, &[]), Some(ProxiedClient::Proxy)),
            (binary(0x20, 0x00, &[], &[]), Some(ProxiedClient::Proxy)),
            (binary(0x21, 0x00, &[1, 2, 3], &[]), Some(ProxiedClient::Proxy)),
            (binary(0x21, 0x00, &[], &[]), Some(ProxiedClient::Proxy)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(client(&bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_header_is_incomplete_until_its_last_byte_and_takes_nothing_behind_it() {
        for whole in [
            b"PROXY TCP4 192.0.2.7 10.0.0.1 4660 80\r\n".to_vec(),
            b"PROXY UNKNOWN\r\n".to_vec(),
            binary(0x21, 0x11, V4, &[(2, b"shop.example"), (4, b"12345")]),
            binary(0x20, 0x00, &[], &[]),
        ] {
            for length in 0..whole.len() {
                assert_eq!(parse(&whole[..length]), Parsed::Incomplete, "{length} of {whole:?}");
            }
            let expected = parse(&whole);
            assert!(matches!(expected, Parsed::Header(_)), "{whole:?}");
            for behind in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01", b"\n\xff\r\n"] {
                assert_eq!(parse(&[&whole, behind].concat()), expected);
            }
        }
    }

    #[test]
    fn what_breaks_the_rules_is_no_header() {
        for line in [
            "PROXY TCP4 192.0.2.7 10.0.0.1 4660 80\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 4660\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 4660 80 \r\n",
            "PROXY TCP4  192.0.2.7 10.0.0.1 4660 80\r\n",
            "PROXY TCP4 192.0.2.700 10.0.0.1 4660 80\r\n",
            "PROXY TCP4 2001:db8::7 ::1 4660 80\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 65536 80\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 04660 80\r\n",
            "PROXY UDP4 192.0.2.7 10.0.0.1 4660 80\r\n",
            "PROXY TCP4 192.0.2.7\r10.0.0.1 4660 80\r\n",
            "PROXY \r\n",
        ] {
            assert_eq!(parse(line.as_bytes()), Parsed::Malformed, "{line:?}");
        }
        let long = format!("PROXY UNKNOWN {}", "x".repeat(LONGEST_LINE));
        assert_eq!(parse(long.as_bytes()), Parsed::Malformed);
        for bytes in [
            binary(0x11, 0x11, V4, &[]),
            binary(0x22, 0x11, V4, &[]),
            binary(0x21, 0x41, V4, &[]),
            binary(0x21, 0x12, V4, &[]),
            binary(0x21, 0x13, V4, &[]),
            binary(0x21, 0x11, &V4[..11], &[]),
            binary(0x21, 0x21, V4, &[]),
            [&binary(0x21, 0x11, V4, &[])[..14], &[0x00, 0x0e], V4, &[1, 0]].concat(),
            [&binary(0x21, 0x11, V4, &[])[..14], &[0xff, 0xff]].concat(),
            binary(0x21, 0x11, V4, &[(3, &[0, 0, 0, 0])]),
            binary(0x21, 0x11, V4, &[(3, &[0, 0])]),
        ] {
            assert_eq!(parse(&bytes), Parsed::Malformed, "{bytes:?}");
        }
        for bytes in ["GET / HTTP/1.1\r\n", "\r\n\r\n\0\r\nQUIT\r", "PROXX", "\x16\x03"] {
            assert_eq!(parse(bytes.as_bytes()), Parsed::Missing, "{bytes:?}");
        }
    }

    #[test]
    fn fields_name_the_host_and_the_connection_and_their_checksum_holds() {
        let fields: [(u8, &[u8]); 4] =
            [(1, b"h2"), (2, b"shop.example"), (5, &[1, 0xab]), (3, &[0; 4])];
        let mut bytes = binary(0x21, 0x11, V4, &fields);
        let sum = crc32c(bytes.iter().copied()).to_be_bytes();
        let length = bytes.len();
        bytes[length - 4..].copy_from_slice(&sum);
        let Parsed::Header(header) = parse(&bytes) else { panic!("{bytes:?}") };
        assert_eq!(header.authority.as_deref(), Some("shop.example"));
        assert_eq!(header.unique_id.as_deref(), Some("01ab"));
        for index in FIXED..length {
            let mut other = bytes.clone();
            other[index] ^= 1;
            assert_ne!(parse(&other), parse(&bytes), "{index}");
        }
        // The check value of the algorithm.
        assert_eq!(crc32c(b"123456789".iter().copied()), 0xe306_9283);
        let bytes = binary(0x21, 0x11, V4, &[(5, b"id-7")]);
        let Parsed::Header(header) = parse(&bytes) else { panic!("{bytes:?}") };
        assert_eq!(header.unique_id.as_deref(), Some("id-7"));
    }
}
