//! Backends to try the balancer with.

mod backend;

pub use backend::{DemoBackend, Options};
