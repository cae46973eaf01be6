//! The fields behind a body that may be passed on (RFC 9110 section 6.5.1).
//!
//! A field that says how a message is framed, routed, authenticated, cached or repeated has to be
//! known before the body: a recipient that merges such a trailer into the head would believe what no
//! proxy on the way has looked at. So everything that the proxy asks about in a head is left out, and
//! what others ask about there.

use super::known::Known;

/// Names in lower case.
const OF_A_HEAD: [&str; 11] = [
    "accept",
    "age",
    "allow",
    "expires",
    "location",
    "max-forwards",
    "pragma",
    "range",
    "vary",
    "warning",
    "www-authenticate",
];

/// Beginnings of names, in lower case.
const OF_A_HEAD_BEGIN: [&str; 4] = ["if-", "proxy-", "sec-", "x-forwarded-"];

/// Whether a field of this name, a token in any case, may be passed on behind a body.
#[must_use]
pub fn may_be_trailer(name: &[u8]) -> bool {
    let begins = |with: &&str| {
        name.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()))
    };
    Known::of(name).is_none()
        && !OF_A_HEAD.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
        && !OF_A_HEAD_BEGIN.iter().any(begins)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_and_statuses_pass_and_fields_of_a_head_do_not() {
        for name in ["Grpc-Status", "content-digest", "X-Checksum", "Server-Timing", "ETag", "i"] {
            assert!(may_be_trailer(name.as_bytes()), "{name}");
        }
        for name in [
            "Content-Length",
            "transfer-encoding",
            "HOST",
            "Connection",
            "TE",
            "Trailer",
            "Keep-Alive",
            "Authorization",
            "Set-Cookie",
            "Cookie",
            "Cache-Control",
            "Content-Type",
            "Expect",
            "If-Match",
            "if-none-match",
            "Proxy-Anything",
            "X-Forwarded-For",
            "x-forwarded-port",
            "X-Real-IP",
            "WWW-Authenticate",
            "Range",
            "Retry-After",
            "Max-Forwards",
            "Location",
            "Sec-WebSocket-Key",
        ] {
            assert!(!may_be_trailer(name.as_bytes()), "{name}");
        }
    }
}
