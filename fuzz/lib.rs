//! The fuzz targets: the pure modules that read untrusted bytes, and the properties that must hold.
//!
//! These modules are compiled alone. A fuzzer with Pingora in it takes minutes to build, and its
//! coverage would be Pingora's.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a check stops at the first surprise")]

#[path = "../src/http1/tests/checks.rs"]
mod checks;
#[path = "../src/config/mod.rs"]
pub mod config;
#[path = "../src/files.rs"]
pub mod files;
#[path = "../src/http1/mod.rs"]
pub mod http1;

/// Any bytes as the head of a request.
pub fn request(bytes: &[u8]) {
    checks::request(bytes);
}

/// Any bytes as a body in chunks.
pub fn chunks(bytes: &[u8]) {
    checks::chunks(bytes);
}

/// Any bytes as the head of a backend's answer.
pub fn answer(bytes: &[u8]) {
    checks::answer(bytes);
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
