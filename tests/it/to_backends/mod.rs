//! What goes over the connections to backends: raw bytes in, raw bytes out.

/// Answers that end at any byte.
mod cuts;
/// Both directions at once.
mod duplex;
/// When a connection carries another request.
mod keepalive;
/// A backend of bytes.
mod raw_backend;
/// Fields behind a body.
mod trailers;
