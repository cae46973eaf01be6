//! Features of HTTP/3 alone.

/// How a client learns of it.
mod alt_svc;
/// Handshakes of many clients at once.
mod handshakes;
/// What a client may cost.
mod limits;
/// Requests that HTTP/1 would read differently.
mod smuggling;
/// One connection, many streams.
mod streams;
