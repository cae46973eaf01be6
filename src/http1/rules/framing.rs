//! How long a body is: `Content-Length` and `Transfer-Encoding` (RFC 9112 section 6).

use super::{refusal::Refusal, syntax};

/// Longer numbers are refused, leading zeros included: 18 digits fit every integer of 64 bits.
const MAX_LENGTH_DIGITS: usize = 18;

/// A number of bytes: digits and nothing else, leading zeros allowed. `None` if it is anything else.
#[must_use]
pub fn content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > MAX_LENGTH_DIGITS {
        return None;
    }
    value.iter().try_fold(0, |number: u64, digit| {
        digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0'))
    })
}

/// The codings of all lines of `Transfer-Encoding`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TransferEncoding {
    elements: u32,
    chunked: u32,
    ends_with_chunked: bool,
    has_unknown: bool,
}

impl TransferEncoding {
    /// Adds the codings of one more line. An empty element is not skipped, because other parsers
    /// may not skip it.
    pub fn read(&mut self, value: &[u8]) {
        for coding in value.split(|byte| *byte == b',').map(syntax::trim) {
            self.elements = self.elements.saturating_add(1);
            self.ends_with_chunked = coding.eq_ignore_ascii_case(b"chunked");
            self.chunked = self.chunked.saturating_add(u32::from(self.ends_with_chunked));
            self.has_unknown |= !self.ends_with_chunked && !is_registered(coding);
        }
    }

    /// Whether there was at least one line.
    #[must_use]
    pub fn is_there(self) -> bool {
        self.elements > 0
    }

    /// Whether the only coding is a single `chunked`, the only coding that is decoded here.
    #[must_use]
    pub fn is_chunked(self) -> bool {
        self.elements == 1 && self.chunked == 1
    }

    /// Checks the codings of a request.
    ///
    /// # Errors
    /// A 501 for registered codings that end with `chunked`, which are valid but not supported; a
    /// 400 for everything else except a single `chunked`.
    pub fn check_request(self) -> Result<(), Refusal> {
        if self.is_chunked() {
            Ok(())
        } else if self.ends_with_chunked && self.chunked == 1 && !self.has_unknown {
            let why = "only \"chunked\" is supported as Transfer-Encoding";
            Err(Refusal { status: 501, why })
        } else {
            Err(Refusal::bad("Transfer-Encoding must be one \"chunked\" and nothing else"))
        }
    }
}

/// Whether this is a transfer coding of the IANA registry, other than `chunked` and the reserved
/// ones.
fn is_registered(coding: &[u8]) -> bool {
    let registered: [&[u8]; 5] = [b"gzip", b"deflate", b"compress", b"x-gzip", b"x-compress"];
    registered.iter().any(|name| coding.eq_ignore_ascii_case(name))
}
