//! The part of Pingora that is values, under Pingora's names: what is fuzzed names no other.

pub use pingora_error::{Error, ErrorType, Result};
pub use pingora_http as http;
