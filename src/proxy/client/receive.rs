//! The next request of a connection: waited for, read, and taken apart.
//!
//! A request that is refused is given to the hooks like any other, with its refusal among the facts,
//! so that it is answered, counted and logged like any other.

use std::{
    future::poll_fn,
    task::{Context, Poll},
};

use bytes::BytesMut;
use http::{Method, Version, header};
use pingora::http::RequestHeader;
use pingora_core::Result;

use super::{
    super::reading, accepted::ConnectionContext, body::BodyReader, connection::Connection,
    link::RequestFacts,
};
use crate::clock;
use crate::count::Protocol;
use crate::headers;
use crate::http1::{
    Body, Fields, HeadEnd, Known, MAX_HEAD_BYTES, Refusal, Refused, RequestHead, TargetForm, target,
};

/// A header is read in pieces of this size: most fit.
pub(super) const PIECE: usize = 4096;
/// In place of a method or target that could not be read.
const UNREADABLE: &[u8] = b"-";

/// RFC 9110 section 15.6.6.
const HTTP_VERSION_NOT_SUPPORTED: u16 = 505;

pub(super) const NO_CONNECT: Refusal =
    Refusal { status: 405, why: "this is no proxy that makes connections with CONNECT" };
/// RFC 5842 section 7.2.
pub(super) const LOOP: Refusal = Refusal {
    status: 508,
    why: "the request has come through this balancer several times: its proxies form a loop",
};
pub(super) const LATE: Refusal =
    Refusal { status: 408, why: "the request header did not come in time" };

/// A request whose header is complete, or the readable part of one that is refused.
#[derive(Debug)]
pub(in super::super) struct Request {
    pub(super) header: RequestHeader,
    pub(super) body: BodyReader,
    /// Whether the client wants the connection kept open.
    pub(super) keeps_alive: bool,
}

/// How the wait for a header ended.
enum Received {
    /// With a header of this length.
    Whole(usize),
    /// With a header that is too large.
    TooLarge,
    /// With a part of a header, too late.
    Late,
    /// With nothing that needs an answer.
    Nothing,
}

impl Connection {
    /// The next request; `None` when the client has closed or sent nothing for too long.
    pub(in super::super) async fn next_request(&mut self) -> Option<Request> {
        if self.has_asked {
            let limits = &self.limits;
            let limit = if self.is_idle() { limits.keepalive } else { limits.header };
            self.deadline = clock::now() + limit;
        }
        let mut end = HeadEnd::default();
        let request = match poll_fn(|cx| self.poll_head(&mut end, cx)).await {
            Received::Whole(length) => {
                let head = reading::take(&mut self.input, length);
                match RequestHead::parse(&head) {
                    Ok(parsed) => self.taken(&parsed),
                    Err(refused) => self.refused(&refused),
                }
            }
            Received::TooLarge => {
                let head = self.input.split();
                self.refused(&Refused::too_large(&head))
            }
            Received::Late => {
                let head = self.input.split();
                self.refused(&Refused::unfinished(&head, LATE))
            }
            Received::Nothing => return None,
        };
        self.has_asked = true;
        request.inspect_err(|error| log::error!(error:% = error; "internal error")).ok()
    }

    fn poll_head(&mut self, end: &mut HeadEnd, cx: &mut Context<'_>) -> Poll<Received> {
        let mut begins = false;
        loop {
            if let Some(length) = end.find(&self.input) {
                return Poll::Ready(Received::Whole(length));
            }
            if self.input.len() > MAX_HEAD_BYTES {
                return Poll::Ready(Received::TooLarge);
            }
            let was_idle = self.input.is_empty();
            match self.poll_fill(cx, PIECE) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Received::Nothing),
                Poll::Ready(Ok(_)) => begins |= was_idle && self.has_asked,
                Poll::Pending => {
                    // A header that comes at once has no use for a deadline.
                    if begins {
                        self.deadline = clock::now() + self.limits.header;
                    }
                    self.output = BytesMut::new();
                    if self.poll_deadline(cx).is_pending() {
                        return Poll::Pending;
                    }
                    let has_begun = end.has_begun();
                    return Poll::Ready(if has_begun { Received::Late } else { Received::Nothing });
                }
            }
        }
    }

    fn taken(&mut self, head: &RequestHead<'_>) -> Result<Request> {
        let body = BodyReader::new(head.body, self.limits.body);
        let is_loop = headers::is_loop(head.all(Known::CdnLoop).map(|field| field.value));
        let facts = RequestFacts {
            refusal: match head.target.form {
                TargetForm::Authority => Some(NO_CONNECT),
                _ if is_loop => Some(LOOP),
                _ => body.check(&self.input).err(),
            },
            protocol: protocol(head.version),
            is_body_at_hand: match head.body {
                Body::None => true,
                Body::Length(length) => length <= self.input.len() as u64,
                Body::Chunked => false,
            },
            length: match head.body {
                Body::Length(length) => Some(length),
                Body::None | Body::Chunked => None,
            },
            expects_continue: head.expects_continue,
            asks_for_trailers: head.takes_trailers(),
            takes_trailers: head.takes_trailers() && head.version == Version::HTTP_11,
            wants_tunnel: head.wants_websocket,
        };
        self.link.request_began(facts, fields(head));
        Ok(Request { header: header(head)?, body, keeps_alive: head.keeps_alive })
    }

    fn refused(&mut self, unread: &Refused<'_>) -> Result<Request> {
        let version = unread.version.unwrap_or(Version::HTTP_11);
        let (header, mut facts, fields) = refused(unread, protocol(version))?;
        let ConnectionContext { settings, facts: accepted, .. } = self.link.connection();
        let is_over_tls = accepted.as_ref().is_some_and(|facts| facts.tls.is_some());
        if let Some(refusal) = &mut facts.refusal
            && refusal.status == HTTP_VERSION_NOT_SUPPORTED
            && settings.speaks_http2
        {
            refusal.why = other_version(unread.method, is_over_tls);
        }
        self.link.request_began(facts, fields);
        let body = BodyReader::new(Body::None, self.limits.body);
        Ok(Request { header, body, keeps_alive: false })
    }
}

