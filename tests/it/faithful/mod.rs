//! Raw bytes in, raw bytes out: what a client and a backend say to each other arrives as it should, at
//! once, and what cannot be passed on is refused for the right reason.

mod answers;
mod requests;
