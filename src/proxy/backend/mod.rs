//! Sessions with backends, and their connections: Pingora asks for a session, the rest is ours.
//!
//! Pingora's own session drops trailers, keeps a connection that a second `Connection` line wants
//! closed, holds large buffers, and takes framings that cannot be passed on.

mod answer;
mod body;
mod connector;
mod early_closes;
mod idle;
mod request;
mod session;
mod stream;

pub use connector::Backends;
pub(super) use request::OutgoingRequest;
