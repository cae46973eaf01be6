//! The tests of every protocol, with a client of HTTP/2.

use crate::support::http2_client as client;

#[path = "requests/mod.rs"]
mod requests;
