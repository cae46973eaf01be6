//! What HTTP/2 and HTTP/3 have in common: requests that come as lists of fields, each on a stream of its
//! own, and go on in HTTP/1.

mod ahead;
mod answer;
pub(super) mod grpc;
mod places;
mod request;

pub(super) use ahead::Ahead;
#[cfg(test)]
pub(super) use ahead::PIECE;
pub(super) use answer::{fields, took_too_slowly, trailer_lines};
pub(super) use places::{Place, Places, TINY_WINDOW};
pub(super) use request::read;
