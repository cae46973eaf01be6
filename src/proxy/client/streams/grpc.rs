//! What a client of gRPC is told where an answer is none of gRPC.
//!
//! It comes from `lb` itself, or from a backend that does not speak gRPC, as most that speak HTTP/1. The
//! client would show a status of HTTP or a type of content, and nothing of what has happened. So it gets
//! the same in its own terms: a header alone, with `grpc-status` and `grpc-message`.
//!
//! The protocol is described in `doc/PROTOCOL-HTTP2.md` and `doc/http-grpc-status-mapping.md` of gRPC.

use bytes::Bytes;
use http::StatusCode;
use pingora_core::protocols::http::HttpTask;

use super::super::super::answer_header::AnswerHeader;
use crate::http1::{Fields, Known};

/// The most bytes of a body that become part of the message.
const TOLD: usize = 512;

/// Whether messages of this type of content are those of gRPC; those of gRPC-Web are not, which is made
/// for HTTP/1.
fn is_grpc(content_type: &[u8]) -> bool {
    let rest = content_type.strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest, [] | [b'+' | b';' | b' ', ..]))
}

/// Whether a request is one of gRPC.
pub(in super::super) fn asks_for_grpc(request: &Fields) -> bool {
    request.first(Known::ContentType).is_some_and(is_grpc)
}

/// The first piece of an answer's body, if it is among these.
pub(in super::super) fn first_piece(tasks: &[HttpTask]) -> Option<Bytes> {
    tasks.iter().find_map(|task| match task {
        HttpTask::Body(piece, _) => piece.clone(),
        _ => None,
    })
}

/// The header in place of one of another protocol; `None` if it is one of gRPC, or the final one follows.
/// `text` is what has come of the body.
pub(in super::super) fn in_place_of(
    header: &AnswerHeader,
    text: Option<&[u8]>,
) -> Option<AnswerHeader> {
    let content_type = header.fields.first(Known::ContentType).unwrap_or_default();
    if header.status.is_informational() || is_grpc(content_type) {
        return None;
    }
    let mut fields = Fields::with_room();
    fields.add(Known::ContentType, b"application/grpc");
    fields.append(b"grpc-status", code(header.status).as_bytes());
    fields.append(b"grpc-message", &message(header, content_type, text));
    for kept in [Known::Date, Known::XRequestId, Known::StrictTransportSecurity] {
        if let Some(value) = header.fields.first(kept) {
            fields.add(kept, value);
        }
    }
    Some(AnswerHeader::new(StatusCode::OK, fields))
}

/// The status in gRPC for one of HTTP.
fn code(status: StatusCode) -> &'static str {
    match status.as_u16() {
        // INTERNAL, UNAUTHENTICATED, PERMISSION_DENIED, UNIMPLEMENTED, UNAVAILABLE, UNKNOWN.
        400 => "13",
        401 => "16",
        403 => "7",
        404 => "12",
        429 | 502 | 503 | 504 => "14",
        _ => "2",
    }
}

/// The text of a plain answer, such as those of `lb`, or what kind of answer it was.
fn message(header: &AnswerHeader, content_type: &[u8], text: Option<&[u8]>) -> Vec<u8> {
    let text = text.filter(|_| content_type.starts_with(b"text/plain")).unwrap_or_default();
    let text = text[..text.len().min(TOLD)].trim_ascii();
    if !text.is_empty() {
        return escaped(text);
    }
    let status = header.status.as_str().as_bytes();
    let kind = if content_type.is_empty() { b"no type of content" } else { content_type };
    let parts = [&b"the backend does not speak gRPC: it answered "[..], status, b" with ", kind];
    escaped(&parts.concat())
}

/// Everything but printable ASCII is written as `%` and two digits, and so is `%`.
fn escaped(text: &[u8]) -> Vec<u8> {
    let mut all = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b'%' | 0..b' ' | 0x7f.. => all.extend(format!("%{byte:02X}").bytes()),
            byte => all.push(*byte),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, content_type: &str, text: Option<&[u8]>) -> Option<(String, String)> {
        let mut fields = Fields::with_room();
        fields.add(Known::ContentType, content_type.as_bytes());
        let header = AnswerHeader::new(StatusCode::from_u16(status).unwrap(), fields);
        let told = in_place_of(&header, text)?;
        assert_eq!(told.status, StatusCode::OK);
        let field = |name: &[u8]| {
            let value = told.fields.named(name).next().unwrap();
            String::from_utf8_lossy(value).into_owned()
        };
        Some((field(b"grpc-status"), field(b"grpc-message")))
    }

    #[test]
    fn answers_of_grpc_and_interim_ones_stay_as_they_are() {
        for content_type in ["application/grpc", "application/grpc+proto", "application/grpc;x=y"] {
            assert_eq!(told(200, content_type, None), None);
        }
        assert_eq!(told(103, "text/plain", None), None);
        assert!(!is_grpc(b"application/grpc-web+proto") && !is_grpc(b"application/json"));
    }

    #[test]
    fn others_say_what_has_happened() {
        let text = b"503 Service Unavailable: no backend\n";
        let expected = Some(("14".to_owned(), "503 Service Unavailable: no backend".to_owned()));
        assert_eq!(told(503, "text/plain; charset=utf-8", Some(text)), expected);
        let (code, message) = told(404, "text/html", Some(b"<html>")).unwrap();
        assert_eq!(code, "12");
        let expected = "the backend does not speak gRPC: it answered 404 with text/html";
        assert_eq!(message, expected);
        assert_eq!(told(200, "", None).unwrap().0, "2");
        assert_eq!(
            told(500, "text/plain", Some(b"a\r\nb % \xc3\xa4")).unwrap().1,
            "a%0D%0Ab %25 %C3%A4"
        );
        assert_eq!(told(500, "text/plain", Some(&[b'x'; 9000])).unwrap().1.len(), TOLD);
    }
}
