//! The tests of every protocol, with a client of HTTP/1 over TLS.

use crate::support::{lb::TlsLb as Lb, tls_client as client};

#[path = "requests/mod.rs"]
mod requests;
