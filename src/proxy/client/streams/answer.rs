//! The fields of answers and trailers, as they come from HTTP/1 and go on there.

use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;
use pingora_core::{Error, ErrorType};

use super::super::super::answer_header::AnswerHeader;
use crate::http1::{
    Known,
    rules::{connection::is_hop_by_hop, may_be_trailer},
};

/// The fields of an answer, without those of a connection. What is announced as trailers comes as
/// trailers.
pub(in super::super) fn fields(header: &AnswerHeader) -> impl Iterator<Item = (&[u8], &[u8])> {
    let has_body = header.status != http::StatusCode::NO_CONTENT;
    let goes_on = move |known: Option<Known>| match known {
        Some(Known::Trailer) | None => true,
        Some(Known::ContentLength) => has_body,
        Some(known) => !is_hop_by_hop(known),
    };
    let fields = header.fields.iter().filter(move |field| goes_on(field.known));
    fields.map(|field| (field.name, field.value))
}

/// The trailers of a request that go on, as lines of HTTP/1.
pub(in super::super) fn trailer_lines(trailers: &HeaderMap) -> Bytes {
    let mut lines = BytesMut::new();
    for (name, value) in trailers {
        if may_be_trailer(name.as_str().as_bytes()) {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                lines.put_slice(part);
            }
        }
    }
    lines.freeze()
}

/// The client has taken an answer more slowly than it may.
pub(in super::super) fn took_too_slowly() -> Box<Error> {
    Error::explain(ErrorType::WriteTimedout, "the client takes the answer too slowly").into_down()
}
