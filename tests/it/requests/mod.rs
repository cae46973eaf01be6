//! Tests of requests in every protocol: written once, and run with a client of each protocol. The
//! client is the parent module's.

/// The access log line of a request.
mod access_log;
/// The wait before a retry.
mod back_off;
/// Failures that count against a backend.
mod blame;
/// Answers that break off.
mod broken_answers;
/// The counts of a request.
mod counts;
/// A backend that an operator has taken out.
mod draining;
/// A backend that fails requests is ejected, and comes back by answering a probe.
mod ejection;
/// What a request tries before it fails.
mod last_resort;
/// A backend that takes much longer than usual is left for another.
mod learned_limit;
/// Limits on the time of clients and backends.
mod limits;
/// Requests wait in the queue while every backend is full.
mod queue;
/// A body that is read before its request gets a backend.
mod request_buffer;
/// The time for a whole request, up to its answer.
mod request_limit;
/// A failed request goes to another backend, when that is safe.
mod retry;
/// The retry budget of a pool.
mod retry_budget;
/// The failures and requests that are tried again.
mod retry_rules;
/// The tries of a request in the access log.
mod tries;
