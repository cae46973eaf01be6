//! What is known of a request afterwards: counts, its line in the access log, and its spans. Nothing here changes the request.

pub(super) mod counting;
pub(super) mod log_line;
mod outcome;
pub(super) mod spans;
mod tries;
