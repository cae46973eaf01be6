//! What holds for a request whatever protocol its client speaks: written once, and run with a client of
//! each. The client is the parent module's.

/// What is logged for a request.
mod access_log;
/// The wait before a retry.
mod back_off;
/// Whose fault it was.
mod blame;
/// What a client sees of an answer that breaks off.
mod broken_answers;
/// What is counted of a request.
mod counts;
/// A backend that an operator has taken out.
mod draining;
/// A backend that fails requests is left alone, and comes back by answering one.
mod ejection;
/// A backend that takes much longer than usual is left for another.
mod learned_limit;
/// How long clients and backends may take.
mod limits;
/// Requests wait while every backend has as many as it may have.
mod queue;
/// A body that is read before its request gets a backend.
mod request_buffer;
/// The time for a whole request, up to its answer.
mod request_limit;
/// A failed request goes to another backend, when that is safe.
mod retry;
/// How many retries a pool pays for.
mod retry_budget;
/// Which failures of which requests are tried again.
mod retry_rules;
/// What is logged for each try of a request.
mod tries;
