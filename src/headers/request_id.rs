//! The name that one request has in every log on its way.
//!
//! A client's own id is passed on, so that its log and ours can be joined. But other people copy
//! ids into log searches and shell commands, so only plain ids are accepted. Ids are random, not
//! secret: nothing may be protected by one.

use crate::digits::write_hex;
use crate::http1::{Fields, Known};

/// Longest id that is passed on, in bytes.
const MAX_LENGTH: usize = 128;

/// A request's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Id);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Id {
    Sent(Box<[u8]>),
    /// Digits in place: most ids are drawn, and a string would be allocated.
    Drawn([u8; 32]),
}

impl RequestId {
    /// The client's id, if it sent exactly one with 1 to 128 letters, digits and `._:/+=@-`; else
    /// 32 random hexadecimal digits.
    #[must_use]
    pub fn of(received: &Fields) -> Self {
        match received.only(Known::XRequestId) {
            Some(id) if is_plain(id) => Self(Id::Sent(id.into())),
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
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Id::Sent(id) => id,
            Id::Drawn(digits) => digits,
        }
    }

    /// Puts the id in the place of those that came.
    pub(super) fn set(&self, sent: &mut Fields) {
        sent.replace(Known::XRequestId, self.as_bytes());
    }
}

fn is_plain(id: &[u8]) -> bool {
    (1..=MAX_LENGTH).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._:/+=@-".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(lines: &[&[u8]]) -> Fields {
        let mut request = Fields::default();
        lines.iter().for_each(|line| request.append(b"x-request-id", line));
        request
    }

    #[test]
    fn a_plain_id_is_passed_on() {
        let longest = "x".repeat(MAX_LENGTH);
        for id in ["1", "Ab-0._:/+=@", "0190f7d2-2b8e-7cc3-98c4-dc0c0c07398f", &longest] {
            assert_eq!(RequestId::of(&request(&[id.as_bytes()])).as_str(), id);
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
            let id = RequestId::of(&request(lines));
            assert_eq!(id.as_str().len(), 32, "{lines:?}");
            assert!(id.as_str().bytes().all(|byte| byte.is_ascii_hexdigit()), "{lines:?}");
        }
    }

    #[test]
    fn two_requests_have_two_ids() {
        let request = request(&[]);
        assert_ne!(RequestId::of(&request), RequestId::of(&request));
    }

    #[test]
    fn the_id_replaces_every_line_of_the_request() {
        let mut request = request(&[b"one", b"two"]);
        let id = RequestId::of(&request);
        id.set(&mut request);
        assert_eq!(request.all(Known::XRequestId).collect::<Vec<_>>(), [id.as_str().as_bytes()]);
    }
}
