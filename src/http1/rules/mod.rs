//! The rules for single bytes, lines and values, which are the same for requests, answers and
//! trailers, and mostly for HTTP/2 too.

mod authority;
pub mod connection;
pub mod fields;
pub mod framing;
mod known;
mod refusal;
pub(super) mod syntax;
mod trailers;

pub use authority::Authority;
pub use fields::Field;
pub use known::{Known, KnownFields};
pub use refusal::Refusal;
pub use syntax::{graphic_len, is_token, is_token_byte, value_len};
pub use trailers::may_be_trailer;
