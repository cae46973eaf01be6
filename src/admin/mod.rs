//! The admin listener: the process reports about itself (liveness, readiness, state), and operators
//! change backends and reload.

mod api;
mod change;
mod listener;
mod metrics;
mod page;
pub mod view;

pub use api::Api;
pub use listener::Admin;
pub use view::Identity;
