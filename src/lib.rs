//! An HTTP load balancer on Pingora.

pub mod backend;
pub mod clock;
pub mod config;
