//! An HTTP load balancer on Pingora.

pub mod backend;
pub mod balance;
pub mod clock;
pub mod config;
pub mod headers;
pub mod retry;
pub mod route;
pub mod telemetry;
