//! The tests of every protocol, with a client of HTTP/2.

use crate::support::{http2_client as client, lb::Lb};

#[path = "requests/mod.rs"]
mod requests;
