//! The bytes of a connection in HTTP/2, between the client and the `h2` crate.
//!
//! The crate is strict about frames, but it lets some floods pass, ends connections for mistakes of one
//! request, and hides others. So every byte is looked at on its way to it and from it.

mod block;
#[cfg(test)]
mod checks;
mod closing;
mod conduct;
mod frames;
mod inbound;
mod streams;
mod transport;

pub(super) use conduct::{Mark, Signals};
pub(super) use frames::MAX_PAYLOAD;
pub(super) use transport::{GOODBYE, Transport};
