//! Everything that needs more than one module: the proxy against scripted backends, and the built
//! binary as its users start it. One binary, because every further one is linked again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]
#![allow(clippy::duplicate_mod, reason = "tests of every protocol are written once")]

/// What two parsers could read differently is refused.
mod bad_requests;
/// Who gets the next request.
mod balancing;
/// What a client of HTTP/1 sees of an answer without a length.
mod broken_answers;
/// Backends fail under load, in every way there is, and clients do not notice.
mod failures;
mod faithful;
/// What backends are told about the client.
mod headers;
/// Active checks, and how a backend comes back.
mod health;
/// What clients of HTTP/2 alone can do.
mod http2;
/// How long a client of HTTP/1 may take to ask.
mod limits;
/// How a line looks, who has one, and `Server-Timing`.
mod log_format;
/// Rules, dashboard and the list of metrics agree.
mod monitoring;
/// What operators do every week costs no request.
mod operations;
/// What holds for every protocol, in HTTP/1.
mod over_http1;
/// What holds for every protocol, in HTTP/2.
mod over_http2;
/// Dockerfile, compose file, CI: they agree with one another.
mod packaging;
/// When most checks fail, all backends are used.
mod panic_threshold;
/// Clients that do not wait for an answer.
mod pipelining;
/// The built binary as its users meet it.
mod process;
/// Host and path to pool.
mod routing;
/// What the status page makes of what it is told.
mod status_page;
/// Scripted backends, raw clients, the built binary under a leash.
mod support;
/// The support keeps its own promises.
mod support_works;
/// What goes over the connections to backends.
mod to_backends;
/// Which trace a request is a part of.
mod traces;
/// A connection that becomes a tunnel.
mod tunnels;
