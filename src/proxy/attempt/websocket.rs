//! Whether a backend has agreed to a WebSocket. It shows that by a text that it makes of the request's key
//! (RFC 6455 section 4.2.2), and who has made the key checks it (section 4.1): a client of HTTP/1 itself, `lb` for
//! one of HTTP/2, which sends none.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{Engine, engine::general_purpose::STANDARD};

/// What a key is joined with, for all the world alike.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Whether the value of `Sec-WebSocket-Accept` in an answer is the one for this key.
pub(super) fn is_accepted(key: &[u8], accept: &[u8]) -> bool {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID].concat());
    STANDARD.encode(hash).as_bytes() == accept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard_is_accepted_and_nothing_else() {
        let key = b"dGhlIHNhbXBsZSBub25jZQ==";
        assert!(is_accepted(key, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert!(!is_accepted(key, b"") && !is_accepted(b"", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }
}
