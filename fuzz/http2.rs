//! The part of `proxy` that reads the bytes of a client in HTTP/2.

#![expect(dead_code, unused_imports, reason = "what sends answers is not called")]

#[path = "../src/proxy/client/http2/hpack/mod.rs"]
pub mod hpack;
#[path = "../src/proxy/client/http2/hpack_checks.rs"]
pub mod hpack_checks;
pub mod wire;
