//! A body in chunks: its lines, its data, its trailers.

mod body;
mod line;
mod trailers;

pub use body::{ChunkedBody, Decoded};
