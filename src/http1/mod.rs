//! HTTP/1 as bytes: the head of a request, a chunked body, the framing of an answer.
//!
//! Request smuggling needs two parsers that read the same bytes differently (RFC 9112 section
//! 11.2), so this one accepts the grammar, a few deviations that are named where they are allowed,
//! and nothing else. It holds no connection and knows no clock: bytes in, verdict out.
//!
//! Every byte of a head is looked at once by [`HeadEnd`], however the head is cut into reads, and
//! once by [`RequestHead::parse`], which answers every question that the proxy has about a head.
//! What goes on of a head travels as [`Fields`].
//! [`ChunkedBody`] takes the chunks off a body. [`Answer`] judges the head of a backend's answer.

mod answer;
mod answer_head;
mod chunked;
mod fields;
mod request;
pub mod rules;

pub use answer::{Answer, AnswerBody, InvalidAnswer, StatusLine};
pub use answer_head::{AnswerEnd, AnswerHead, unfold};
pub use chunked::{ChunkedBody, Decoded};
pub use fields::Fields;
pub use request::{
    Body, HeadEnd, MAX_FIELDS, MAX_HEAD_BYTES, Refused, RequestHead, Target, TargetForm, target,
};
pub use rules::{Authority, Field, Known, KnownFields, Refusal};

#[cfg(test)]
mod tests;
