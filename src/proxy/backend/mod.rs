//! Sessions with backends: Pingora keeps idle connections, what is said on a connection is ours.
//!
//! Pingora's own session drops trailers, keeps a connection that a second `Connection` line wants
//! closed, holds large buffers, and takes framings that cannot be passed on.

mod answer;
mod body;
mod connector;
mod request;
mod session;
mod stream;

pub use connector::Backends;
pub(super) use request::OutgoingRequest;
