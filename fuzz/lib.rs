//! The fuzz targets: the pure modules that read untrusted bytes, and the properties that must hold.
//!
//! These modules are compiled alone. A fuzzer with Pingora in it takes minutes to build, and its
//! coverage would be Pingora's. What they name of other modules stands here: a type that has
//! changed breaks this build, which `.ci/run` checks.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a check stops at the first surprise")]

pub mod admin;
#[path = "../src/backend/mod.rs"]
pub mod backend;
#[path = "../src/backend/tests/recall.rs"]
mod backend_checks;
#[path = "../src/http1/tests/checks.rs"]
mod checks;
#[path = "../src/clock.rs"]
pub mod clock;
#[path = "../src/config/mod.rs"]
pub mod config;
#[path = "../src/count/mod.rs"]
pub mod count;
#[path = "../src/digits.rs"]
pub mod digits;
#[path = "../src/eight_bytes.rs"]
pub mod eight_bytes;
#[path = "../src/field_lists/mod.rs"]
pub mod field_lists;
#[path = "../src/files/mod.rs"]
pub mod files;
#[path = "../src/headers/mod.rs"]
pub mod headers;
#[path = "../src/headers/checks.rs"]
mod headers_checks;
#[path = "../src/http1/mod.rs"]
pub mod http1;
pub mod http2;
#[path = "../src/http3/mod.rs"]
pub mod http3;
#[path = "../src/http3/checks.rs"]
mod http3_checks;
pub mod process;

/// The part of `sync` that counters are made of.
mod sync {
    pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
}

/// What the responses of the admin listener name of the program's readiness.
pub mod readiness {
    #[derive(Debug, thiserror::Error)]
    #[error("not ready")]
    pub struct Unready;
}

/// What they name of the certificates.
pub mod tls {
    #[derive(Debug, Default)]
    pub struct UntrustedHosts {
        pub self_signed: Vec<Box<str>>,
        pub expired: Vec<Box<str>>,
    }
}

/// Any bytes as a stream of requests.
pub fn request(bytes: &[u8]) {
    checks::request(bytes);
    checks::stream(bytes);
}

/// Any bytes as a body in chunks.
pub fn chunks(bytes: &[u8]) {
    checks::chunks(bytes);
}

/// Any bytes as the head of a backend's answer.
pub fn answer(bytes: &[u8]) {
    checks::answer(bytes);
    checks::answer_head(bytes);
}

/// Any bytes as blocks of fields of HTTP/2.
pub fn hpack(bytes: &[u8]) {
    http2::hpack_checks::blocks(bytes);
}

/// Any bytes of a client in HTTP/2.
pub fn http2_client(bytes: &[u8]) {
    http2::wire::checks::client(bytes);
}

/// Any bytes as a list of fields of HTTP/3.
pub fn qpack(bytes: &[u8]) {
    http3_checks::qpack(bytes);
}

/// Any bytes as the stream of a request in HTTP/3.
pub fn http3_request(bytes: &[u8]) {
    http3_checks::request_stream(bytes);
}

/// Any bytes as a stream of HTTP/3 that belongs to no request.
pub fn http3_uni(bytes: &[u8]) {
    http3_checks::uni_stream(bytes);
}

/// Any text as a configuration: it is complete, or every problem is on one of its lines.
pub fn configuration(text: &str) {
    match config::parse("any.yaml", text, &config::Flags::default()) {
        Ok(loaded) => assert!(!loaded.config.pools.is_empty()),
        Err(problems) => {
            let lines = text.split(['\n', '\r']).count();
            assert!(problems.iter().count() > 0);
            assert!(problems.iter().all(|problem| problem.origin.line <= lines), "{problems}");
        }
    }
}

/// Any fields that say where a request comes from.
pub fn forwarded(bytes: &[u8]) {
    headers_checks::forwarded(bytes);
}

/// Any request to the admin listener.
pub fn admin(bytes: &[u8]) {
    admin::listener::checks::admin(bytes);
}

/// Any message of another process at a hand-over.
pub fn handover(bytes: &[u8]) {
    process::handover_checks::handover(bytes);
}

/// Anything that another process says of the backends of a pool.
pub fn memories(bytes: &[u8]) {
    backend_checks::memories(bytes);
}
