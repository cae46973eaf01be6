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
/// The wait before a retry.
mod back_off;
/// What two parsers could read differently is refused.
mod bad_requests;
/// Who gets the next request.
mod balancing;
/// Whose fault it was.
mod blame;
/// What a client sees of an answer that breaks off.
mod broken_answers;
/// A backend that an operator has taken out.
mod draining;
/// A backend that fails requests is left alone, and comes back by answering one.
mod ejection;
/// Backends fail under load, in every way there is, and clients do not notice.
mod failures;
mod faithful;
/// What backends are told about the client.
mod headers;
/// Active checks, and how a backend comes back.
mod health;
/// A backend that takes much longer than usual is left for another.
mod learned_limit;
/// How long clients and backends may take.
mod limits;
/// How a line looks, who has one, and `Server-Timing`.
mod log_format;
/// Rules, dashboard and the list of metrics agree.
mod monitoring;
/// What operators do every week costs no request.
mod operations;
/// Dockerfile, compose file, CI: they agree with one another.
mod packaging;
/// When most checks fail, all backends are used.
mod panic_threshold;
/// Clients that do not wait for an answer.
mod pipelining;
/// The built binary as its users meet it.
mod process;
/// Requests wait while every backend has as many as it may have.
mod queue;
/// The time for a whole request, up to its answer.
mod request_limit;
/// A failed request goes to another backend, when that is safe.
mod retry;
/// How many retries a pool pays for.
mod retry_budget;
/// Which failures of which requests are tried again.
mod retry_rules;
/// Host and path to pool.
mod routing;
/// What the status page makes of what it is told.
mod status_page;
/// Scripted backends, raw clients, the built binary under a leash.
mod support;
/// The support keeps its own promises.
mod support_works;
/// Which trace a request is a part of.
mod traces;
/// What is logged for each try of a request.
mod tries;
/// A connection that becomes a tunnel.
mod tunnels;
