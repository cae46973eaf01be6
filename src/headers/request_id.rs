//! The name that one request has in every log on its way.
//!
//! A client's own id is passed on, so that its log and ours can be joined. But other people copy
//! ids into log searches and shell commands, so only plain ids are accepted. Ids are random, not
//! secret: nothing may be protected by one.

use http::{HeaderMap, HeaderName, HeaderValue};
use pingora::{Result, http::RequestHeader};

use super::write_hex;

static NAME: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that is passed on, in bytes.
const MAX_LENGTH: usize = 128;

/// A request's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Id);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Id {
    Sent(HeaderValue),
    /// Digits rather than a header value: each attempt makes a header value of them, and cloning
    /// one would allocate just as much.
    Drawn([u8; 32]),
}

impl RequestId {
    /// The client's id, if it sent exactly one with 1 to 128 letters, digits and `._:/+=@-`; else
    /// 32 random hexadecimal digits.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let mut lines = headers.get_all(&NAME).into_iter();
        match (lines.next(), lines.next()) {
            (Some(only), None) if is_plain(only.as_bytes()) => Self(Id::Sent(only.clone())),
            _ => Self::random(),
        }
    }

    fn random() -> Self {
        let mut digits = [b'0'; 32];
        write_hex(&mut digits, fastrand::u128(..));
        Self(Id::Drawn(digits))
    }

    /// The id as logs show it: visible ASCII without quotes or blanks.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Id::Sent(value) => value.to_str().unwrap_or_default(),
            Id::Drawn(digits) => str::from_utf8(digits).unwrap_or_default(),
        }
    }

    /// Sets the header, and removes all others of this name.
    pub(super) fn set(&self, request: &mut RequestHeader) -> Result<()> {
        match &self.0 {
            Id::Sent(value) => request.insert_header("X-Request-Id", value.clone()),
            Id::Drawn(digits) => request.insert_header("X-Request-Id", &digits[..]),
        }
    }
}

fn is_plain(id: &[u8]) -> bool {
    (1..=MAX_LENGTH).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._:/+=@-".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(lines: &[&[u8]]) -> RequestHeader {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for line in lines {
            let value = HeaderValue::from_bytes(line).unwrap();
            request.append_header("x-request-id", value).unwrap();
        }
        request
    }

    #[test]
    fn a_plain_id_is_passed_on() {
        let longest = "x".repeat(MAX_LENGTH);
        for id in ["1", "Ab-0._:/+=@", "0190f7d2-2b8e-7cc3-98c4-dc0c0c07398f", &longest] {
            assert_eq!(RequestId::of(&request(&[id.as_bytes()]).headers).as_str(), id);
        }
    }

    #[test]
    fn anything_else_is_replaced_by_random_digits() {
        let too_long = "x".repeat(MAX_LENGTH + 1);
        let cases: [&[&[u8]]; 10] = [
            &[],
            &[b""],
            &[b"a b"],
            &[b"a,b"],
            &[b"\"a\""],
            &[b"a\tb"],
            &[b"$(reboot)"],
            &[b"caf\xc3\xa9"],
            &[too_long.as_bytes()],
            &[b"one", b"two"],
        ];
        for lines in cases {
            let id = RequestId::of(&request(lines).headers);
            assert_eq!(id.as_str().len(), 32, "{lines:?}");
            assert!(id.as_str().bytes().all(|byte| byte.is_ascii_hexdigit()), "{lines:?}");
        }
    }

    #[test]
    fn two_requests_have_two_ids() {
        assert_ne!(RequestId::of(&HeaderMap::new()), RequestId::of(&HeaderMap::new()));
    }

    #[test]
    fn the_id_replaces_every_line_of_the_request() {
        let mut request = request(&[b"one", b"two"]);
        let id = RequestId::of(&request.headers);
        id.set(&mut request).unwrap();
        let lines: Vec<_> = request.headers.get_all(&NAME).into_iter().collect();
        assert_eq!(lines, [id.as_str()]);
    }
}
