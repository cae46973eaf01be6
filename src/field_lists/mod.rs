//! What HTTP/2 and HTTP/3 have in common: a request is a list of fields, and none of them is split over
//! lines. HPACK and QPACK write their numbers and texts in the same way (RFC 7541 section 5, RFC 9204
//! section 4.1), and the same fields are malformed.

pub mod huffman;
pub mod integer;
mod meaning;

pub use meaning::{Meaning, Pseudo};

/// What a field counts beside its name and its value (RFC 9113 section 6.5.2, RFC 9114 section 4.2.2).
pub const OVERHEAD: usize = 32;