/// Why a version in a request line is not served where HTTP/2 is spoken, too.
fn other_version(method: Option<&[u8]>, is_over_tls: bool) -> &'static str {
    match (method, is_over_tls) {
        (_, true) => {
            "HTTP/2 over TLS is agreed on in the handshake (ALPN), and this connection has HTTP/1.1"
        }
        (Some(b"PRI"), false) => {
            "this is not the preface of HTTP/2 that a connection begins with (RFC 9113 section 3.4)"
        }
        (_, false) => "a request line is of HTTP/1.0 or HTTP/1.1; HTTP/2 begins with its preface",
    }
}

/// A request that is refused, as hooks get it: with what could be read of it.
///
/// # Errors
///
/// Pingora's error if it cannot create a header; not known to happen.
pub(super) fn refused(
    refused: &Refused<'_>,
    protocol: Protocol,
) -> Result<(RequestHeader, RequestFacts, Fields)> {
    let facts = RequestFacts {
        refusal: Some(refused.refusal),
        protocol,
        is_body_at_hand: true,
        length: None,
        expects_continue: false,
        asks_for_trailers: false,
        takes_trailers: false,
        wants_tunnel: false,
    };
    let mut fields = Fields::default();
    if let Some(host) = refused.host {
        fields.add(Known::Host, host);
    }
    let method = refused.method.and_then(|method| Method::from_bytes(method).ok());
    let method = match method {
        Some(method) => method,
        None => unreadable_method()?,
    };
    let mut header = request(method, refused.target.unwrap_or(UNREADABLE))?;
    header.set_version(refused.version.unwrap_or(Version::HTTP_11));
    Ok((header, facts, fields))
}

/// The fields that go on to a backend, as they were spelled; the host that the request is for is in
/// `Host`. `Connection` and `Upgrade` are kept only as far as they ask for a tunnel.
fn fields(head: &RequestHead<'_>) -> Fields {
    let mut fields = Fields::with_room();
    for field in head.forwarded() {
        match (field.known, head.body) {
            (Some(Known::ContentLength), Body::Length(length)) if field.value.starts_with(b"0") => {
                fields.append(field.name, length.to_string().as_bytes());
            }
            _ => fields.push(field),
        }
    }
    if let (TargetForm::Absolute { .. }, Some(host)) = (head.target.form, head.host) {
        fields.remove(Known::Host);
        fields.lead(Known::Host, host);
    }
    if matches!(head.body, Body::Chunked) {
        head.all(Known::Trailer).for_each(|field| fields.push(field));
    }
    if head.wants_websocket {
        fields.add(Known::Connection, b"Upgrade");
        fields.add(Known::Upgrade, b"websocket");
    }
    fields
}

/// The head as Pingora sees it: the target in origin form, and of the fields only the one that Pingora
/// looks for.
fn header(head: &RequestHead<'_>) -> Result<RequestHeader> {
    let method = match Method::from_bytes(head.method) {
        Ok(method) => method,
        Err(_) => unreadable_method()?,
    };
    let mut header = request(method, &head.target.origin_form())?;
    header.set_version(head.version);
    if head.wants_websocket {
        header.append_header(header::UPGRADE, "websocket")?;
    }
    Ok(header)
}

/// A header without fields. Targets are taken as they were sent where Pingora's types can carry them,
/// which is nearly always; otherwise what they cannot carry is percent-encoded.
pub(super) fn request(method: Method, target: &[u8]) -> Result<RequestHeader> {
    RequestHeader::build_no_case(method.clone(), target, Some(0))
        .or_else(|_| RequestHeader::build_no_case(method, &target::encoded(target), Some(0)))
}

fn unreadable_method() -> Result<Method> {
    use pingora_core::{ErrorType, OrErr};
    Method::from_bytes(UNREADABLE).or_err(ErrorType::InvalidHTTPHeader, "a method is a token")
}

fn protocol(version: Version) -> Protocol {
    if version == Version::HTTP_10 { Protocol::Http10 } else { Protocol::Http11 }
}

#[cfg(test)]
mod tests {
    use super::other_version;

    #[test]
    fn a_version_that_is_not_served_is_told_where_http2_begins() {
        for (method, is_over_tls, says) in [
            (Some(&b"PRI"[..]), false, "this is not the preface of HTTP/2"),
            (Some(b"GET"), false, "HTTP/2 begins with its preface"),
            (None, false, "HTTP/2 begins with its preface"),
            (Some(b"PRI"), true, "ALPN"),
            (Some(b"GET"), true, "ALPN"),
        ] {
            let said = other_version(method, is_over_tls);
            assert!(said.contains(says), "{method:?} {is_over_tls}: {said}");
        }
    }
}
