//! Everything that needs more than one module: the proxy against scripted backends, and the built
//! binary as its users start it. One binary, because every further one is linked again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

/// What is logged for a request.
mod access_log;
/// What two parsers could read differently is refused.
mod bad_requests;
/// Who gets the next request.
mod balancing;
/// What a client sees of an answer that breaks off.
mod broken_answers;
/// Backends fail under load, in every way there is, and clients do not notice.
mod failures;
/// What backends are told about the client.
mod headers;
/// Active checks, and how a backend comes back.
mod health;
/// How long clients and backends may take.
mod limits;
/// Dockerfile, compose file, CI: they agree with one another.
mod packaging;
/// The built binary as its users meet it.
mod process;
/// A failed request goes to another backend, when that is safe.
mod retry;
/// Host and path to pool.
mod routing;
/// Scripted backends, raw clients, the built binary under a leash.
mod support;
/// The support keeps its own promises.
mod support_works;
/// A connection that becomes a tunnel.
mod tunnels;
