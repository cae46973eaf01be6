//! The rules of single bytes, lines and values, which hold wherever they come from: a request, an
//! answer, trailers; and most of them in HTTP/2 too.

mod authority;
pub mod connection;
pub mod fields;
pub mod framing;
mod known;
mod refusal;
pub(super) mod syntax;

pub use authority::Authority;
pub use fields::Field;
pub use known::{Known, KnownFields};
pub use refusal::Refusal;
