//! What HTTP/2 and HTTP/3 have in common: a request is a list of fields, and none of them is split over
//! lines. HPACK and QPACK write their numbers and texts in the same way (RFC 7541 section 5, RFC 9204
//! section 4.1), and the same fields are malformed.

pub mod huffman;
pub mod integer;
mod meaning;

pub use meaning::{Meaning, Pseudo};

use crate::http1::Refusal;

/// The most bytes of the fields of a message, with [`OVERHEAD`] for each.
pub const HEADER_LIST: u32 = 64 * 1024;

/// The answer to a request with more.
pub const TOO_LARGE: Refusal =
    Refusal { status: 431, why: "the fields of the request are larger than 64 KiB" };

/// What a field counts beside its name and its value (RFC 9113 section 6.5.2, RFC 9114 section 4.2.2).
pub const OVERHEAD: usize = 32;
