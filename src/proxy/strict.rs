//! Requests that two HTTP parsers could read differently are refused before anything is forwarded.
//!
//! Request smuggling lives from disagreement between a proxy and its backend about where a request
//! ends or whom it is for (RFC 9112 section 11.2). Pingora resolves some of the doubtful cases;
//! here they end: the client gets an error and the connection is closed. What Pingora's parser
//! refuses itself (NUL, a bare CR, white space before a colon) never gets here.

use http::{Version, header};
use pingora::http::RequestHeader;

/// The most bytes of a header, request line included.
pub(crate) const MAX_HEADER_BYTES: usize = 64 * 1024;
/// The most fields of a header.
pub(crate) const MAX_HEADER_FIELDS: usize = 100;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) why: &'static str,
}

const fn bad(why: &'static str) -> Result<(), Refusal> {
    Err(Refusal { status: 400, why })
}

const fn too_large(why: &'static str) -> Result<(), Refusal> {
    Err(Refusal { status: 431, why })
}

/// Whether this header may be forwarded. `raw` is its bytes as received: Pingora drops
/// `Content-Length` from the parsed header when there is `Transfer-Encoding`.
pub(crate) fn check(request: &RequestHeader, raw: &[u8]) -> Result<(), Refusal> {
    if raw.len() > MAX_HEADER_BYTES {
        return too_large("the request header is larger than 64 KiB");
    }
    if request.headers.len() > MAX_HEADER_FIELDS {
        return too_large("the request has more than 100 header fields");
    }
    check_target(request)?;
    check_framing(request, raw)?;
    check_host(request)
}

/// A path, a whole URI, or the `*` of OPTIONS (RFC 9112 section 3.2). Pingora escapes blanks that
/// are one too many and goes on, which makes something else of the target.
fn check_target(request: &RequestHeader) -> Result<(), Refusal> {
    let target = request.raw_path();
    let is_uri = |scheme: &[u8]| {
        target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    if target.starts_with(b"/") || target == b"*" || is_uri(b"http://") || is_uri(b"https://") {
        Ok(())
    } else {
        bad("the request target is malformed")
    }
}

fn check_framing(request: &RequestHeader, raw: &[u8]) -> Result<(), Refusal> {
    let mut encodings = request.headers.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(encoding) = encodings.next() {
        if encodings.next().is_some() || !encoding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return bad("Transfer-Encoding must be one \"chunked\" and nothing else");
        }
        if has_field(raw, b"content-length") {
            return bad("Content-Length and Transfer-Encoding must not come together");
        }
    }
    let mut lengths = request.headers.get_all(header::CONTENT_LENGTH).iter();
    if let Some(length) = lengths.next() {
        if lengths.next().is_some() {
            return bad("Content-Length must not be repeated");
        }
        let length = length.as_bytes();
        if length.is_empty() || length.len() > 18 || !length.iter().all(u8::is_ascii_digit) {
            return bad("Content-Length must be a number");
        }
    }
    Ok(())
}

fn check_host(request: &RequestHeader) -> Result<(), Refusal> {
    let mut hosts = request.headers.get_all(header::HOST).iter();
    let Some(host) = hosts.next() else {
        let needs_host = request.version == Version::HTTP_11;
        return if needs_host { bad("an HTTP/1.1 request must have a Host") } else { Ok(()) };
    };
    if hosts.next().is_some() {
        return bad("Host must not be repeated");
    }
    if is_host(host.as_bytes()) { Ok(()) } else { bad("Host is malformed") }
}

/// `uri-host [ ":" port ]` of RFC 3986, by its characters.
fn is_host(host: &[u8]) -> bool {
    let (name, port) = match host.strip_prefix(b"[") {
        Some(rest) => match rest.iter().position(|byte| *byte == b']') {
            Some(end) => {
                let is_literal = rest[..end]
                    .iter()
                    .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
                (if is_literal { &rest[..end] } else { &b""[..] }, &rest[end + 1..])
            }
            None => return false,
        },
        None => match host.iter().position(|byte| *byte == b':') {
            Some(colon) => (&host[..colon], &host[colon..]),
            None => (host, &b""[..]),
        },
    };
    let is_port = match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let is_name_byte = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$' | b'&' | b'\'')
            || matches!(byte, b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':')
    };
    is_port && !name.is_empty() && name.iter().all(is_name_byte)
}

/// Whether the raw header has a field of this name, in any case.
fn has_field(raw: &[u8], name: &[u8]) -> bool {
    raw.split(|byte| *byte == b'\n').skip(1).any(|line| {
        line.iter()
            .position(|byte| *byte == b':')
            .is_some_and(|colon| line[..colon].trim_ascii().eq_ignore_ascii_case(name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(fields: &[(&'static str, &str)]) -> RequestHeader {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for (name, value) in fields {
            request.append_header(*name, *value).unwrap();
        }
        request
    }

    #[track_caller]
    fn refused(fields: &[(&'static str, &str)], raw: &[u8], status: u16) {
        assert_eq!(check(&request(fields), raw).unwrap_err().status, status);
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_an_optional_port() {
        for host in ["a", "a.example:80", "127.0.0.1", "[::1]", "[::1]:8080", "a_b", "a:"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in
            ["", ":80", "a b", "a/b", "a@b", "a:b", "a:1:2", "[::1", "[x]", "[]", "a:123456"]
        {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn two_lengths_are_refused() {
        refused(
            &[("host", "a"), ("transfer-encoding", "chunked")],
            b"GET\r\nContent-LENGTH : 1\r\n",
            400,
        );
        refused(&[("host", "a"), ("content-length", "1"), ("content-length", "1")], b"", 400);
        refused(&[("host", "a"), ("content-length", "1, 1")], b"", 400);
        refused(&[("host", "a"), ("content-length", "+1")], b"", 400);
    }

    #[test]
    fn only_chunked_is_a_transfer_encoding() {
        assert!(check(&request(&[("host", "a"), ("transfer-encoding", "CHUNKED")]), b"").is_ok());
        refused(&[("host", "a"), ("transfer-encoding", "gzip, chunked")], b"", 400);
        refused(&[("host", "a"), ("transfer-encoding", "identity")], b"", 400);
        let twice =
            [("host", "a"), ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")];
        refused(&twice, b"", 400);
    }

    #[test]
    fn one_host_and_only_one() {
        refused(&[], b"", 400);
        refused(&[("host", "a"), ("host", "a")], b"", 400);
        let mut old = request(&[]);
        old.set_version(Version::HTTP_10);
        assert!(check(&old, b"").is_ok());
    }

    #[test]
    fn large_headers_are_431() {
        refused(&[("host", "a")], &vec![b'x'; MAX_HEADER_BYTES + 1], 431);
        let fields: Vec<_> = (0..=MAX_HEADER_FIELDS).map(|_| ("x", "y")).collect();
        refused(&fields, b"", 431);
    }
}
