//! HTTP/2 towards clients: many requests at a time on one connection.
//!
//! Frames, header compression and flow control are the `h2` crate's. Pingora has a session over it,
//! in which nothing but the headers has a time limit, and in which 1xx answers get lost; so the
//! streams are ours, as the bytes of HTTP/1 are. Each request is a task of its own with a link of its
//! own, and hooks see no difference.

mod answer;
mod arrival;
mod body;
mod connection;
mod exchange;
mod hpack;
#[cfg(test)]
mod hpack_checks;
mod liveness;
mod preface;
mod shared;
mod wire;

pub(in super::super) use connection::serve;
