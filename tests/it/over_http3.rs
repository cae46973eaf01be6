//! The tests of every protocol, with a client of HTTP/3.

use crate::support::{http3_client as client, lb::QuicLb as Lb};

#[path = "requests/mod.rs"]
mod requests;
