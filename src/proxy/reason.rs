//! The phrase behind the status of an answer, byte by byte as the backend sent it (RFC 9112 section 4).
//!
//! Pingora's header takes text alone, and a phrase may be in any encoding. So a byte beyond ASCII is the
//! character of that number on the way through.

use bytes::{BufMut, BytesMut};
use pingora::http::ResponseHeader;
use pingora_core::Result;

/// Gives an answer this phrase.
///
/// # Errors
///
/// Pingora's; not known to happen.
pub(super) fn set(header: &mut ResponseHeader, reason: &[u8]) -> Result<()> {
    match std::str::from_utf8(reason) {
        Ok(text) if text.is_ascii() => header.set_reason_phrase(Some(text)),
        _ => {
            let text: String = reason.iter().copied().map(char::from).collect();
            header.set_reason_phrase(Some(&text))
        }
    }
}

/// Writes the phrase of an answer.
pub(super) fn write(header: &ResponseHeader, output: &mut BytesMut) {
    let text = header.get_reason_phrase().unwrap_or_default();
    if text.is_ascii() {
        output.put_slice(text.as_bytes());
    } else {
        output.extend(text.chars().filter_map(|character| u8::try_from(character).ok()));
    }
}
