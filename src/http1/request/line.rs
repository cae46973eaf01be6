//! The first line of a request: method, target, version (RFC 9112 section 3).

use http::Version;

use crate::http1::rules::{Refusal, syntax};

/// What the line has, each part as far as it could be read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RequestLine<'a> {
    pub(super) method: &'a [u8],
    pub(super) target: &'a [u8],
    pub(super) version: Option<Version>,
}

const SHAPE: &str =
    "the request line must be a method, a target and a version, with one blank between them";

/// Reads the line at the start of `bytes` into `line`, and returns what comes behind it. When the
/// line is refused, `line` has the parts that could be read.
pub(super) fn read<'a>(bytes: &'a [u8], line: &mut RequestLine<'a>) -> Result<&'a [u8], Refusal> {
    let (method, rest) = bytes.split_at(syntax::token_len(bytes));
    let rest = match rest {
        [b' ', rest @ ..] if !method.is_empty() => rest,
        [0x16, 3, ..] if method.is_empty() => {
            return Err(Refusal::bad("the client speaks TLS, and this listener does not"));
        }
        [byte, ..] if is_control(*byte) => {
            return Err(Refusal::bad("the request line has a control character"));
        }
        [b'\r' | b'\n' | b' ' | b'\t', ..] | [] => return Err(Refusal::bad(SHAPE)),
        _ => return Err(Refusal::bad("the method has a character that does not belong there")),
    };
    line.method = method;
    let (target, rest) = rest.split_at(syntax::graphic_len(rest));
    line.target = target;
    let rest = match rest {
        [b' ', rest @ ..] if !target.is_empty() => rest,
        [b'\n', ..] | [b'\r', b'\n', ..] if !target.is_empty() => {
            return Err(Refusal::bad("the request line has no HTTP version"));
        }
        [b'\r', ..] => return Err(Refusal::bad(CARRIAGE_RETURN)),
        [byte, ..] if is_control(*byte) => {
            return Err(Refusal::bad("the request line has a control character"));
        }
        _ => return Err(Refusal::bad(SHAPE)),
    };
    let (version, rest) = rest.split_at(syntax::graphic_len(rest));
    match rest {
        [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => {
            line.version = Some(read_version(version)?);
            Ok(rest)
        }
        [b'\r', ..] => Err(Refusal::bad(CARRIAGE_RETURN)),
        [byte, ..] if is_control(*byte) => {
            Err(Refusal::bad("the request line has a control character"))
        }
        _ => Err(Refusal::bad(SHAPE)),
    }
}

const CARRIAGE_RETURN: &str = "a carriage return stands alone in the request line";

/// Whether this is a control character other than those that end a line or are a blank.
fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r' | b'\n')
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
