//! What one needs to try a balancer: something to balance.

mod backend;

pub use backend::{DemoBackend, Options};
