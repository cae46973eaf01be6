//! Clients: their connections, the limits on their time, and the protocols they speak.
//!
//! Pingora has an HTTP/1 server session of its own, and no hook where `lb` needs one: what it
//! refuses is answered and forgotten before any hook is called, its limits are for single reads, it
//! repairs request lines, reads chunks loosely, holds answers back, and keeps some 18 KB for a
//! connection that waits. So the sessions are ours, behind Pingora's interface for custom sessions,
//! and Pingora drives the request from there on. Facts that hooks need from a session are in its
//! [`ClientLink`], which is the same for every protocol.

mod accepted;
mod answer;
mod body;
mod connection;
mod date;
mod home;
mod http1;
mod http2;
mod http3;
mod link;
mod pace;
mod receive;
mod replay;
mod session;
mod streams;

pub(super) use accepted::{ClientStream, ConnectionContext, ConnectionFacts, TlsFacts, WhyEnded};
pub(super) use connection::Connection;
pub(super) use date::date;
pub(super) use home::Home;
pub(super) use http1::Http1Exchange;
pub(super) use http2::serve as serve_http2;
pub(super) use http3::{serve as serve_http3, transport as quic_transport};
pub(super) use link::ClientLink;
pub(super) use pace::BODY_LATE;
pub(super) use session::NoMessages;
