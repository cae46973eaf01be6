//! HTTP/3 towards clients (RFC 9114): HTTP/2's way with requests, over QUIC in place of TCP.
//!
//! Packets, loss and flow control are the `quinn` crate's, and `http3` reads the bytes. As in HTTP/2, each
//! request is a task of its own with a link of its own, and hooks see no difference.

mod answer;
mod arrival;
mod body;
mod budget;
mod connection;
mod exchange;
mod receive;
mod shared;
mod unfinished;
mod uni_streams;
mod windows;

pub(in super::super) use connection::{serve, transport};
