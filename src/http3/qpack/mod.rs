//! QPACK (RFC 9204) without a table that changes: a list of fields depends on nothing that came before, so
//! that no request waits for another one, and no client can make `lb` keep anything. Answers grow by some
//! tens of bytes for that.

mod decode;
mod encode;
mod static_table;

pub use decode::{Undecodable, check_decoder_stream, check_encoder_stream, decode, readable};
pub use encode::FieldWriter;
