//! Everything that needs more than one module: the proxy against scripted backends, and the built
//! binary as its users start it. One binary, because every further one is linked again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]
#![allow(clippy::duplicate_mod, reason = "tests of every protocol are written once")]

/// Requests that two parsers could read differently are refused.
mod bad_requests;
/// The backend that gets the next request.
mod balancing;
/// Answers without a length, as a client of HTTP/1 sees them.
mod broken_answers;
/// Everything goes wrong at once, in an order that a seed determines.
mod chaos;
/// A browser, in HTTP/2 and HTTP/3.
mod chromium;
/// Connections that are closed before their client has read all answers.
mod closing;
/// The documents keep their promises.
mod documents;
/// Backends fail under load in many ways, and clients do not notice.
mod failures;
/// Headers that tell backends about the client.
mod headers;
/// Active checks, and how a backend comes back.
mod health;
/// Features of HTTP/2 alone.
mod http2;
/// Features of HTTP/3 alone.
mod http3;
/// Limits on the time of HTTP/1 clients.
mod limits;
/// Formats and filter of the access log, and `Server-Timing`.
mod log_format;
/// Rules, dashboard and the list of metrics agree.
mod monitoring;
/// Weekly work of operators costs no request.
mod operations;
/// Tests of every protocol, in HTTP/1.
mod over_http1;
/// Tests of every protocol, in HTTP/2.
mod over_http2;
/// Tests of every protocol, in HTTP/2 over TLS.
mod over_http2_tls;
/// Tests of every protocol, in HTTP/3.
mod over_http3;
/// The same requests over TLS.
mod over_tls;
/// Dockerfile, compose file, CI: they agree with one another.
mod packaging;
/// When most checks fail, all backends are used.
mod panic_threshold;
/// Clients that do not wait for an answer.
mod pipelining;
/// The built binary as its users meet it.
mod process;
/// A proxy in front says who the client is.
mod proxy_protocol;
/// Clients in Python, in HTTP/2 and HTTP/3.
mod python_clients;
/// Host and path to pool.
mod routing;
/// The status page over a scripted process.
mod status_page;
/// Scripted backends, raw clients, and the built binary as a guarded process.
mod support;
/// The support keeps its own promises.
mod support_works;
/// What goes over the connections to backends.
mod to_backends;
/// The trace of a request, and its spans.
mod traces;
/// A connection that becomes a tunnel.
mod tunnels;
