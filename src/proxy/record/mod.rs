//! What is known of a request afterwards: counts, its line in the access log, `Server-Timing`. Nothing
//! here changes the request.

pub(super) mod counting;
pub(super) mod log_line;
mod outcome;
pub(super) mod server_timing;
mod tries;
