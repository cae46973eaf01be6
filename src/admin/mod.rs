//! The admin listener: the process answers about itself (does it live, should it get requests, what
//! does it do?), and operators change backends and reload.

mod api;
mod change;
mod listener;
mod metrics;
mod page;
pub mod view;

pub use api::Api;
pub use listener::Admin;
