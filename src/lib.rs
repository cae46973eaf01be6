//! The map of the project is its documentation.
#![doc = include_str!("../ARCHITECTURE.md")]

pub mod acme;
pub mod admin;
pub mod backend;
pub mod balance;
pub mod cli;
pub mod clock;
pub mod config;
pub mod convert;
pub mod copies;
pub mod count;
pub mod demo;
pub mod digits;
pub mod discovery;
pub mod doctor;
pub mod eight_bytes;
pub mod field_lists;
pub mod files;
#[cfg(test)]
mod fuzzed;
pub mod generation;
pub mod headers;
pub mod health;
pub mod host;
pub mod http1;
pub mod http3;
pub mod http_client;
pub mod in_flight;
pub mod machine;
pub mod pool;
pub mod process;
#[cfg(test)]
mod properties;
pub mod proxy;
pub mod readiness;
pub mod retry;
pub mod route;
pub mod server;
pub mod state_log;
mod sync;
pub mod target;
pub mod telemetry;
pub mod tls;
pub mod tracing;
