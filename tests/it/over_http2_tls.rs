//! The tests of every protocol, with a client of HTTP/2 over TLS.

use crate::support::{http2_tls_client as client, lb::TlsLb as Lb};

#[path = "requests/mod.rs"]
mod requests;
