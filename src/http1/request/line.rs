//! The first line of a request: method, target, version (RFC 9112 section 3).

use http::Version;

use crate::http1::rules::{Refusal, syntax};

/// More empty lines than this before a request line are refused. RFC 9112 section 2.2 asks for one,
/// which old clients send behind a body.
pub(super) const MAX_EMPTY_LINES: usize = 8;

const SHAPE: &str =
    "the request line must be a method, a target and a version, with one blank between them";

/// The parts of a request line, each as far as it could be read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RequestLine<'a> {
    pub(super) method: &'a [u8],
    pub(super) target: &'a [u8],
    pub(super) version: Option<Version>,
}

/// Returns the bytes behind the empty lines at the start.
pub(super) fn skip_empty_lines(mut bytes: &[u8]) -> Result<&[u8], Refusal> {
    for _ in 0..=MAX_EMPTY_LINES {
        match bytes {
            [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => bytes = rest,
            _ => return Ok(bytes),
        }
    }
    Err(Refusal::bad("too many empty lines come before the request line"))
}

/// Reads the line at the start of `bytes` into `line`, and returns the bytes behind it. If the line
/// is refused, `line` has the parts that could be read.
pub(super) fn read<'a>(bytes: &'a [u8], line: &mut RequestLine<'a>) -> Result<&'a [u8], Refusal> {
    let (method, rest) = bytes.split_at(syntax::token_len(bytes));
    line.method = method;
    let rest = behind_blank(method, rest)?;
    let (target, rest) = rest.split_at(syntax::graphic_len(rest));
    line.target = target;
    if let ([_, ..], [b'\n', ..] | [b'\r', b'\n', ..]) = (target, rest) {
        return Err(Refusal::bad("the request line has no HTTP version"));
    }
    let rest = behind_blank(target, rest)?;
    let (version, rest) = rest.split_at(syntax::graphic_len(rest));
    match rest {
        [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => {
            line.version = Some(read_version(version)?);
            Ok(rest)
        }
        rest => Err(wrong_end(rest)),
    }
}

/// Returns the bytes behind the one blank that ends a part of the line.
fn behind_blank<'a>(part: &[u8], rest: &'a [u8]) -> Result<&'a [u8], Refusal> {
    match (part, rest) {
        ([_, ..], [b' ', rest @ ..]) => Ok(rest),
        (_, rest) => Err(wrong_end(rest)),
    }
}

/// Why a part of the line must not end here.
fn wrong_end(rest: &[u8]) -> Refusal {
    Refusal::bad(match rest {
        [] | [b' ' | b'\t' | b'\n', ..] | [b'\r', b'\n', ..] => SHAPE,
        [b'\r', ..] => "a carriage return stands alone in the request line",
        // The first byte of a handshake.
        [0x16, ..] => "the client speaks TLS, which is not spoken here",
        [byte, ..] if byte.is_ascii_control() => "the request line has a control character",
        _ => "the method has a character that does not belong there",
    })
}

/// A minor version above 1 is served as 1.1 (RFC 9110 section 2.5).
fn read_version(version: &[u8]) -> Result<Version, Refusal> {
    match version {
        b"HTTP/1.1" => Ok(Version::HTTP_11),
        b"HTTP/1.0" => Ok(Version::HTTP_10),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9'] => Ok(Version::HTTP_11),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
            Err(Refusal { status: 505, why: "only HTTP/1.0 and HTTP/1.1 are served here" })
        }
        _ => Err(Refusal::bad("the HTTP version is malformed")),
    }
}
