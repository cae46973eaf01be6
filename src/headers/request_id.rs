//! The name that one request has in every log on its way.
//!
//! A client's own id is passed on, so that its log and ours can be joined. But other people copy
//! ids into log searches and shell commands, so only plain ids are accepted. Ids are random, not
//! secret: nothing may be protected by one.

use http::{HeaderValue, header::InvalidHeaderValue};
use pingora::{Result, http::RequestHeader};

use super::fields::{self, Name, ReceivedFields};
use crate::digits::write_hex;
use crate::http1::{Known, KnownFields};

const NAME: Name = Name(Known::XRequestId, "X-Request-Id");

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
    pub fn of(fields: ReceivedFields<'_>) -> Self {
        match fields.only(&NAME) {
            Some(only) if is_plain(only.as_bytes()) => Self(Id::Sent(only.clone())),
            _ => Self::random(),
        }
    }

    fn random() -> Self {
        let mut digits = [b'0'; 32];
        write_hex(&mut digits, fastrand::u128(..));
        Self(Id::Drawn(digits))
    }

    /// The id as logs show it: visible ASCII without quotes, backslashes or blanks.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Id::Sent(value) => value.to_str().unwrap_or_default(),
            Id::Drawn(digits) => str::from_utf8(digits).unwrap_or_default(),
        }
    }

    /// Sets the header, and removes all others of this name. `received` are the known fields that came.
    pub(super) fn set(&self, request: &mut RequestHeader, received: KnownFields) -> Result<()> {
        let value = match &self.0 {
            Id::Sent(value) => value.clone(),
            Id::Drawn(digits) => HeaderValue::from_bytes(digits).map_err(invalid)?,
        };
        fields::replace(request, received, &NAME, value)
    }
}

fn invalid(error: InvalidHeaderValue) -> Box<pingora::Error> {
    pingora::Error::because(pingora::ErrorType::InvalidHTTPHeader, NAME.1, error)
}

fn is_plain(id: &[u8]) -> bool {
    (1..=MAX_LENGTH).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._:/+=@-".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::fields::tests::{known, received};

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
            assert_eq!(RequestId::of(received(&request(&[id.as_bytes()]))).as_str(), id);
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
            let id = RequestId::of(received(&request(lines)));
            assert_eq!(id.as_str().len(), 32, "{lines:?}");
            assert!(id.as_str().bytes().all(|byte| byte.is_ascii_hexdigit()), "{lines:?}");
        }
    }

    #[test]
    fn two_requests_have_two_ids() {
        let request = request(&[]);
        assert_ne!(RequestId::of(received(&request)), RequestId::of(received(&request)));
    }

    #[test]
    fn the_id_replaces_every_line_of_the_request() {
        let mut request = request(&[b"one", b"two"]);
        let received = known(&request);
        let id = RequestId::of(ReceivedFields::new(&request.headers, received));
        id.set(&mut request, received).unwrap();
        let lines: Vec<_> = request.headers.get_all(NAME.1).into_iter().collect();
        assert_eq!(lines, [id.as_str()]);
    }
}
