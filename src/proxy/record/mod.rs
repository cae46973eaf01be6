//! What is known of a request afterwards: counts, and its line in the access log. Nothing here changes the request.

pub(super) mod counting;
pub(super) mod log_line;
mod outcome;
mod tries;
