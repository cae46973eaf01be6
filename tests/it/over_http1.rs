//! The tests of every protocol, with a client of HTTP/1.

use crate::support::{client, lb::Lb};

#[path = "requests/mod.rs"]
mod requests;
